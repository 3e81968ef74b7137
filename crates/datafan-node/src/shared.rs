//! A QUIC connector that the driver's thread and the node both hold.

use datafan_conn_quic::QuicConnector;
use datafan_core::{
    connector::{Address, Connector, Frame, SendError},
    id::MemberId,
};
use std::sync::Arc;

/// The driver owns a connector, the node asks it things that no driver knows of.
pub struct Shared(pub Arc<QuicConnector>);

impl Connector for Shared {
    fn send(&self, to: MemberId, frame: Frame) -> Result<(), SendError> {
        self.0.send(to, frame)
    }

    fn dial(&self, address: Address, expected: Option<MemberId>) {
        self.0.dial(address, expected);
    }

    fn close(&self, peer: MemberId, reason: &str) {
        self.0.close(peer, reason);
    }

    fn stop(&self) {
        self.0.stop();
    }

    fn traffic(&self) -> (u64, u64) {
        self.0.traffic()
    }
}
