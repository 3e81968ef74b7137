//! Which endpoint is which function, and what they share.

use super::{
    adopt, backup,
    bounds::{self, BODY_BYTES_MAX, BODY_TIMEOUT, Bounds, HEADER_BYTES_MAX, SMALL_BODY_BYTES_MAX},
    data, forks, patience,
    query::{well_encoded, without_parameters},
    recovered,
    refuse::{self, Answered},
    report, roster,
    server::Facts,
    wait,
    wire::Refusal,
};
use crate::json;
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use datafan_core::{
    engine::{LinkState, OwnState, Standing, Status},
    id::MemberId,
    read::Snapshot,
    store::{StoreError, StoreReader},
};
use datafan_driver::{CommitError, Handle, Leased};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, de::DeserializeOwned};
use std::{pin::pin, sync::Arc, time::Duration};

/// What handlers work with.
pub struct App<R: StoreReader> {
    pub handle: Handle<R>,
    pub facts: Facts,
    pub bounds: Arc<Bounds>,
}

/// Shorthand for the state of handlers.
pub type AppState<R> = axum::extract::State<Arc<App<R>>>;

/// How long a write may take otherwise: a disk that is slower than this is as good as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Every endpoint.
pub fn router<R: StoreReader>(handle: Handle<R>, facts: Facts) -> Router {
    let gone =
        || async { refused(StatusCode::NOT_FOUND, Refusal::not_found("no such endpoint: see docs/http.md")) };
    let wrong = || async {
        refused(StatusCode::METHOD_NOT_ALLOWED, Refusal::usage("wrong method: see docs/http.md"))
    };
    let bounds = Arc::new(Bounds::default());
    let routes = Router::new()
        .route("/v1/status", get(report::status::<R>))
        .route("/v1/members", get(report::members::<R>))
        .route("/v1/addresses", get(report::addresses::<R>))
        .route("/v1/commit", post(data::commit::<R>))
        .route("/v1/admit", post(roster::admit::<R>))
        .route("/v1/admit-all", post(roster::admit_all::<R>))
        .route("/v1/grant", post(roster::grant::<R>))
        .route("/v1/revoke", post(roster::revoke::<R>))
        .route("/v1/recovered", get(recovered::list::<R>).post(recovered::forget::<R>))
        .route("/v1/restamp", post(recovered::restamp::<R>))
        .route("/v1/forks", get(forks::list::<R>))
        .route("/v1/forks/close", post(forks::close::<R>))
        .route("/v1/backup", get(backup::save::<R>))
        .route("/v1/compact", post(backup::compact::<R>))
        .route("/v1/rotate", post(roster::rotate::<R>))
        .route("/v1/apply", post(roster::apply::<R>))
        .route("/v1/adopt", post(adopt::adopt::<R>))
        .route_layer(middleware::from_fn(without_parameters))
        // Those that have parameters look at them.
        .route("/v1/item", get(data::item::<R>))
        .route("/v1/items", get(data::items::<R>))
        .route("/v1/list", get(data::list::<R>))
        .route("/v1/export", get(data::export::<R>))
        .route("/v1/wait", get(wait::wait::<R>))
        .method_not_allowed_fallback(wrong)
        .fallback(gone)
        .with_state(Arc::new(App { handle, facts, bounds: bounds.clone() }));
    bounded(routes, bounds)
}

/// The routes, with room for few long bodies at a time.
pub fn bounded(routes: Router, bounds: Arc<Bounds>) -> Router {
    routes.layer(middleware::from_fn_with_state(bounds, with_room))
}

fn refused(status: StatusCode, refusal: Refusal) -> Response {
    let mut response = refuse::json(&refusal);
    *response.status_mut() = status;
    response
}

/// Of long bodies there is room for few at a time; one that says that it is too long is not read at all.
async fn with_room(State(bounds): State<Arc<Bounds>>, request: Request, next: Next) -> Response {
    // hyper looks at its limit before it reads on, so that a header may be twice as long when it is whole.
    if bounds::head_bytes(&request) > HEADER_BYTES_MAX {
        let text = format!("request line and headers are longer than {HEADER_BYTES_MAX} bytes");
        return refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Refusal::too_large(text));
    }
    if let Err(refusal) = well_encoded(request.uri()) {
        return refusal.into_response();
    }
    let length = request.body().size_hint();
    if length.lower() > BODY_BYTES_MAX as u64 {
        return too_large().into_response();
    }
    let is_small = length.upper().is_some_and(|upper| upper <= SMALL_BODY_BYTES_MAX as u64);
    // Kept until all that was made of the body is done.
    let _place = match is_small {
        true => None,
        false => match bounds.body().await {
            Ok(place) => Some(place),
            Err(busy) => return busy.into_response(),
        },
    };
    match patience::of_headers(request.headers()) {
        Ok(patience) => patience::within(patience, next.run(request)).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn too_large() -> Refusal {
    Refusal::too_large(format!("the body is longer than {BODY_BYTES_MAX} bytes"))
}

/// The JSON of a body, bounded in size and time.
pub async fn body<T: DeserializeOwned>(body: Body) -> Answered<T> {
    let bytes = collected(body).await?;
    if bytes.is_empty() {
        return Err(Refusal::usage("the body is empty, a JSON object is expected"));
    }
    json::from_slice(&bytes).map_err(|error| Refusal::usage(format!("the body is malformed: {error}")))
}

/// The body of a route that takes nothing: empty, or an object without fields.
pub async fn no_body(body: Body) -> Answered<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    let bytes = collected(body).await?;
    if bytes.is_empty() {
        return Ok(());
    }
    let read = json::from_slice(&bytes).map(|Nothing {}| ());
    read.map_err(|error| Refusal::usage(format!("the body is not empty and not {{}}: {error}")))
}

async fn collected(body: Body) -> Answered<Bytes> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let collected = collected
        .map_err(|_| Refusal::timeout(format!("the body did not arrive within {BODY_TIMEOUT:?}")))?;
    let bytes = collected.map_err(|error| match error.is::<LengthLimitError>() {
        true => too_large(),
        false => Refusal::usage("the body is cut off"),
    });
    Ok(bytes?.to_bytes())
}

/// Reads a snapshot away from the async threads: reads touch the disk.
pub async fn read<R: StoreReader, T: Send + 'static>(
    app: &App<R>,
    work: impl FnOnce(Snapshot<Leased<R::Snapshot>>) -> Answered<T> + Send + 'static,
) -> Answered<T> {
    let handle = app.handle.clone();
    let work = move || work(handle.snapshot().map_err(|error: StoreError| Refusal::failure(error))?);
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::failure("reading panicked, which is a bug"))?
}

/// Why a member that began without data does not write yet.
pub fn same_key(status: &Status, lister: Option<MemberId>) -> String {
    let Some(lister) = lister else {
        return "another process with this key might run; what others list is looked at first".to_owned();
    };
    let name = status.members.iter().find(|(id, _)| *id == lister).map(|(_, grant)| grant.name.to_string());
    format!(
        "another process with this key seems to run: listed by {}; writes wait until the listing has gone, \
         at most 60 s",
        name.unwrap_or_else(|| lister.short())
    )
}

/// What a write of the member waits for, if for a peer, and what to do about it.
fn waits_for(status: &Status, id: MemberId) -> Option<String> {
    let links = status.links.iter().filter(|link| link.state == LinkState::Up).count();
    let linked = match links {
        0 => "no link is up (`datafan status` shows what came of dials)".to_owned(),
        1 => "1 link is up".to_owned(),
        n => format!("{n} links are up"),
    };
    match (status.own, &status.standing) {
        (OwnState::Waiting, Standing::Joining) if report::clock_is_behind(status) => {
            Some(format!("for the mesh's roster; {}", report::CLOCK_BEHIND))
        }
        (OwnState::Waiting, Standing::Joining) => Some(format!(
            "for the roster that names this member, {name} ({id}), and the confirmation of its own shard by a \
             peer; {linked}; where authority.key is, if it was not done yet: datafan admit {id} --name {name}",
            name = status.name
        )),
        (OwnState::Waiting, _) => Some(format!("for the confirmation of its own shard by a peer; {linked}")),
        (OwnState::Recovering { timestamp, holder }, _) => {
            Some(format!("for its own shard: {}; {linked}", report::held_by(status, timestamp, holder)))
        }
        (OwnState::Checking { lister }, _) => Some(format!(
            "until it is clear that no other process has this key: {}",
            same_key(status, lister)
        )),
        (OwnState::Contested { .. }, _) => {
            Some(format!("until it is clear which process goes on: {}", report::CONTESTED))
        }
        (OwnState::Confirmed | OwnState::Foreign { .. }, _) => None,
    }
}

/// Waits for a write, but no longer than the request's patience if what it waits for is a peer.
pub async fn written<R: StoreReader, T>(
    app: &App<R>,
    write: impl Future<Output = Result<T, CommitError>>,
) -> Answered<T> {
    let (mut write, patience) = (pin!(write), patience::present());
    if let Ok(done) = tokio::time::timeout(patience, write.as_mut()).await {
        return Ok(done?);
    }
    if let Some(waits) = waits_for(&app.handle.status().await?, app.handle.id()) {
        return Err(Refusal::timeout(format!(
            "not written within {patience:?}: the write waits {waits}; it is made when that comes"
        )));
    }
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            Err(Refusal::timeout(format!("not written within {WRITE_TIMEOUT:?}: the disk is too slow")))
        }
    }
}
