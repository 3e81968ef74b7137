//! Peers that violate the protocol are refused, named and counted, and nothing breaks.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_quic::{Config, QuicConnector};
use datafan_core::{
    connector::{Event, Lane},
    identity::Identity,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
};
use datafan_testkit::{
    connector::{Log, Member, exchange, link},
    tls::{Credentials, client, elliptic, of_member},
};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Runtime, time::timeout};

/// A member, and a runtime in which to attack it.
struct Scene {
    victim: Member<QuicConnector>,
    runtime: Runtime,
}

impl Scene {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let victim = Self::member(&runtime, VICTIM);
        Self { victim, runtime }
    }

    fn member(runtime: &Runtime, n: u8) -> Member<QuicConnector> {
        Self::member_with(runtime, n, |_| {})
    }

    fn member_with(runtime: &Runtime, n: u8, adjust: impl FnOnce(&mut Config)) -> Member<QuicConnector> {
        let (identity, log) = (Identity::from_secret(&[n; 32]), Arc::new(Log::default()));
        let (id, listen) = (identity.id(), vec![([127, 0, 0, 1], 0).into()]);
        let mut config = Config::new(identity, listen, runtime.handle().clone());
        config.handshake_timeout = Duration::from_millis(500);
        adjust(&mut config);
        let (connector, bound) = QuicConnector::bind(config, log.clone()).unwrap();
        Member { connector, id, address: bound[0].to_string().into(), log }
    }

    /// Checks that afterwards an honest member links as usual, and the victim noticed nothing else.
    fn is_unharmed(&self) {
        assert_eq!(self.victim.log.len(), 0);
        let honest = Self::member(&self.runtime, 3);
        link(&honest, &self.victim);
        exchange(&honest, &self.victim);
    }

    /// The reason with which a connection is closed after an honest handshake and `attack`.
    fn closed_after<F: Future<Output = Kept>>(&self, attack: impl FnOnce(Connection) -> F) -> (u32, String) {
        self.runtime.block_on(async {
            let (certificate, key) = of_member(&attacker());
            let connection = connect(&self.victim, Some((certificate, key)), b"datafan/1").await.unwrap();
            let _kept = attack(connection.clone()).await;
            let closed = timeout(Duration::from_secs(10), connection.closed()).await;
            match closed.expect("it is closed in time") {
                ConnectionError::ApplicationClosed(close) => {
                    let code = close.error_code.into_inner().try_into().unwrap();
                    (code, String::from_utf8(close.reason.to_vec()).unwrap())
                }
                other => panic!("closed otherwise: {other}"),
            }
        })
    }

    /// The reason with which a link is closed after `bytes` were sent on each of some streams.
    fn link_closed_after(&self, streams: &[&[u8]]) -> String {
        let (code, reason) = self.closed_after(|connection| async move {
            let mut kept = vec![greet(&connection).await];
            for bytes in streams {
                let mut stream = connection.open_uni().await.unwrap();
                stream.write_all(bytes).await.unwrap();
                kept.push((stream, None));
            }
            kept
        });
        assert_eq!(code, 4, "{reason}");
        self.victim.sees_up(attacker().id());
        self.victim.sees_broken(attacker().id());
        assert_eq!(self.victim.sees_down(attacker().id()), reason);
        assert_eq!(self.victim.connector.stats().protocol_errors, 1);
        self.is_unharmed();
        reason
    }
}

/// Streams that stay open.
type Kept = Vec<(SendStream, Option<RecvStream>)>;

#[test]
fn who_shows_no_key_of_a_member_is_refused() {
    let scene = Scene::new();
    let elliptic = elliptic();
    // A member's certificate, but another key.
    let (stolen, _) = of_member(&attacker());
    let (_, own) = of_member(&Identity::from_secret(&[5; 32]));
    scene.runtime.block_on(async {
        for credentials in [None, Some(elliptic), Some((stolen, own))] {
            // The handshake ends for the dialler before the victim has verified it.
            if let Ok(connection) = connect(&scene.victim, credentials, b"datafan/1").await {
                let closed = timeout(Duration::from_secs(10), connection.closed()).await.unwrap();
                assert!(matches!(closed, ConnectionError::ConnectionClosed(_)), "{closed}");
            }
        }
        let (certificate, key) = of_member(&attacker());
        assert!(connect(&scene.victim, Some((certificate, key)), b"datafan/2").await.is_err());
    });
    scene.is_unharmed();
}

#[test]
fn who_says_nothing_is_dropped() {
    let scene = Scene::new();
    assert_eq!(scene.closed_after(|_| async { vec![] }).0, 6);
    let (code, reason) = scene.closed_after(|connection| async move {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&[1; 20]).await.unwrap();
        vec![(send, Some(receive))]
    });
    assert_eq!((code, &*reason), (6, "greeting timed out"));
    assert_eq!(scene.victim.connector.stats().handshakes_failed, 2);
    scene.is_unharmed();
}

#[test]
fn a_greeting_of_another_version_is_refused() {
    let scene = Scene::new();
    let (code, reason) = scene.closed_after(|connection| async move {
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&[9; 41]).await.unwrap();
        vec![(send, Some(receive))]
    });
    assert_eq!((code, &*reason), (4, "greeting of version 9, this is version 1"));
    scene.is_unharmed();
}

#[test]
fn a_frame_beyond_the_limit_closes_the_link() {
    let length = (SMALL_BYTES_MAX as u32 + 1).to_be_bytes();
    let reason = Scene::new().link_closed_after(&[&[&[0], &length[..]].concat()]);
    assert_eq!(reason, "frame of 131073 bytes, limit 131072");
    let reason = Scene::new().link_closed_after(&[&[1, 0xff, 0xff, 0xff, 0xff]]);
    assert_eq!(reason, "frame of 4294967295 bytes, limit 8454144");
}

#[test]
fn a_frame_that_does_not_end_gives_way_when_others_have_no_room() {
    let mut scene = Scene::new();
    scene.victim = Scene::member_with(&scene.runtime, VICTIM, |config| {
        config.unverified_bytes_max = MESSAGE_BYTES_MAX + 1_000;
    });
    let Scene { victim, runtime } = &scene;
    let slow = runtime.block_on(async {
        let (certificate, key) = of_member(&attacker());
        let connection = connect(victim, Some((certificate, key)), b"datafan/1").await.unwrap();
        let greeting = greet(&connection).await;
        let mut stream = connection.open_uni().await.unwrap();
        let length = (MESSAGE_BYTES_MAX as u32).to_be_bytes();
        stream.write_all(&[&[1], &length[..], &vec![7; MESSAGE_BYTES_MAX - 1]].concat()).await.unwrap();
        (connection, greeting, stream)
    });
    victim.sees_up(attacker().id());
    while victim.connector.stats().unverified_bytes < MESSAGE_BYTES_MAX as u64 {
        assert!(slow.0.close_reason().is_none());
        std::thread::yield_now();
    }
    let honest = Scene::member(runtime, 3);
    link(&honest, victim);

    // The remaining budget suffices: it may take as long as it likes.
    honest.send_now(victim.id, Lane::Bulk, vec![1; 1_000]);
    drop(victim.receives(honest.id));
    assert!(slow.0.close_reason().is_none());

    honest.send_now(victim.id, Lane::Bulk, vec![2; 1_001]);
    // The two alternate, and neither waits for the other.
    let (mut came, mut ended) = (false, false);
    while !(came && ended) {
        match victim.log.next() {
            Event::Received { from, bytes, .. } if from == honest.id => came = *bytes == [2; 1_001],
            Event::LinkDown { peer, reason } if peer == attacker().id() => {
                ended = reason == "its frame took too long while others waited";
            }
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(victim.connector.stats().links_crowded_out, 1);
}

#[test]
fn an_unknown_lane_closes_the_link() {
    assert_eq!(Scene::new().link_closed_after(&[&[2]]), "unknown lane 2");
}

#[test]
fn a_second_stream_of_a_lane_closes_the_link() {
    assert_eq!(Scene::new().link_closed_after(&[&[1], &[1]]), "a second stream of lane Bulk");
}

#[test]
fn a_stream_that_breaks_off_closes_the_link() {
    for (bytes, expected) in [
        (&[][..], "stream without a lane"),
        (&[0, 0], "incomplete length"),
        (&[1, 0, 0, 0, 9, 1], "incomplete frame"),
    ] {
        let scene = Scene::new();
        let (code, reason) = scene.closed_after(|connection| async move {
            let greeting = greet(&connection).await;
            let mut stream = connection.open_uni().await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream.finish().unwrap();
            vec![greeting, (stream, None)]
        });
        assert_eq!((code, &*reason), (4, expected));
    }
}

#[test]
fn there_are_no_streams_beyond_the_two_lanes() {
    let scene = Scene::new();
    scene.runtime.block_on(async {
        let connection = connect(&scene.victim, Some(of_member(&attacker())), b"datafan/1").await.unwrap();
        let _greeting = greet(&connection).await;
        let _lanes = (connection.open_uni().await.unwrap(), connection.open_uni().await.unwrap());
        // Flow control is already known here: the first poll shows it.
        assert!(timeout(Duration::ZERO, connection.open_uni()).await.is_err());
        assert!(timeout(Duration::ZERO, connection.open_bi()).await.is_err());
        assert!(connection.send_datagram(vec![1].into()).is_err(), "datagrams are off");
    });
}

#[test]
fn noise_on_the_port_is_ignored() {
    let scene = Scene::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // Bytes of a small generator; the first makes them look like packets of every kind.
    let mut state = 1u64;
    for i in 0..2_000u32 {
        let mut bytes: Vec<u8> = (0..i % 1_300)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        if let [first, version @ ..] = &mut bytes[..]
            && version.len() > 4
        {
            *first |= 0x40;
            version[..4].copy_from_slice(&(i & 1).to_be_bytes());
        }
        socket.send_to(&bytes, &*scene.victim.address).unwrap();
    }
    scene.is_unharmed();
}

/// Connects like a member with the given credentials, accepting any server.
async fn connect(
    victim: &Member<QuicConnector>,
    credentials: Option<Credentials>,
    alpn: &[u8],
) -> Result<Connection, ConnectionError> {
    connect_to(victim.address.parse().unwrap(), credentials, alpn).await
}

async fn connect_to(
    address: SocketAddr,
    credentials: Option<Credentials>,
    alpn: &[u8],
) -> Result<Connection, ConnectionError> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let runtime = Arc::new(quinn::TokioRuntime);
    let endpoint = Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime).unwrap();
    endpoint.connect_with(client(credentials, alpn), address, "any.datafan").unwrap().await
}

/// Greets according to the protocol and waits for the verdict: the attacker has the higher id.
async fn greet(connection: &Connection) -> (SendStream, Option<RecvStream>) {
    assert!(attacker().id() > Identity::from_secret(&[VICTIM; 32]).id());
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&[&[1][..], &[7; 16], &[0; 24]].concat()).await.unwrap();
    let mut answer = [0; 41 + 8];
    receive.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[41..]), (1, &1u64.to_be_bytes()[..]));
    (send, Some(receive))
}

fn attacker() -> Identity {
    let lowest = Identity::from_secret(&[VICTIM; 32]).id();
    let higher = (100..).map(|n| Identity::from_secret(&[n; 32])).find(|one: &Identity| one.id() > lowest);
    higher.unwrap()
}

/// The number of the victim.
const VICTIM: u8 = 1;
