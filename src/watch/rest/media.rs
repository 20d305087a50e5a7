//! What a camera shows now, with the boxes of its faces.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::cameras::{AskedId, camera_id, no_camera};
use super::problem::{Answer, Problem, ProblemBody};
use super::routes::App;
use crate::events::CameraId;
use crate::events::body::CameraState;
use crate::watch::status::Jpeg;

/// How long a snapshot waits for a frame that came after it was asked for.
const NEWEST: Duration = Duration::from_secs(2);

/// Separates the pictures of a preview.
const BOUNDARY: &str = "m2sd-frame";

/// The next frame with its boxes. It waits for one, so that a client that asks again at once sees every
/// frame that is shown, a few a second.
#[utoipa::path(
    get, path = "/api/v1/cameras/{id}/snapshot.jpg", tag = "cameras", operation_id = "getSnapshot",
    params(("id" = String, Path, description = "The camera's id")),
    responses(
        (status = 200, description = "A picture", content_type = "image/jpeg", body = [u8]),
        (status = 404, description = "There is no such camera", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "It shows nothing at present", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn snapshot(State(app): State<App>, id: AskedId) -> Answer<Response> {
    let id = camera_id(id)?;
    let mut frames = app.control.preview(&id).ok_or_else(|| no_camera(&id))?;
    // What is there may be old: it was made for an earlier viewer.
    frames.mark_unchanged();
    let changed = tokio::time::timeout(NEWEST, frames.changed()).await;
    let frame = match changed {
        Ok(Ok(())) => frames.borrow_and_update().clone(),
        Ok(Err(_)) => return Err(no_camera(&id)),
        Err(_) => None,
    };
    let frame = frame.ok_or_else(|| shows_nothing(&app, &id))?;
    Ok(([(CONTENT_TYPE, "image/jpeg")], Body::from(Bytes::from_owner(frame))).into_response())
}

fn shows_nothing(app: &App, id: &CameraId) -> Problem {
    let Some(status) = app.control.camera(id) else { return no_camera(id) };
    let state = match status.state {
        CameraState::Connecting => "is being connected to",
        CameraState::Online => "is online, but no frame came",
        CameraState::Stalled => "is connected and brings nothing",
        CameraState::Offline => "is offline",
        CameraState::Ended => "has come to its end",
    };
    let reason = status.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    Problem::unavailable(format!("camera {id} {state}{reason}"))
}

/// Frames with their boxes, a few a second, one after the other, until the client goes.
#[utoipa::path(
    get, path = "/api/v1/cameras/{id}/preview.mjpeg", tag = "cameras", operation_id = "getPreview",
    params(("id" = String, Path, description = "The camera's id")),
    responses(
        (status = 200, description = "Pictures", content_type = "multipart/x-mixed-replace", body = [u8]),
        (status = 404, description = "There is no such camera", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many previews are being sent", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn preview(State(app): State<App>, id: AskedId) -> Answer<Response> {
    let id = camera_id(id)?;
    let frames = app.control.preview(&id).ok_or_else(|| no_camera(&id))?;
    let permit = app.viewers.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "too many previews are being sent; close one, or raise viewers in [http]",
        )
        .retry_after(5)
    })?;
    let state = Preview { frames, stop: app.stop.clone(), opened: false, _permit: permit };
    let body = Body::from_stream(stream::unfold(state, Preview::next));
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    Ok(([(CONTENT_TYPE, kind)], body).into_response())
}

/// What is left to send of a preview.
struct Preview {
    frames: watch::Receiver<Option<Jpeg>>,
    stop: watch::Receiver<bool>,
    opened: bool,
    _permit: OwnedSemaphorePermit,
}

impl Preview {
    /// The next part; `None` where the camera is removed or the server stops.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.opened {
            self.opened = true;
            self.frames.mark_changed();
            return Some((Ok(Bytes::from(format!("--{BOUNDARY}\r\n"))), self));
        }
        loop {
            tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => return None,
                changed = self.frames.changed() => changed.ok()?,
            }
            let Some(frame) = self.frames.borrow_and_update().clone() else { continue };
            let length = frame.len();
            let head = format!("Content-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
            // Browsers show a picture once they see the boundary behind it.
            let tail = format!("\r\n--{BOUNDARY}\r\n");
            let part = [head.as_bytes(), &frame, tail.as_bytes()].concat();
            return Some((Ok(Bytes::from(part)), self));
        }
    }
}
