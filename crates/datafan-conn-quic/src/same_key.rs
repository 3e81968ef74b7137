//! The meeting of two processes with one member's key: they exchange how long each has run, and make no link.
//!
//! Only a holder of the key can answer. The greeting is that of a link; if both sides have the same id, the
//! number in it is the time that the sender has run, in microseconds.

use crate::{
    ending::{self, Code},
    hello::{Greeted, Hello, LinkId, Run},
    link::Origin,
    table::Table,
    verifier::OWN_ADDRESS,
};
use datafan_core::connector::Direction;
use quinn::Connection;
use std::sync::Arc;

/// Meets a process with our own key. It is reported as found if it began before this one and we dialled it.
pub(crate) async fn meet(
    table: &Arc<Table>,
    connection: &Connection,
    origin: &Origin,
) -> Result<Greeted, String> {
    let lost = |error: &dyn std::fmt::Display| format!("greeting interrupted: {error}");
    let streams = match origin.direction {
        Direction::Out => connection.open_bi().await,
        Direction::In => connection.accept_bi().await,
    };
    let (mut send, mut receive) = streams.map_err(|error| ending::describe(&error, None))?;
    let ours = table.began.elapsed();
    let number = u64::try_from(ours.as_micros()).unwrap_or(u64::MAX);
    let own = Hello { run: table.run, ended: LinkId { run: Run::default(), number } };
    send.write_all(&own.to_bytes()).await.map_err(|error| lost(&error))?;
    let mut bytes = [0; Hello::BYTES];
    receive.read_exact(&mut bytes).await.map_err(|error| lost(&error))?;
    let hello = Hello::from_bytes(&bytes)?;
    match origin.direction {
        Direction::Out => close(connection),
        // The dialler closes after reading our greeting.
        Direction::In => drop(connection.closed().await),
    }
    if hello.run == table.run {
        return Err(OWN_ADDRESS.into());
    }
    let earlier = (hello.ended.number, hello.run) > (number, table.run);
    if table.may_warn_of(table.me) {
        let remote = connection.remote_address();
        let what = "another process runs with this member's own key; the later one stops";
        tracing::warn!(%remote, earlier, "{what}");
    }
    match origin.direction {
        Direction::Out if earlier => Ok(Greeted::Linked(table.me)),
        Direction::Out | Direction::In => {
            Err("another process with our own key; it notices this itself".into())
        }
    }
}

fn close(connection: &Connection) {
    connection.close(Code::Duplicate.into(), b"the same key");
}
