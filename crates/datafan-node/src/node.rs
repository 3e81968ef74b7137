//! A running member over redb and QUIC.

use crate::{
    advertise::{self, Advertised},
    handle::NodeHandle,
    home::Home,
};
use datafan_conn_quic::QuicConnector;
use datafan_driver::StopReason;
use std::{fmt, net::SocketAddr, ops::Deref, sync::Arc};

/// A running member. It dereferences to its [`Handle`](datafan_driver::Handle); clones are the same member.
#[derive(Clone)]
pub struct Node {
    handle: NodeHandle,
    about: Arc<About>,
}

struct About {
    connector: QuicConnector,
    home: Home,
    bound: Vec<SocketAddr>,
    advertised: Advertised,
}

impl Node {
    pub(crate) fn new(
        handle: NodeHandle,
        connector: QuicConnector,
        home: Home,
        bound: Vec<SocketAddr>,
        advertised: Advertised,
    ) -> Self {
        Self { handle, about: Arc::new(About { connector, home, bound, advertised }) }
    }

    /// Its handle.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Its directory.
    pub fn home(&self) -> &Home {
        &self.about.home
    }

    /// The addresses that it listens on, with their real ports.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.about.bound
    }

    /// The addresses that it publishes. If none were configured, they follow those of this machine within 30
    /// s; none within a minute after the last one was lost.
    pub fn advertised(&self) -> &Advertised {
        &self.about.advertised
    }

    /// Publishes the addresses of this machine.
    pub(crate) fn follow_addresses(&self) {
        let About { bound, advertised, .. } = &*self.about;
        tokio::spawn(advertise::follow(self.handle.downgrade(), bound.clone(), advertised.clone()));
    }

    /// Stops the member when a listener fails: it would take part in nothing and report nothing.
    pub(crate) fn watch_over_links(&self) {
        let (member, connector) = (self.handle.downgrade(), self.about.connector.clone());
        tokio::spawn(async move {
            let what = connector.ended().await;
            if let Some(member) = member.upgrade() {
                member.fail(StopReason::Worker { what });
            }
        });
    }

    /// Bytes of UDP payload on its links: (sent, received). More than [`NodeHandle::traffic`] by what QUIC
    /// adds.
    pub fn wire_traffic(&self) -> (u64, u64) {
        self.about.connector.wire_traffic()
    }

    /// Stops the member like [`NodeHandle::stop`], and waits until its ports are free.
    ///
    /// # Errors
    /// If the member did not stop cleanly.
    pub async fn stop(&self) -> Result<(), StopReason> {
        let stopped = self.handle.stop().await;
        self.about.connector.stopped().await;
        stopped
    }

    /// Goes silent like in a power cut: no goodbye, nothing more is sent, the ports are free. The store is
    /// not affected; see [`crate::Builder::faults`]. For tests and demos.
    pub fn kill(&self) {
        self.about.connector.kill();
    }
}

impl Deref for Node {
    type Target = NodeHandle;

    fn deref(&self) -> &NodeHandle {
        &self.handle
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({:?} at {})", self.id(), self.home().path().display())
    }
}
