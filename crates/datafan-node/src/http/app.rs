//! The state that request handlers share.

use super::{bounds::Bounds, refuse::Answered, wire::Refusal};
use crate::Advertised;
use datafan_core::{
    read::Snapshot,
    store::{StoreError, StoreReader},
};
use datafan_driver::{Handle, Leased};
use std::{net::SocketAddr, sync::Arc};

/// The state of the handlers.
pub struct App<R: StoreReader> {
    pub handle: Handle<R>,
    pub facts: Facts,
    pub bounds: Arc<Bounds>,
}

/// Shorthand for the state of handlers.
pub type AppState<R> = axum::extract::State<Arc<App<R>>>;

/// What the API knows about its member beside the handle.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name that the member asks for, used while the engine cannot be asked.
    pub name: String,
    /// Where it listens for links.
    pub listen: Vec<SocketAddr>,
    /// The addresses that it publishes.
    pub advertised: Advertised,
    /// Where HTTP is served on TCP.
    pub api: Option<SocketAddr>,
}

/// Reads a snapshot outside the async threads, because reads touch the disk.
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
