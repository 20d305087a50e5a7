//! Alerts with their recordings.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use serde::{Deserialize, Serialize};

use super::events::{EventSchema, recent};
use super::problem::{Answer, Problem, ProblemBody};
use super::routes::App;
use crate::events::spool::Query;
use crate::events::{Body, CameraId, Event, EventId};
use crate::watch::status::RecordingStatus;

/// Alerts of an answer, where no limit is asked for, and at most.
const USUAL: usize = 50;
const MOST: usize = 500;

/// Which alerts are asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those before the event of this id.
    #[param(value_type = Option<String>)]
    before: Option<EventId>,
    /// Only those of this camera.
    #[param(value_type = Option<String>)]
    camera: Option<CameraId>,
    /// At most so many: 1 to 500, 50 where nothing is said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

/// An alert.
#[derive(Serialize, utoipa::ToSchema)]
struct Alert {
    /// The event that told of it.
    #[schema(value_type = EventSchema)]
    event: Event,
    /// Its recording; null where none was made, or it made room for newer ones.
    recording: Option<RecordingStatus>,
}

/// Alerts, the newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Alerts {
    alerts: Vec<Alert>,
    /// What `before` is to be for older ones; null where there are none.
    #[schema(value_type = Option<String>)]
    next: Option<EventId>,
}

/// The recordings that are kept.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Recordings {
    /// The newest first.
    recordings: Vec<RecordingStatus>,
}

/// Alerts with their recordings, the newest first.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "events", operation_id = "listAlerts", params(Filter),
    responses(
        (status = 200, description = "Alerts", body = Alerts),
        (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    filter: Result<extract::Query<Filter>, QueryRejection>,
) -> Answer<Json<Alerts>> {
    let extract::Query(Filter { before, camera, limit }) = filter?;
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        let text = format!("limit is {limit}; 1 to {MOST} are expected");
        return Err(Problem::bad_request(text));
    }
    let types = vec!["alert".to_owned()];
    let events = recent(&app, Query { after: None, before, camera, types, limit }).await?;
    let recordings = app.blocking(|app| app.control.recordings()).await?;
    let mut recordings: HashMap<_, _> =
        recordings.into_iter().map(|recording| (recording.id.clone(), recording)).collect();
    let next = events.last().filter(|_| events.len() == limit).map(|event| event.id);
    let with_recording = |event: Event| {
        let recording = match &event.body {
            Body::Alert(alert) => alert.recording.and_then(|id| recordings.remove(&id.to_string())),
            _ => None,
        };
        Alert { event, recording }
    };
    Ok(Json(Alerts { alerts: events.into_iter().map(with_recording).collect(), next }))
}

/// Every recording that is kept.
#[utoipa::path(
    get, path = "/api/v1/recordings", tag = "events", operation_id = "listRecordings",
    responses((status = 200, description = "The recordings", body = Recordings))
)]
pub(super) async fn recordings(State(app): State<App>) -> Answer<Json<Recordings>> {
    let recordings = app.blocking(|app| app.control.recordings()).await?;
    Ok(Json(Recordings { recordings }))
}
