//! Errors as RFC 9457 has them.

use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::core::redact::redact;
use crate::watch::control::ControlError;

/// A request that was not fulfilled: `application/problem+json`.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// Always `about:blank`: the status says what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What was found, what was expected, and what to do.
    detail: String,
}

/// As [`ProblemBody`], with the headers that belong to it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What handlers return.
pub(super) type Answer<T> = Result<T, Problem>;

impl Problem {
    /// `detail` is for people; credentials in it are masked.
    pub(super) fn new(status: StatusCode, detail: impl AsRef<str>) -> Self {
        let detail = redact(detail.as_ref()).into_owned();
        Self { status, detail, headers: Vec::new() }
    }

    pub(super) fn not_found(detail: impl AsRef<str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn bad_request(detail: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Not now; the same request may succeed later.
    pub(super) fn unavailable(detail: impl AsRef<str>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1)
    }

    /// No token, or not the right one.
    pub(super) fn unauthorized(detail: impl AsRef<str>) -> Self {
        let bearer = HeaderValue::from_static("Bearer realm=\"m2sd\"");
        Self::new(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, bearer)
    }

    pub(super) fn forbidden(detail: impl AsRef<str>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// What the address knows are `methods`.
    pub(super) fn method(methods: Option<HeaderValue>) -> Self {
        let problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "the header Allow says what is possible here",
        );
        match methods {
            Some(methods) => problem.with(ALLOW, methods),
            None => problem,
        }
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        self.with(RETRY_AFTER, seconds.into())
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let problem_json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, axum::Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        response.headers_mut().insert(CONTENT_TYPE, problem_json);
        response
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match error {
            ControlError::NoCamera(_) => StatusCode::NOT_FOUND,
            ControlError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ControlError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

macro_rules! from_rejections {
    ($($rejection:ty),+) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        })+
    };
}

from_rejections!(FormRejection, JsonRejection, PathRejection, QueryRejection);
