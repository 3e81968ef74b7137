//! What two members say to each other before a connection is a link: which of their runs this is, and, by the
//! one with the lower id, that this connection is the one to keep.
//!
//! One side decides, so the two cannot disagree, whoever dialled and however often.

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

/// Makes `connection` a link, or finds that there is one already. Bounded by the handshake timeout.
pub(crate) async fn greet(
    table: &Arc<Table>,
    connection: Connection,
    origin: Origin,
) -> Result<Greeted, String> {
    match tokio::time::timeout(table.handshake_timeout, try_greet(table, &connection, origin)).await {
        Ok(result) => result,
        Err(_) => Err(close(&connection, Code::Timeout, "no greeting in time")),
    }
}

async fn try_greet(table: &Arc<Table>, connection: &Connection, origin: Origin) -> Result<Greeted, String> {
    let peer = peer(connection).ok_or("the peer shows no certificate")?;
    if peer == table.me {
        return same_key::meet(table, connection, &origin).await;
    }
    let direction = origin.direction;
    let Err(failure) = make_link(table, connection, peer, origin).await else { return Ok(Greeted::Link) };
    let told_duplicate = connection.close_reason().is_some_and(|error| ending::is_duplicate(&error));
    match failure {
        Failure::Refused(Refusal::Duplicate) => {
            close(connection, Code::Duplicate, "another connection is kept")
        }
        Failure::Refused(Refusal::Full) => return Err(close(connection, Code::Full, "too many links")),
        Failure::Refused(Refusal::Stopped) => return Err(close(connection, Code::Stopped, "member stopped")),
        Failure::Broken(text) if !told_duplicate => return Err(close(connection, Code::Protocol, &text)),
        Failure::Lost(error) if !told_duplicate => return Err(ending::describe(&error, None)),
        // The peer decided that another connection is kept.
        Failure::Broken(_) | Failure::Lost(_) => String::new(),
    };
    table.stats(|stats| stats.duplicates += 1);
    // Who dialled is told of a link: the one that is kept may be a moment behind this connection.
    if direction == Direction::Out {
        table.linked(peer).await;
    }
    Ok(Greeted::Linked(peer))
}

/// Why a greeting makes no link.
enum Failure {
    /// We do not want it.
    Refused(Refusal),
    /// The peer does not follow the protocol.
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
    // A failure to write shows again as a failure to read, with its cause.
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
    // Nothing may come between: a link that is up has somebody who sees its end.
    tokio::spawn(link_task::run(table.clone(), link, (send, receive)));
    Ok(())
}

/// Closes `connection`, and gives the reason back.
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
            error => Self::Broken(format!("greeting broken off: {error}")),
        }
    }
}

/// Whose certificate the other side showed and proved to own.
fn peer(connection: &Connection) -> Option<MemberId> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    certificate::member(chain.first()?)
}
