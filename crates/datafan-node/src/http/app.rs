//! What the handlers of requests work with.

use super::{bounds::Bounds, refuse::Answered, wire::Refusal};
use crate::Advertised;
use datafan_core::{
    read::Snapshot,
    store::{StoreError, StoreReader},
};
use datafan_driver::{Handle, Leased};
use std::{net::SocketAddr, sync::Arc};

/// What handlers work with.
pub struct App<R: StoreReader> {
    pub handle: Handle<R>,
    pub facts: Facts,
    pub bounds: Arc<Bounds>,
}

/// Shorthand for the state of handlers.
pub type AppState<R> = axum::extract::State<Arc<App<R>>>;

/// What the interface knows of its member beside the handle.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name that the member would like, for while the engine cannot be asked.
    pub name: String,
    /// Where it listens for links.
    pub listen: Vec<SocketAddr>,
    /// Where it says that it can be dialled.
    pub advertised: Advertised,
    /// Where HTTP is served on TCP.
    pub api: Option<SocketAddr>,
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
