//! The task of a link: it reads and writes until the connection is gone.

use crate::{config::RECEIVE_WINDOW_BYTES, ending, link::Link, reader, table::Table, writer};
use quinn::{RecvStream, SendStream};
use std::sync::Arc;

/// Runs a link until its connection is gone. The greeting's stream is kept open, because its end would let
/// the peer open another one.
pub(crate) async fn run(table: Arc<Table>, link: Arc<Link>, (mut send, _receive): (SendStream, RecvStream)) {
    link.connection.set_receive_window(RECEIVE_WINDOW_BYTES.into());
    let reader = tokio::spawn(reader::read(table.clone(), link.clone()));
    let write = async {
        if link.id.run == table.run {
            // The peer waits for this verdict. If it cannot be sent, the connection is gone.
            let _ = send.write_all(&link.id.number.to_be_bytes()).await;
        }
        writer::write(&table, &link).await;
    };
    tokio::select! {
        _ = link.connection.closed() => {}
        () = write => {}
    }
    let error = link.connection.closed().await;
    // Everything that arrived is handed over before the link is down.
    let _ = reader.await;
    let reason = ending::describe(&error, link.own_reason().as_deref());
    table.down(&link, reason, ending::is_replaced(&error));
}
