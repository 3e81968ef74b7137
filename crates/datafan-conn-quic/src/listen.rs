//! Accepts incoming connections, within limits that apply before any cryptography.

use crate::{
    ending, greeting,
    half_open::{Admission, HandshakePermit},
    link::Origin,
    table::Table,
};
use datafan_core::connector::Direction;
use quinn::{Endpoint, Incoming};
use std::{sync::Arc, time::Instant};

/// Accepts connections until the endpoint is closed.
pub(crate) async fn listen(table: Arc<Table>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let place = match admit(&table, &incoming) {
            Admission::Granted(place) => place,
            Admission::Prove => {
                // Cannot fail for an address that is not validated.
                let _ = incoming.retry();
                continue;
            }
            Admission::Refused => {
                table.stats(|stats| stats.handshakes_refused += 1);
                incoming.refuse();
                continue;
            }
        };
        let table = table.clone();
        tokio::spawn(async move {
            let remote = incoming.remote_address();
            if let Err(error) = in_place(&table, incoming, place).await {
                tracing::debug!(%remote, error, "incoming handshake failed");
                table.stats(|stats| stats.handshakes_failed += 1);
            }
        });
    }
}

fn admit(table: &Table, incoming: &Incoming) -> Admission {
    let remote = incoming.remote_address();
    if table.is_full_for(remote) {
        return Admission::Refused;
    }
    if table.has_lasting_link_from(remote.ip()) {
        table.half_open.knows(remote.ip());
    }
    table.half_open.admit(remote.ip(), incoming.remote_address_validated(), Instant::now())
}

/// Runs the handshake until it ends or is dropped for another.
async fn in_place(table: &Arc<Table>, incoming: Incoming, place: HandshakePermit) -> Result<(), String> {
    tokio::select! {
        // A handshake that has just succeeded is not thrown away.
        biased;
        done = handshake(table, incoming) => done,
        () = place.evicted() => Err("dropped for a later one".into()),
    }
}

async fn handshake(table: &Arc<Table>, incoming: Incoming) -> Result<(), String> {
    let connecting = incoming.accept().map_err(|error| ending::describe(&error, None))?;
    let connection = tokio::time::timeout(table.handshake_timeout, connecting)
        .await
        .map_err(|_| "handshake timed out")?
        .map_err(|error| ending::describe(&error, None))?;
    let origin = Origin { direction: Direction::In, dialled: None };
    greeting::greet(table, connection, origin).await.map(drop)
}
