//! Every route, and the OpenAPI document that describes them.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::{Json, Router, middleware};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::clients::Clients;
use super::config::HttpConfig;
use super::guard::{Access, guard};
use super::problem::Problem;
use super::token::Token;
use super::{alerts, cameras, events, files, health, media, metrics, page};
use crate::events::Spool;
use crate::watch::control::Control;

/// Bytes of a request's body: a camera's configuration is far smaller.
const BODY_BYTES: usize = 64 * 1024;
/// Event streams that are sent at the same time; each is a connection of its own.
const EVENT_STREAMS: usize = 64;

/// What the routes share.
#[derive(Clone)]
pub(super) struct App(Arc<Shared>);

pub(super) struct Shared {
    pub(super) control: Arc<dyn Control>,
    pub(super) spool: Arc<Spool>,
    pub(super) access: Access,
    pub(super) clients: Arc<Clients>,
    /// Previews that may still be sent.
    pub(super) viewers: Arc<Semaphore>,
    /// Event streams that may still be sent.
    pub(super) listeners: Arc<Semaphore>,
    /// Whether the server stops: endless answers end then.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) since: Instant,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(super) fn new(
        config: &HttpConfig,
        address: SocketAddr,
        token: Option<Token>,
        control: Arc<dyn Control>,
        spool: Arc<Spool>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Shared {
            control,
            spool,
            access: Access::new(token, address, &config.hosts),
            clients: Arc::new(Clients::new(config.requests_per_second)),
            viewers: Arc::new(Semaphore::new(config.viewers.into())),
            listeners: Arc::new(Semaphore::new(EVENT_STREAMS)),
            stop,
            since: Instant::now(),
        }))
    }

    /// What may wait for the disk or a lock, beside the threads that answer.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let app = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&app)).await;
        done.map_err(|_| Problem::unavailable("the server could not answer; see its log"))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "m2sd watch",
        description = "Cameras, what was seen by them, and how the service does. A score is no proof: \
            docs/trust.md says how far it can be believed.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "cameras", description = "What is watched"),
        (name = "events", description = "What was seen"),
        (name = "service", description = "How the service does")
    ),
    components(schemas(super::problem::ProblemBody)),
    modifiers(&Security)
)]
struct Description;

/// The two ways of showing the token.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme,
        };
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(super::guard::COOKIE_NAME));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(cameras::list))
        .routes(routes!(cameras::get, cameras::put, cameras::remove))
        .routes(routes!(cameras::config))
        .routes(routes!(media::snapshot))
        .routes(routes!(media::preview))
        .routes(routes!(events::list))
        .routes(routes!(events::stream))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::recordings))
        .routes(routes!(files::recording))
        .routes(routes!(health::models))
        .routes(routes!(health::status))
        .routes(routes!(health::reload))
        .routes(routes!(document))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The whole server: what is described, and the page.
pub(super) fn router(app: App) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .merge(page::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(|| async { Problem::method(None) })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn unknown(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::not_found(format!("nothing is at {path}; /api/v1/openapi.json says what there is"))
}

/// The OpenAPI 3.1 document of the server.
pub fn openapi() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = serde_json::to_value(described().get_openapi()).unwrap_or_default();
        add_event(&mut document);
        document
    });
    &DOCUMENT
}

/// Adds the schema of events, which is generated elsewhere; OpenAPI's schemas are JSON Schema too.
fn add_event(document: &mut Value) {
    let mut event = crate::events::json_schema();
    relocate(&mut event);
    let parts = event.as_object_mut().and_then(|event| {
        event.remove("$schema");
        event.remove("$id");
        event.remove("$defs")
    });
    let schemas = &mut document["components"]["schemas"];
    if let Some(Value::Object(parts)) = parts {
        for (name, part) in parts {
            schemas[format!("Event.{name}")] = part;
        }
    }
    schemas["Event"] = event;
}

/// Turns references into those of an OpenAPI document, where they stand apart from other schemas.
fn relocate(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/Event.");
            }
            fields.values_mut().for_each(relocate);
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        _ => {}
    }
}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn document(State(_): State<App>) -> impl IntoResponse {
    Json(openapi())
}
