//! The suite for every connector.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_quic::{Config, QuicConnector};
use datafan_core::{
    connector::{Address, Inbox},
    identity::Identity,
};
use datafan_testkit::connector::{Site, Started, check_connector};
use std::{
    collections::HashMap,
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
};
use tokio::runtime::Runtime;

/// Members on loopback, all on one runtime.
struct Loopback {
    runtime: Runtime,
    /// Where a member was bound first.
    addresses: Mutex<HashMap<u8, SocketAddr>>,
}

impl Loopback {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, addresses: Mutex::default() }
    }
}

impl Site for Loopback {
    type Connector = QuicConnector;

    fn start(&self, n: u8, inbox: Arc<dyn Inbox>) -> Started<QuicConnector> {
        let mut addresses = self.addresses.lock().unwrap();
        let listen = addresses.get(&n).copied().unwrap_or(([127, 0, 0, 1], 0).into());
        let identity = Identity::from_secret(&[n; 32]);
        let id = identity.id();
        let config = Config::new(identity, vec![listen], self.runtime.handle().clone());
        let (connector, bound) = QuicConnector::bind(config, inbox).unwrap();
        addresses.insert(n, bound[0]);
        Started { connector, id, address: bound[0].to_string().into() }
    }

    fn kill(&self, connector: QuicConnector) {
        connector.kill();
    }

    fn nowhere(&self) -> Address {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().to_string().into()
    }
}

#[test]
fn passes_the_suite_of_connectors() {
    check_connector(Loopback::new);
}
