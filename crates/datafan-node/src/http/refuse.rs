//! Errors as answers.

use super::refusal::{Refusal, RefusalKind};
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use datafan_core::store::StoreError;
use datafan_driver::{CommitError, WaitError};
use serde::Serialize;

/// The result of a handler.
pub type Answered<T = Response> = Result<T, Refusal>;

impl Refusal {
    /// The request is wrong.
    pub fn usage(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::Usage }
    }

    /// The object does not exist.
    pub fn not_found(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::NotFound }
    }

    /// The request failed.
    pub fn failure(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::Failure }
    }

    /// Too many requests at a time.
    pub fn busy(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::Busy }
    }

    /// The body is too long.
    pub fn too_large(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::TooLarge }
    }

    /// The timeout passed.
    pub fn timeout(error: impl ToString) -> Self {
        Self { error: error.to_string(), kind: RefusalKind::Timeout }
    }
}

impl RefusalKind {
    fn status(self) -> StatusCode {
        match self {
            Self::Failure => StatusCode::CONFLICT,
            Self::Usage => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let mut response = json(&self);
        *response.status_mut() = status;
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::failure(error)
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::TimedOut(_) => Self::timeout(error),
            error => Self::failure(error),
        }
    }
}

impl From<WaitError> for Refusal {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut(_) => Self::timeout(error),
            error => Self::failure(error),
        }
    }
}

/// One JSON object and a line feed, for the sake of curl.
pub fn json(value: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec(value).expect("plain data with text keys is JSON");
    text.push(b'\n');
    typed("application/json", Body::from(text))
}

/// An answer with a content type.
pub fn typed(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
