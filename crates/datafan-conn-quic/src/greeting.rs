//! What two members exchange before a connection is a link: their run ids, and the decision of the member
//! with the lower id to keep this connection.
//!
//! One side decides, so the two always agree, whoever dialled and however often.

use crate::{
    certificate,
    ending::{self, Code},
    hello::{Greeted, Hello, LinkId},
    link::Origin,
    link_task, same_key,
    table::{Refusal, Table},
};
use datafan_core::{connector::Direction, id::MemberId};
use quinn::{Connection, ConnectionError, ReadError, ReadExactError};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// Makes `connection` a link, unless another link is kept. Bounded by the handshake timeout.
pub(crate) async fn greet(
    table: &Arc<Table>,
    connection: Connection,
    origin: Origin,
) -> Result<Greeted, String> {
    match tokio::time::timeout(table.handshake_timeout, try_greet(table, &connection, origin)).await {
        Ok(result) => result,
        Err(_) => Err(close(&connection, Code::Timeout, "greeting timed out")),
    }
}

async fn try_greet(table: &Arc<Table>, connection: &Connection, origin: Origin) -> Result<Greeted, String> {
    let peer = peer(connection).ok_or("the peer has no certificate")?;
    if peer == table.me {
        return same_key::meet(table, connection, &origin).await;
    }
    let direction = origin.direction;
    let Err(failure) = make_link(table, connection, peer, origin).await else { return Ok(Greeted::Link) };
    let told_duplicate = connection.close_reason().is_some_and(|error| ending::is_duplicate(&error));
    match failure {
        Failure::Refused(Refusal::Duplicate) => {
            close(connection, Code::Duplicate, "another connection was kept")
        }
        Failure::Refused(Refusal::Full) => return Err(close(connection, Code::Full, "too many links")),
        Failure::Refused(Refusal::Stopped) => return Err(close(connection, Code::Stopped, "member stopped")),
        Failure::Broken(text) if !told_duplicate => return Err(close(connection, Code::Protocol, &text)),
        Failure::Lost(error) if !told_duplicate => return Err(ending::describe(&error, None)),
        // The peer decided to keep another connection.
        Failure::Broken(_) | Failure::Lost(_) => String::new(),
    };
    table.stats(|stats| stats.duplicates += 1);
    // Wait for that link: it may come up a moment after this connection ends.
    if direction == Direction::Out {
        table.linked(peer).await;
    }
    Ok(Greeted::Linked(peer))
}

/// Why a greeting does not lead to a link.
enum Failure {
    /// We refuse it.
    Refused(Refusal),
    /// The peer violated the protocol.
    Broken(String),
    /// The connection is gone.
    Lost(ConnectionError),
}

async fn make_link(
    table: &Arc<Table>,
    connection: &Connection,
    peer: MemberId,
    origin: Origin,
) -> Result<(), Failure> {
    let (mut send, mut receive) = match origin.direction {
        Direction::Out => connection.open_bi().await?,
        Direction::In => connection.accept_bi().await?,
    };
    let own = Hello { run: table.run, ended: table.ended(peer) };
    // A failed write shows up as a failed read too, with its cause.
    let _ = send.write_all(&own.to_bytes()).await;
    let mut bytes = [0; Hello::BYTES];
    receive.read_exact(&mut bytes).await?;
    let hello = Hello::from_bytes(&bytes).map_err(Failure::Broken)?;
    let decided = if table.me < peer {
        table.decide(peer, hello, origin, connection)
    } else {
        // The verdict of the lower id: the link's number, or a close.
        let mut number = [0; 8];
        receive.read_exact(&mut number).await?;
        let id = LinkId { run: hello.run, number: u64::from_be_bytes(number) };
        table.follow(peer, id, origin, connection)
    };
    let link = decided.map_err(Failure::Refused)?;
    // No await from here on: a link that is up must have a task that notices its end.
    tokio::spawn(link_task::run(table.clone(), link, (send, receive)));
    Ok(())
}

/// Closes `connection`, and returns the reason.
fn close(connection: &Connection, code: Code, text: &str) -> String {
    connection.close(code.into(), ending::truncate(text).as_bytes());
    text.into()
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        Self::Lost(error)
    }
}

impl From<ReadExactError> for Failure {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::ReadError(ReadError::ConnectionLost(error)) => Self::Lost(error),
            error => Self::Broken(format!("greeting interrupted: {error}")),
        }
    }
}

/// The member whose certificate the other side proved to own.
fn peer(connection: &Connection) -> Option<MemberId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    certificate::member(chain.first()?)
}
