//! The page's files, which are part of the program, and the login.

use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use super::guard::{COOKIE_NAME, ClientAddress, login};
use super::problem::Answer;
use super::routes::App;
use super::token::Token;

/// How long the answer to a wrong token takes.
const WRONG_TOKEN_DELAY: Duration = Duration::from_millis(500);

/// A file of the page.
struct File {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($path:literal $name:literal $kind:literal),+ $(,)?) => {
        [$(File {
            path: $path,
            kind: $kind,
            text: include_str!(concat!("../page/", $name)),
        }),+]
    };
}

const HTML: &str = "text/html; charset=utf-8";

const FILES: [File; 11] = files! {
    "/" "index.html" "text/html; charset=utf-8",
    "/page/style.css" "style.css" "text/css; charset=utf-8",
    "/page/icon.svg" "icon.svg" "image/svg+xml",
    "/page/app.js" "app.js" "text/javascript; charset=utf-8",
    "/page/api.js" "api.js" "text/javascript; charset=utf-8",
    "/page/words.js" "words.js" "text/javascript; charset=utf-8",
    "/page/wall.js" "wall.js" "text/javascript; charset=utf-8",
    "/page/camera.js" "camera.js" "text/javascript; charset=utf-8",
    "/page/timeline.js" "timeline.js" "text/javascript; charset=utf-8",
    "/page/alerts.js" "alerts.js" "text/javascript; charset=utf-8",
    "/page/health.js" "health.js" "text/javascript; charset=utf-8",
};

const LOGIN: &str = include_str!("../page/login.html");

/// Whether a path says nothing of cameras, and is open to those who have not logged in.
pub(super) fn is_open(path: &str) -> bool {
    matches!(path, "/login" | "/healthz" | "/readyz") || path.starts_with("/page/")
}

pub(super) fn routes() -> Router<App> {
    let files = FILES.iter().fold(Router::new(), |router, file| {
        router.route(file.path, get(move |headers: HeaderMap| async move { send(file, &headers) }))
    });
    files.route("/login", get(form).post(log_in)).route("/logout", post(log_out))
}

fn send(file: &'static File, headers: &HeaderMap) -> Response {
    // The program's files change with the program only.
    let tag = concat!("\"", env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID"), "\"");
    let caching = [
        (ETAG, HeaderValue::from_static(tag)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known == tag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, file.kind)], file.text).into_response()
}

async fn form(State(app): State<App>) -> Response {
    if app.access.token().is_none() {
        return Redirect::to("/").into_response();
    }
    login_page(StatusCode::OK, "")
}

fn login_page(status: StatusCode, message: &'static str) -> Response {
    let page = LOGIN.replace("<!-- message -->", message);
    (status, [(CONTENT_TYPE, HTML)], page).into_response()
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

async fn log_in(
    State(app): State<App>,
    client: Option<Extension<ClientAddress>>,
    headers: HeaderMap,
    given: Result<Form<Login>, FormRejection>,
) -> Answer<Response> {
    let Form(given) = given?;
    let client = client.map(|client| client.0.0);
    let Some(session) = login(&app, client, &given.token) else {
        tokio::time::sleep(WRONG_TOKEN_DELAY).await;
        return Ok(login_page(StatusCode::UNAUTHORIZED, "This is not the token."));
    };
    let cookie = cookie(&session, Token::SESSION, is_encrypted(&headers));
    Ok((cookie, Redirect::to("/")).into_response())
}

async fn log_out(request: Request) -> Response {
    let cookie = cookie("", Duration::ZERO, is_encrypted(request.headers()));
    (cookie, Redirect::to("/login")).into_response()
}

/// Whether a reverse proxy says that the browser came to it by TLS.
fn is_encrypted(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

fn cookie(session: &str, age: Duration, secure: bool) -> [(axum::http::HeaderName, String); 1] {
    let secure = if secure { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie = format!(
        "{COOKIE_NAME}={session}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
    );
    [(SET_COOKIE, cookie)]
}
