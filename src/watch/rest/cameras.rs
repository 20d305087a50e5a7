//! Cameras: what they do, and adding, changing and removing them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::{Answer, Problem, ProblemBody};
use super::routes::App;
use crate::core::redact::redact;
use crate::events::CameraId;
use crate::watch::config::CameraConfig;
use crate::watch::status::CameraStatus;

/// Every camera.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Cameras {
    /// By id.
    cameras: Vec<CameraStatus>,
}

/// The camera's id in an address.
pub(super) type AskedId = Result<Path<String>, PathRejection>;

/// # Errors
/// 404 where no camera can be called so.
pub(super) fn camera_id(asked: AskedId) -> Answer<CameraId> {
    let Path(text) = asked?;
    CameraId::new(text).map_err(|error| Problem::not_found(error.to_string()))
}

pub(super) fn no_camera(id: &CameraId) -> Problem {
    Problem::not_found(format!("there is no camera {id}; /api/v1/cameras lists those that are"))
}

/// Addresses without credentials, whoever forgot to remove them.
fn masked(mut status: CameraStatus) -> CameraStatus {
    status.uri = redact(&status.uri).into_owned();
    status.reason = status.reason.map(|reason| redact(&reason).into_owned());
    status
}

/// Every camera and what it does.
#[utoipa::path(
    get, path = "/api/v1/cameras", tag = "cameras", operation_id = "listCameras",
    responses((status = 200, description = "Every camera, by id", body = Cameras))
)]
pub(super) async fn list(State(app): State<App>) -> Json<Cameras> {
    Json(Cameras { cameras: app.control.cameras().into_iter().map(masked).collect() })
}

/// One camera and what it does.
#[utoipa::path(
    get, path = "/api/v1/cameras/{id}", tag = "cameras", operation_id = "getCamera",
    params(("id" = String, Path, description = "The camera's id")),
    responses(
        (status = 200, description = "The camera", body = CameraStatus),
        (status = 404, description = "There is none", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn get(State(app): State<App>, id: AskedId) -> Answer<Json<CameraStatus>> {
    let id = camera_id(id)?;
    let status = app.control.camera(&id).ok_or_else(|| no_camera(&id))?;
    Ok(Json(masked(status)))
}

/// What a camera is configured as, without credentials.
#[utoipa::path(
    get, path = "/api/v1/cameras/{id}/config", tag = "cameras", operation_id = "getCameraConfig",
    params(("id" = String, Path, description = "The camera's id")),
    responses(
        (status = 200, description = "Its configuration", body = CameraConfig),
        (status = 404, description = "There is none", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn config(State(app): State<App>, id: AskedId) -> Answer<Json<CameraConfig>> {
    let id = camera_id(id)?;
    let mut config = app.control.config(&id).ok_or_else(|| no_camera(&id))?;
    config.uri = redact(&config.uri).into_owned();
    Ok(Json(config))
}

/// Adds a camera, or changes the one of this id. It is kept over restarts.
#[utoipa::path(
    put, path = "/api/v1/cameras/{id}", tag = "cameras", operation_id = "putCamera",
    params(("id" = String, Path, description = "The camera's id, as in the body")),
    request_body = CameraConfig,
    responses(
        (status = 200, description = "It was changed", body = CameraConfig),
        (status = 201, description = "It was added", body = CameraConfig),
        (status = 400, description = "The body is no JSON, or about another camera", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The configuration cannot work", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn put(
    State(app): State<App>,
    id: AskedId,
    config: Result<Json<CameraConfig>, JsonRejection>,
) -> Answer<Response> {
    let Path(asked) = id?;
    let id = CameraId::new(asked).map_err(|error| Problem::bad_request(error.to_string()))?;
    let Json(config) = config?;
    if config.id != id {
        let text = format!("the body is about camera {}, the address about {id}", config.id);
        return Err(Problem::bad_request(text));
    }
    let mut answer = config.clone();
    answer.uri = redact(&answer.uri).into_owned();
    let added = app.blocking(move |app| app.control.put(config)).await??;
    if added {
        let location = [(LOCATION, format!("/api/v1/cameras/{id}"))];
        return Ok((StatusCode::CREATED, location, Json(answer)).into_response());
    }
    Ok(Json(answer).into_response())
}

/// Removes a camera.
#[utoipa::path(
    delete, path = "/api/v1/cameras/{id}", tag = "cameras", operation_id = "deleteCamera",
    params(("id" = String, Path, description = "The camera's id")),
    responses(
        (status = 204, description = "It is being stopped"),
        (status = 404, description = "There is none", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn remove(State(app): State<App>, id: AskedId) -> Answer<StatusCode> {
    let id = camera_id(id)?;
    app.blocking(move |app| app.control.remove(&id)).await??;
    Ok(StatusCode::NO_CONTENT)
}
