//! How the service does, and its networks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::problem::{Answer, Problem, ProblemBody};
use super::process::ProcessStatus;
use super::routes::App;
use crate::events::UtcTime;
use crate::events::sinks::shown;
use crate::events::spool::SpoolStats;
use crate::watch::status::ModelStatus;

/// The networks that the cameras share.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Models {
    models: Vec<ModelStatus>,
}

/// How the service does.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ServiceStatus {
    /// Of m2sd.
    version: &'static str,
    /// This machine's time.
    #[schema(value_type = String, format = DateTime)]
    time: UtcTime,
    /// Seconds since the server began.
    uptime_seconds: u64,
    /// Whether every camera has been started and the models are loaded.
    ready: bool,
    /// Whether clients must show a token.
    needs_token: bool,
    /// What the process uses.
    process: ProcessStatus,
    /// Where events wait for those that they are sent to.
    spool: SpoolStatus,
}

/// Where events wait.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
struct SpoolStatus {
    /// Events on the disk, delivered or not.
    events: u64,
    /// Bytes on the disk.
    bytes: u64,
    /// When the oldest of them was recorded.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest: Option<UtcTime>,
    /// Events that wait in memory for the disk.
    queued: u64,
    /// Events that could not be kept.
    refused: u64,
    /// Why the disk does not take events at present.
    failure: Option<String>,
    /// To whom events are sent.
    sinks: Vec<SinkStatus>,
}

/// To whom events are sent.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
struct SinkStatus {
    /// Its name.
    name: String,
    /// Events that wait for it.
    depth: u64,
    /// Events that it has.
    delivered: u64,
    /// Events that it will never have: they made room for newer ones.
    dropped: u64,
    /// Tries that failed.
    failures: u64,
    /// Why the last try failed.
    last_error: Option<String>,
}

impl From<SpoolStats> for SpoolStatus {
    fn from(stats: SpoolStats) -> Self {
        let sink = |sink: crate::events::spool::SinkStats| SinkStatus {
            name: shown(&sink.name),
            depth: sink.depth,
            delivered: sink.delivered,
            dropped: sink.dropped,
            failures: sink.failures,
            last_error: sink.last_error,
        };
        Self {
            events: stats.events,
            bytes: stats.bytes,
            oldest: stats.oldest,
            queued: stats.queued as u64,
            refused: stats.refused,
            failure: stats.failure,
            sinks: stats.sinks.into_iter().map(sink).collect(),
        }
    }
}

/// The networks that the cameras share.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "service", operation_id = "listModels",
    responses((status = 200, description = "The networks", body = Models))
)]
pub(super) async fn models(State(app): State<App>) -> Json<Models> {
    Json(Models { models: app.control.models() })
}

/// How the service does: process, spool, sinks.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "service", operation_id = "getStatus",
    responses((status = 200, description = "How it does", body = ServiceStatus))
)]
pub(super) async fn status(State(app): State<App>) -> Answer<Json<ServiceStatus>> {
    let status = app.blocking(|app| ServiceStatus {
        version: env!("CARGO_PKG_VERSION"),
        time: UtcTime::now(),
        uptime_seconds: app.since.elapsed().as_secs(),
        ready: app.control.ready(),
        needs_token: app.access.token().is_some(),
        process: ProcessStatus::read(),
        spool: app.spool.stats().into(),
    });
    Ok(Json(status.await?))
}

/// Reads the configuration file again: cameras that are new, changed or gone are started, restarted or
/// stopped, all others go on.
#[utoipa::path(
    post, path = "/api/v1/reload", tag = "service", operation_id = "reload",
    responses(
        (status = 204, description = "It holds now"),
        (status = 422, description = "It cannot be used; nothing has changed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "It cannot be read; nothing has changed", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn reload(State(app): State<App>) -> Answer<StatusCode> {
    app.blocking(|app| app.control.reload()).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "healthz", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether every camera has been started and the models are loaded.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "readyz", security(()),
    responses(
        (status = 200, description = "It is ready", body = String, content_type = "text/plain"),
        (status = 503, description = "Not yet", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn readyz(State(app): State<App>) -> Answer<&'static str> {
    if app.control.ready() {
        return Ok("ready\n");
    }
    Err(Problem::unavailable("models are being loaded, or cameras started"))
}
