//! What was seen: recent events, and those to come.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::problem::{Answer, Problem, ProblemBody};
use super::routes::App;
use crate::events::spool::Query;
use crate::events::{Body, CameraId, Event, EventId};

/// Events of an answer, where no limit is asked for, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;
/// Seconds that a request may wait for events.
const LONGEST_WAIT: u64 = 30;
/// Events that are read at a time for a stream.
const BATCH: usize = 100;
/// A comment keeps proxies from closing a quiet stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a browser connects again.
const RETRY: Duration = Duration::from_secs(2);

/// Which events are asked for.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only those behind the event of this id, the oldest first.
    #[param(value_type = Option<String>)]
    after: Option<EventId>,
    /// Only those before the event of this id.
    #[param(value_type = Option<String>)]
    before: Option<EventId>,
    /// Only those of this camera.
    #[param(value_type = Option<String>)]
    camera: Option<CameraId>,
    /// Only those of these types, separated by commas: `clip`, `verdict`, `track-start`, `track-end`,
    /// `alert`, `camera`, `health`.
    #[serde(rename = "type")]
    types: Option<String>,
    /// At most so many: 1 to 1000, 100 where nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// With `after`: wait so many seconds for an event where there is none yet, 0 to 30.
    #[param(maximum = 30)]
    wait: Option<u64>,
}

/// Events, and where they go on.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Events {
    /// The newest first; with `after`, the oldest first.
    #[schema(value_type = Vec<EventSchema>)]
    events: Vec<Event>,
    /// What `after` (or, of a list with the newest first, `before`) is to be for the next part; null
    /// where nothing was found.
    #[schema(value_type = Option<String>)]
    next: Option<EventId>,
}

/// The schema of events is generated elsewhere; this refers to it.
pub(super) struct EventSchema;

impl utoipa::PartialSchema for EventSchema {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::Ref::from_schema_name("Event").into()
    }
}

impl utoipa::ToSchema for EventSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }
}

impl Filter {
    fn query(&self, usual: usize) -> Answer<Query> {
        let limit = self.limit.unwrap_or(usual);
        if !(1..=MOST).contains(&limit) {
            let text = format!("limit is {limit}; 1 to {MOST} are expected");
            return Err(Problem::bad_request(text));
        }
        if self.after.is_some() && self.before.is_some() {
            return Err(Problem::bad_request("after and before exclude each other"));
        }
        let types = self.types.as_deref().unwrap_or_default();
        let types: Vec<String> =
            types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if let Some(unknown) = types.iter().find(|name| !Body::TYPES.contains(&name.as_str())) {
            let unknown: String = unknown.chars().take(40).collect();
            let known = Body::TYPES.join(", ");
            let text = format!("type {unknown:?} is none of events; expected are {known}");
            return Err(Problem::bad_request(text));
        }
        let (after, before) = (self.after, self.before);
        Ok(Query { after, before, camera: self.camera.clone(), types, limit })
    }
}

/// Events as `query` asks for them.
pub(super) async fn recent(app: &App, query: Query) -> Answer<Vec<Event>> {
    let events = app.blocking(move |app| app.spool.recent(&query)).await?;
    events.map_err(|error| Problem::unavailable(error.to_string()))
}

/// Recent events: the newest, or those behind one that is known.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "listEvents", params(Filter),
    responses(
        (status = 200, description = "Events", body = Events),
        (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    filter: Result<extract::Query<Filter>, QueryRejection>,
) -> Answer<Json<Events>> {
    let extract::Query(filter) = filter?;
    let query = filter.query(USUAL)?;
    let seconds = filter.wait.unwrap_or(0);
    if seconds > LONGEST_WAIT || (seconds > 0 && filter.after.is_none()) {
        let text =
            format!("wait is {seconds}; 0 to {LONGEST_WAIT} seconds are expected, with after");
        return Err(Problem::bad_request(text));
    }
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut written = app.spool.written();
    let mut stop = app.stop.clone();
    loop {
        written.mark_unchanged();
        let events = recent(&app, query.clone()).await?;
        let stopped = *stop.borrow();
        if !events.is_empty() || Instant::now() >= deadline || stopped {
            let next = events.last().map(|event| event.id);
            return Ok(Json(Events { events, next }));
        }
        tokio::select! {
            _ = written.changed() => {}
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

/// Events as they happen, as server-sent events: `id` is the event's, `event` its type, `data` the
/// event. With `after`, or the header `Last-Event-ID` that browsers send when they connect again, those
/// that were missed come first.
#[utoipa::path(
    get, path = "/api/v1/events/stream", tag = "events", operation_id = "streamEvents", params(Filter),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams are being sent", body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
    filter: Result<extract::Query<Filter>, QueryRejection>,
) -> Answer<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>> {
    let extract::Query(mut filter) = filter?;
    if filter.before.is_some() || filter.limit.is_some() || filter.wait.is_some() {
        return Err(Problem::bad_request("a stream knows after, camera and type only"));
    }
    if let Some(seen) = headers.get("last-event-id") {
        let seen = seen.to_str().ok().and_then(|id| id.parse().ok());
        filter.after = Some(seen.ok_or_else(|| {
            Problem::bad_request("Last-Event-ID is no id of an event; without it come new events")
        })?);
    }
    let permit = app.listeners.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable("too many event streams are being sent; close one").retry_after(5)
    })?;
    let mut query = filter.query(BATCH)?;
    let written = app.spool.written();
    if query.after.is_none() {
        // From now on.
        let newest = recent(&app, Query { limit: 1, ..Query::default() }).await?;
        query.after = Some(newest.first().map_or_else(nothing_before, |event| event.id));
    }
    let stop = app.stop.clone();
    let follow = Follow { app, query, written, stop, pending: Vec::new(), _permit: permit };
    let events = stream::unfold(follow, Follow::next);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Behind this one is every event.
fn nothing_before() -> EventId {
    EventId(ulid::Ulid::nil())
}

/// How far a stream of events is.
struct Follow {
    app: App,
    query: Query,
    written: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// What has been read and not sent, the next one last.
    pending: Vec<Event>,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    /// The next event; `None` where the server stops or the spool cannot be read, so that the client
    /// connects again.
    async fn next(mut self) -> Option<(Result<sse::Event, Infallible>, Self)> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            if let Some(event) = self.pending.pop() {
                self.query.after = Some(event.id);
                let told = sse::Event::default()
                    .id(event.id.to_string())
                    .event(event.body.type_name())
                    .retry(RETRY)
                    .json_data(&event)
                    .ok()?;
                return Some((Ok(told), self));
            }
            self.written.mark_unchanged();
            self.pending = recent(&self.app, self.query.clone()).await.ok()?;
            self.pending.reverse();
            if self.pending.is_empty() {
                tokio::select! {
                    changed = self.written.changed() => changed.ok()?,
                    _ = self.stop.wait_for(|stop| *stop) => return None,
                }
            }
        }
    }
}
