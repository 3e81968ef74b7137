//! Links over bad lines: QUIC's guarantees hold, and a cut ends a link only if it lasts.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_quic::{Config, QuicConnector};
use datafan_core::{
    connector::{Address, Inbox, Lane},
    identity::Identity,
};
use datafan_testkit::{
    connector::{Log, Member, Site, Started, check_connector, exchange, link},
    relay::{Line, Relay, Way},
};
use std::{
    collections::HashMap,
    net::UdpSocket,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// Members that can only be reached through relays, one in front of each.
struct Relayed {
    runtime: Runtime,
    line: Line,
    relays: Mutex<HashMap<u8, Relay>>,
}

impl Relayed {
    fn new(line: Line) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, line, relays: Mutex::default() }
    }

    fn member(&self, n: u8, idle: Duration) -> Member<QuicConnector> {
        let log = Arc::new(Log::default());
        let started = self.start_with(n, log.clone(), idle);
        Member { connector: started.connector, id: started.id, address: started.address, log }
    }

    fn start_with(&self, n: u8, inbox: Arc<dyn Inbox>, idle_timeout: Duration) -> Started<QuicConnector> {
        let identity = Identity::from_secret(&[n; 32]);
        let id = identity.id();
        let listen = vec![([127, 0, 0, 1], 0).into()];
        let keep_alive_interval = idle_timeout / 8;
        let config = Config::new(identity, listen, self.runtime.handle().clone());
        let config = Config { idle_timeout, keep_alive_interval, ..config };
        let (connector, bound) = QuicConnector::bind(config, inbox).unwrap();
        let mut relays = self.relays.lock().unwrap();
        let relay = relays.entry(n).or_insert_with(|| Relay::new(n.into()).unwrap());
        relay.set(self.line);
        relay.lead_to(bound[0]);
        Started { connector, id, address: relay.address().to_string().into() }
    }

    /// Sets the line in front of a member.
    fn set(&self, n: u8, line: Line) {
        self.relays.lock().unwrap()[&n].set(line);
    }
}

impl Site for Relayed {
    type Connector = QuicConnector;

    fn start(&self, n: u8, inbox: Arc<dyn Inbox>) -> Started<QuicConnector> {
        self.start_with(n, inbox, Duration::from_secs(15))
    }

    fn kill(&self, connector: QuicConnector) {
        connector.kill();
    }

    fn nowhere(&self) -> Address {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().to_string().into()
    }

    fn shows_addresses(&self) -> bool {
        false
    }
}

#[test]
fn passes_the_suite_of_connectors_over_fair_lines() {
    check_connector(|| Relayed::new(Line::FAIR));
}

#[test]
fn bulk_arrives_whole_and_in_order_over_a_bad_line() {
    let site = Relayed::new(Line::BAD);
    let [a, b] = [1, 2].map(|n| site.member(n, Duration::from_secs(15)));
    link(&a, &b);
    for n in 0..40 {
        a.send_now(b.id, Lane::Bulk, vec![n; 40_000]);
    }
    for n in 0..40 {
        assert_eq!(*b.receives(a.id).0, *vec![n; 40_000]);
    }
    let counts = site.relays.lock().unwrap()[&2].counts();
    assert!(counts.lost > 50 && counts.repeated > 10 && counts.late > 50, "{counts:?}");
}

#[test]
fn a_cut_in_the_middle_of_a_transfer_only_delays_it() {
    let site = Relayed::new(Line { bytes_per_second: 4 << 20, ..Line::GOOD });
    let [a, b] = [1, 2].map(|n| site.member(n, Duration::from_secs(15)));
    link(&a, &b);
    for n in 0..8 {
        a.send_now(b.id, Lane::Bulk, vec![n; 1 << 20]);
    }
    b.receives(a.id);
    site.set(2, Line::CUT);
    // Datagrams in flight may still arrive; then nothing does for the rest of the cut.
    let healed = Instant::now() + Duration::from_secs(3);
    let mut received = 1;
    while let Some(rest) = healed.checked_duration_since(Instant::now()) {
        received += usize::from(b.log.next_within(rest).is_some());
    }
    assert!(received < 8, "the cut was in the middle");
    site.set(2, Line::FAIR);
    for n in received..8 {
        assert_eq!(*b.receives(a.id).0, *vec![n as u8; 1 << 20]);
    }
}

#[test]
fn a_cut_that_lasts_ends_the_link_and_a_new_one_comes_up() {
    let site = Relayed::new(Line::GOOD);
    let [a, b] = [1, 2].map(|n| site.member(n, Duration::from_secs(2)));
    link(&a, &b);
    for way in [Way::There, Way::Back] {
        // One direction suffices.
        site.relays.lock().unwrap()[&2].set_way(way, Line::CUT);
        assert_eq!(a.sees_down(b.id), "the peer no longer answers");
        assert_eq!(b.sees_down(a.id), "the peer no longer answers");
        site.set(2, Line::BAD);
        link(&a, &b);
        exchange(&a, &b);
    }
}
