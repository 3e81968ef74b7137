//! The endpoints and their handlers.

use super::{
    adopt,
    app::{App, Facts},
    backup,
    body::too_large,
    bounds::{self, BODY_BYTES_MAX, Bounds, HEADER_BYTES_MAX, SMALL_BODY_BYTES_MAX},
    data, forks, patience,
    query::{well_encoded, without_parameters},
    recovered, refuse, report, roster, wait,
    wire::Refusal,
};
use axum::{
    Router,
    body::HttpBody,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use datafan_core::store::StoreReader;
use datafan_driver::Handle;
use std::sync::Arc;

/// All endpoints.
pub fn router<R: StoreReader>(handle: Handle<R>, facts: Facts) -> Router {
    let gone =
        || async { refused(StatusCode::NOT_FOUND, Refusal::not_found("no such endpoint: see docs/http.md")) };
    let wrong = || async {
        refused(
            StatusCode::METHOD_NOT_ALLOWED,
            Refusal::usage("wrong method for this endpoint: see docs/http.md"),
        )
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
        // Endpoints with parameters check them themselves.
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

/// The endpoints, with places for few long bodies at a time.
pub fn bounded(routes: Router, bounds: Arc<Bounds>) -> Router {
    routes.layer(middleware::from_fn_with_state(bounds, with_room))
}

fn refused(status: StatusCode, refusal: Refusal) -> Response {
    let mut response = refuse::json(&refusal);
    *response.status_mut() = status;
    response
}

/// Few long bodies are received at a time; a body that declares to be too long is not read at all.
async fn with_room(State(bounds): State<Arc<Bounds>>, request: Request, next: Next) -> Response {
    // hyper checks its limit before each read, so a complete header may be twice as long.
    if bounds::head_bytes(&request) > HEADER_BYTES_MAX {
        let text = format!("request line and headers are longer than {HEADER_BYTES_MAX} bytes, the limit");
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
    // Held until everything that was made from the body is done.
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
