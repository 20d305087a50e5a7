//! Who may ask for what: the layers in front of the routes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::page;
use super::problem::Problem;
use super::routes::App;
use super::token::Token;

/// The cookie of a login.
pub(super) const COOKIE_NAME: &str = "m2sd-session";

/// How long a request may take until its answer begins, its body included.
const TIMEOUT: Duration = Duration::from_secs(40);

/// What a wrong token takes from the client's bucket, in requests.
const WRONG_TOKEN_COST: f64 = 50.0;

/// Everything comes from here, nothing is inline, nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; media-src 'self'; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Where a connection comes from; in the extensions of each of its requests.
#[derive(Clone, Copy)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// Who may ask.
pub(super) struct Access {
    token: Option<Token>,
    /// Names under which the server may be asked for; none: under every name.
    hosts: Option<Vec<String>>,
}

impl Access {
    pub(super) fn new(token: Option<Token>, listen: SocketAddr, hosts: &[String]) -> Self {
        // A page of another site that makes its own name mean this machine could read everything.
        // Behind a token it cannot: it has no cookie of this server.
        let checked = listen.ip().is_loopback() || !hosts.is_empty();
        let own =
            ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), host(listen)];
        let hosts = hosts.iter().map(|name| name.to_ascii_lowercase());
        Self { token, hosts: checked.then(|| own.into_iter().chain(hosts).collect()) }
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(hosts) = &self.hosts else { return Ok(()) };
        let asked = authority(headers.get(HOST));
        let known = asked.as_ref().is_some_and(|asked| {
            let asked = asked.host().to_ascii_lowercase();
            hosts.contains(&asked)
        });
        if known {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the header Host names another machine; ask for this one under its address, or add the \
             name to hosts in [http]",
        ))
    }

    /// Whether the client has shown the token. `None`: it has shown nothing.
    fn shown(&self, token: &Token, headers: &HeaderMap) -> Option<bool> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let value = value.to_str().unwrap_or_default();
            let bearer =
                value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            return Some(bearer.is_some_and(|(_, given)| token.is(given.trim())));
        }
        let now = SystemTime::now();
        let mut sessions = cookies(headers).filter(|(name, _)| *name == COOKIE_NAME).peekable();
        sessions.peek()?;
        Some(sessions.any(|(_, session)| token.holds(session, now)))
    }
}

fn host(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn authority(value: Option<&HeaderValue>) -> Option<Authority> {
    value?.to_str().ok()?.parse().ok()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='))
}

/// Whether a page of this server may have made the request, or no page at all.
fn same_origin(request: &Request) -> bool {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match text("sec-fetch-site") {
        Some("same-origin" | "none") | None => {}
        // A link to the page, or to a recording, from elsewhere.
        Some(_) if reads && text("sec-fetch-mode") == Some("navigate") => {}
        Some(_) => return false,
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let asked = authority(headers.get(HOST));
    origin.is_some_and(|(_, origin)| asked.is_some_and(|asked| asked.as_str() == origin))
}

/// The checks of every request, and the headers of every answer.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match check(&app, &request) {
        Ok(()) => match tokio::time::timeout(TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the request did not come, or was not answered, within {TIMEOUT:?}"),
            )
            .into_response(),
        },
        Err(refusal) => refusal.into_response(),
    };
    secure(response.headers_mut());
    response
}

/// What is answered instead of what was asked for.
enum Refusal {
    Problem(Problem),
    /// A person is to log in first.
    Login,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Login => Redirect::to("/login").into_response(),
        }
    }
}

fn check(app: &App, request: &Request) -> Result<(), Refusal> {
    let client = request.extensions().get::<ClientAddress>().map(|client| client.0);
    let allow = |cost| client.is_none_or(|client| app.clients.allow(client, cost, Instant::now()));
    if !allow(1.0) {
        let text = "too many requests from this address; requests-per-second in [http] limits them";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, text).retry_after(1).into());
    }
    app.access.check_host(request.headers())?;
    if !same_origin(request) {
        let text = "this request comes from a page of another site; only pages of this server may \
                    make it";
        return Err(Problem::forbidden(text).into());
    }
    let path = request.uri().path();
    match app.access.token() {
        Some(token) if !page::is_open(path) => check_token(app, token, request, allow),
        _ => Ok(()),
    }
}

fn check_token(
    app: &App,
    token: &Token,
    request: &Request,
    allow: impl Fn(f64) -> bool,
) -> Result<(), Refusal> {
    let is_bearer = request.headers().contains_key(AUTHORIZATION);
    let found = match app.access.shown(token, request.headers()) {
        Some(true) => return Ok(()),
        // Also where a session has ended, which is no attempt to guess.
        _ if request.uri().path() == "/" && !is_bearer => return Err(Refusal::Login),
        Some(false) => {
            allow(WRONG_TOKEN_COST);
            "is not the one expected"
        }
        None => "is missing",
    };
    let text = format!("the token {found}: send Authorization: Bearer TOKEN, or log in at /login");
    Err(Problem::unauthorized(text).into())
}

/// Whether a token is the right one; a wrong one is paid for.
pub(super) fn login(app: &App, client: Option<IpAddr>, given: &str) -> Option<String> {
    let token = app.access.token()?;
    if token.is(given.trim()) {
        return Some(token.session(SystemTime::now()));
    }
    if let Some(client) = client {
        app.clients.allow(client, WRONG_TOKEN_COST, Instant::now());
    }
    None
}

fn secure(headers: &mut HeaderMap) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Without any, browsers say of the login form that it comes from nowhere.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What cameras see stays out of caches, unless a route says otherwise.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
