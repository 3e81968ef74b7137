//! Scenarios that need a network: ports, names, silence, restarts, runtimes.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_quic::{BindError, Config, QuicConnector};
use datafan_core::{
    connector::{Connector, Event, Lane},
    identity::Identity,
};
use datafan_testkit::connector::{Log, Member, exchange, link};
use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn config(runtime: &Runtime, n: u8, listen: &str) -> Config {
    Config::new(Identity::from_secret(&[n; 32]), vec![listen.parse().unwrap()], runtime.handle().clone())
}

fn member(config: Config) -> Member<QuicConnector> {
    let (id, log) = (config.identity.id(), Arc::new(Log::default()));
    let (connector, bound) = QuicConnector::bind(config, log.clone()).unwrap();
    Member { connector, id, address: bound[0].to_string().into(), log }
}

#[test]
fn a_taken_port_is_named() {
    let runtime = runtime();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let result = QuicConnector::bind(config(&runtime, 1, &address.to_string()), Arc::new(Log::default()));
    let error = result.err().unwrap();
    assert!(matches!(error, BindError::Taken { address: named } if named == address));
    assert_eq!(error.to_string(), format!("UDP port {} of 127.0.0.1 is taken", address.port()));
    let nothing = Config { listen: vec![], ..config(&runtime, 1, "127.0.0.1:0") };
    assert!(matches!(QuicConnector::bind(nothing, Arc::new(Log::default())), Err(BindError::NoAddress)));
}

#[test]
fn one_port_serves_both_families() {
    let runtime = runtime();
    // A port that is free for both IP versions; the system chooses a new one each time.
    let (a, bound) = (0..20).find_map(|_| both_families(&runtime)).expect("loopback has IPv4 and IPv6");
    let (b, c) = (member(config(&runtime, 2, "[::1]:0")), member(config(&runtime, 3, "127.0.0.1:0")));
    link(&b, &a);
    a.connector.dial(c.address.clone(), None);
    a.sees_up(c.id);
    // The address of a as seen by c, of c's IP version.
    assert_eq!(c.sees_up(a.id).0.unwrap().parse(), Ok::<SocketAddr, _>(bound[1]));
    c.connector.dial(a.address.clone(), None);
    assert!(c.sees_failure(&a.address).contains("family"));
}

fn both_families(runtime: &Runtime) -> Option<(Member<QuicConnector>, Vec<SocketAddr>)> {
    let port = UdpSocket::bind("[::1]:0").ok()?.local_addr().ok()?.port();
    let mut config = config(runtime, 1, &format!("[::1]:{port}"));
    config.listen.push(([127, 0, 0, 1], port).into());
    let (id, log) = (config.identity.id(), Arc::new(Log::default()));
    let (connector, bound) = QuicConnector::bind(config, log.clone()).ok()?;
    Some((Member { connector, id, address: bound[0].to_string().into(), log }, bound))
}

#[test]
fn names_are_resolved() {
    let runtime = runtime();
    let (a, b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    let port = b.address.rsplit_once(':').unwrap().1;
    a.connector.dial(format!("localhost:{port}").into(), Some(b.id));
    a.sees_up(b.id);
    b.sees_up(a.id);
    for (address, error) in
        [("no-port", "cannot resolve"), (&*"x".repeat(300), "address is 300 bytes, limit 259")]
    {
        a.connector.dial(address.into(), None);
        let failure = a.sees_failure(&address.into());
        assert!(failure.contains(error), "{failure}");
    }
}

#[test]
fn a_dial_without_answer_names_the_port() {
    let runtime = runtime();
    let a = member(Config {
        handshake_timeout: Duration::from_millis(200),
        ..config(&runtime, 1, "127.0.0.1:0")
    });
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    a.connector.dial(address.to_string().into(), None);
    let error = a.sees_failure(&address.to_string().into());
    assert_eq!(error, format!("no answer: check that UDP port {} is open", address.port()));
}

#[test]
fn silence_ends_a_link() {
    let runtime = runtime();
    let quick = |n| Config {
        keep_alive_interval: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(1_500),
        ..config(&runtime, n, "127.0.0.1:0")
    };
    let (a, b) = (member(quick(1)), member(quick(2)));
    link(&a, &b);
    b.connector.kill();
    assert_eq!(a.sees_down(b.id), "the peer no longer answers");
    assert_eq!(b.log.len(), 0);
}

#[test]
fn a_restart_is_noticed_without_a_dial() {
    let runtime = runtime();
    let a = member(Config {
        keep_alive_interval: Duration::from_millis(100),
        idle_timeout: Duration::from_secs(600),
        ..config(&runtime, 1, "127.0.0.1:0")
    });
    let b = member(config(&runtime, 2, "127.0.0.1:0"));
    link(&a, &b);
    b.connector.kill();
    let b = member(config(&runtime, 2, &b.address));
    // The new run answers the next probe with a reset, which the old run's secret authenticates.
    assert_eq!(a.sees_down(b.id), "the peer restarted");
    link(&a, &b);
}

#[test]
fn a_stop_says_goodbye_and_frees_the_port() {
    let runtime = runtime();
    let (a, b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    link(&a, &b);
    b.connector.stop();
    assert_eq!(a.sees_down(b.id), "closed by the peer: member stopped");
    runtime.block_on(b.connector.stopped());
    UdpSocket::bind(&*b.address).unwrap();
}

#[test]
fn one_thread_is_enough_for_the_runtime() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (a, b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            link(&a, &b);
            exchange(&a, &b);
            a.send(b.id, Lane::Bulk, vec![7; 1 << 20]);
            assert_eq!(b.receives(a.id).0.len(), 1 << 20);
            a.connector.close(b.id, "done");
            b.sees_down(a.id);
            end.send(()).unwrap();
        });
        runtime.block_on(ended).unwrap();
    });
}

#[test]
fn reasons_reach_the_peer_cleaned() {
    let runtime = runtime();
    let (a, b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    link(&a, &b);
    a.connector.close(b.id, &format!("\x1b[31mred\n{}", "ü".repeat(200)));
    let reason = b.sees_down(a.id);
    assert!(reason.starts_with("closed by the peer: \u{fffd}[31mred\u{fffd}üü"), "{reason}");
    assert!(reason.len() < 250 && reason.ends_with('ü'), "{reason}");
}

#[test]
fn bytes_on_the_wire_are_counted() {
    let runtime = runtime();
    let (a, b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    link(&a, &b);
    a.send_now(b.id, Lane::Bulk, vec![7; 4 << 20]);
    b.receives(a.id);
    a.connector.close(b.id, "done");
    a.sees_down(b.id);
    b.sees_down(a.id);
    let ((a_sent, _), (_, b_received)) = (a.connector.wire_traffic(), b.connector.wire_traffic());
    assert!(a_sent > 4 << 20 && b_received > 4 << 20 && b_received <= a_sent, "{a_sent}, {b_received}");
}

#[test]
fn more_links_than_the_limit_are_refused() {
    let runtime = runtime();
    let hub = member(config(&runtime, 200, "127.0.0.1:0"));
    let others: Vec<_> = (0..80).map(|n| member(config(&runtime, n, "127.0.0.1:0"))).collect();
    for other in &others {
        link(other, &hub);
    }
    let one_more = member(config(&runtime, 201, "127.0.0.1:0"));
    one_more.dial(&hub);
    let error = one_more.sees_failure(&hub.address);
    assert!(error.contains("too many links"), "{error}");
    assert_eq!(hub.connector.stats().handshakes_refused, 1);
    // There is room for one more after one has left.
    others[0].connector.close(hub.id, "bye");
    hub.sees_down(others[0].id);
    link(&one_more, &hub);
}

#[test]
fn two_members_find_each_other_fast_after_a_hard_stop() {
    let runtime = runtime();
    let (a, mut b) = (member(config(&runtime, 1, "127.0.0.1:0")), member(config(&runtime, 2, "127.0.0.1:0")));
    link(&a, &b);
    for _ in 0..5 {
        b.connector.kill();
        let started = Instant::now();
        b = member(config(&runtime, 2, &b.address));
        b.dial(&a);
        assert!(matches!(a.log.next(), Event::LinkDown { .. }));
        a.sees_up(b.id);
        b.sees_up(a.id);
        assert!(started.elapsed() < Duration::from_secs(4), "well before the old link is idle");
    }
}
