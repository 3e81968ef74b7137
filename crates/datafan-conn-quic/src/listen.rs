//! Takes incoming connections, within limits that hold before any cryptography is spent.

use crate::{config::HALF_OPEN_MAX, ending, greeting, link::Origin, table::Table};
use datafan_core::connector::Direction;
use quinn::{Endpoint, Incoming};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::Semaphore;

/// Takes connections until the endpoint is closed. `half_open` holds the permits of all endpoints together.
pub(crate) async fn listen(
    table: Arc<Table>,
    endpoint: Endpoint,
    bound: SocketAddr,
    half_open: Arc<Semaphore>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let Some(permit) = admit(&table, &incoming, &half_open) else {
            table.stats(|stats| stats.handshakes_refused += 1);
            incoming.refuse();
            continue;
        };
        if half_open.available_permits() < HALF_OPEN_MAX / 2 && !incoming.remote_address_validated() {
            // Many at once: whoever invents sender addresses gets no further. Cannot fail for one not validated.
            let _ = incoming.retry();
            continue;
        }
        let table = table.clone();
        tokio::spawn(async move {
            let remote = incoming.remote_address();
            if let Err(error) = handshake(&table, incoming, bound).await {
                tracing::debug!(%remote, error, "incoming handshake failed");
                table.stats(|stats| stats.handshakes_failed += 1);
            }
            drop(permit);
        });
    }
}

fn admit(
    table: &Table,
    incoming: &Incoming,
    half_open: &Arc<Semaphore>,
) -> Option<tokio::sync::OwnedSemaphorePermit> {
    if table.is_full_for(incoming.remote_address()) {
        return None;
    }
    half_open.clone().try_acquire_owned().ok()
}

async fn handshake(table: &Arc<Table>, incoming: Incoming, bound: SocketAddr) -> Result<(), String> {
    let connecting = incoming.accept().map_err(|error| ending::describe(&error, None))?;
    let connection = tokio::time::timeout(table.handshake_timeout, connecting)
        .await
        .map_err(|_| "no end of the handshake in time")?
        .map_err(|error| ending::describe(&error, None))?;
    let origin = Origin { direction: Direction::In, dialled: None, bound };
    greeting::greet(table, connection, origin).await.map(drop)
}
