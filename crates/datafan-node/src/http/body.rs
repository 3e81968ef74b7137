//! Request bodies, bounded in size and time.

use super::{
    bounds::{BODY_BYTES_MAX, BODY_TIMEOUT},
    refuse::Answered,
    wire::Refusal,
};
use crate::json;
use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, de::DeserializeOwned};

/// The JSON of a body, bounded in size and time.
pub async fn body<T: DeserializeOwned>(body: Body) -> Answered<T> {
    let bytes = collected(body).await?;
    if bytes.is_empty() {
        return Err(Refusal::usage("the body is empty: send a JSON object"));
    }
    json::from_slice(&bytes).map_err(|error| Refusal::usage(format!("the body is malformed: {error}")))
}

/// The body of an endpoint without parameters: empty, or an object without fields.
pub async fn no_body(body: Body) -> Answered<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    let bytes = collected(body).await?;
    if bytes.is_empty() {
        return Ok(());
    }
    let read = json::from_slice(&bytes).map(|Nothing {}| ());
    read.map_err(|error| Refusal::usage(format!("the body must be empty or {{}}: {error}")))
}

async fn collected(body: Body) -> Answered<Bytes> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let collected = collected
        .map_err(|_| Refusal::timeout(format!("the body did not arrive within {BODY_TIMEOUT:?}")))?;
    let bytes = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_large(),
        false => Refusal::usage("the body is incomplete"),
    });
    Ok(bytes?.to_bytes())
}

/// The body is longer than the limit.
pub fn too_large() -> Refusal {
    Refusal::too_large(format!("the body is longer than {BODY_BYTES_MAX} bytes, the limit"))
}
