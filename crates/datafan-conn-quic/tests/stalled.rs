//! Handshakes that start well and then fall silent (A62): they take up places, and honest handshakes still
//! get through.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail")]

use datafan_conn_quic::{Config, QuicConnector, Stats};
use datafan_core::{
    connector::{Connector, Event},
    identity::Identity,
};
use datafan_testkit::{
    connector::{Log, Member, exchange},
    tls::client,
};
use quinn::Endpoint;
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::JoinHandle};

/// Whether an attacker receives answers at its address, so that it can prove it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sender {
    Proven,
    Invented,
}

#[test]
fn a62_stalled_handshakes_from_one_address_keep_no_member_out() {
    for sender in [Sender::Invented, Sender::Proven] {
        let runtime = runtime();
        let victim = member(&runtime, 1, LOCAL);
        let attack = attack(&runtime, &victim, ATTACKER, sender, Duration::from_millis(8));
        waits(&victim, |stats| match sender {
            // Half of the places of its address; the others are for senders that prove their address.
            Sender::Invented => stats.handshakes_half_open >= 9,
            Sender::Proven => stats.handshakes_evicted > 50,
        });
        // One that was just invited, from elsewhere, and one from behind the same address.
        let invited = [member(&runtime, 3, ELSEWHERE), member(&runtime, 4, ATTACKER)];
        invited.iter().for_each(|honest| gets_in(honest, &victim));
        let stats = victim.connector.stats();
        assert!(stats.handshakes_half_open <= 16, "{sender:?}: {stats:?}");
        attack.abort();
        waits(&victim, |stats| stats.handshakes_half_open == 0);
    }
}

#[test]
fn stalled_handshakes_from_everywhere_leave_half_of_the_places_to_those_who_can_be_answered() {
    let runtime = runtime();
    let victim = member(&runtime, 1, LOCAL);
    let attacks: Vec<_> = (1..=80)
        .map(|n| Ipv4Addr::new(127, 0, 1, n))
        .map(|from| attack(&runtime, &victim, from, Sender::Invented, Duration::from_secs(60)))
        .collect();
    waits(&victim, |stats| stats.handshakes_half_open >= 32);
    gets_in(&member(&runtime, 3, ELSEWHERE), &victim);
    let stats = victim.connector.stats();
    assert!(stats.handshakes_half_open <= 33, "{stats:?}");
    attacks.iter().for_each(JoinHandle::abort);
    waits(&victim, |stats| stats.handshakes_half_open == 0);
    assert!(victim.connector.stats().handshakes_failed >= 32);
}

/// Dials like a member, repeatedly, until it is linked.
fn gets_in(honest: &Member<QuicConnector>, victim: &Member<QuicConnector>) {
    let began = Instant::now();
    honest.connector.dial(victim.address.clone(), None);
    loop {
        match honest.log.next() {
            Event::LinkUp { peer, .. } if peer == victim.id => break,
            Event::DialFailed { error, .. } => {
                assert!(began.elapsed() < WITHIN, "{error}: {:?}", victim.connector.stats());
                std::thread::sleep(Duration::from_millis(500));
                honest.connector.dial(victim.address.clone(), None);
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(began.elapsed() < WITHIN, "after {:?}", began.elapsed());
    victim.sees_up(honest.id);
    exchange(honest, victim);
}

const WITHIN: Duration = Duration::from_secs(5);

fn waits(victim: &Member<QuicConnector>, wanted: impl Fn(&Stats) -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !wanted(&victim.connector.stats()) {
        assert!(Instant::now() < until, "{:?}", victim.connector.stats());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A handshake at regular intervals, each of which is never completed by its sender.
fn attack(
    runtime: &Runtime,
    victim: &Member<QuicConnector>,
    from: Ipv4Addr,
    sender: Sender,
    every: Duration,
) -> JoinHandle<()> {
    let victim: SocketAddr = victim.address.parse().unwrap();
    runtime.spawn(async move {
        let line = tokio::net::UdpSocket::bind((from, 0)).await.unwrap();
        let target = line.local_addr().unwrap();
        let endpoint = endpoint();
        let begun = async {
            let mut begun = Vec::new();
            loop {
                begun.push(endpoint.connect(target, "any.datafan").unwrap());
                tokio::time::sleep(every).await;
            }
        };
        tokio::select! {
            () = begun => {}
            () = carry(&line, victim, sender) => {}
        }
    })
}

/// Forwards everything to the victim, and only the demand to prove the address in return.
async fn carry(line: &tokio::net::UdpSocket, victim: SocketAddr, sender: Sender) {
    let mut packet = vec![0; 2_000];
    let mut attacker = None;
    loop {
        let Ok((n, from)) = line.recv_from(&mut packet).await else { continue };
        if from != victim {
            attacker = Some(from);
            let _ = line.send_to(&packet[..n], victim).await;
        } else if let Some(attacker) = attacker
            && sender == Sender::Proven
            && packet[0] & 0xf0 == RETRY
        {
            let _ = line.send_to(&packet[..n], attacker).await;
        }
    }
}

/// The first bytes of a Retry (RFC 9000, 17.2.5).
const RETRY: u8 = 0xf0;

/// A client that accepts any server and has no certificate: it never gets that far.
fn endpoint() -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let runtime = Arc::new(quinn::TokioRuntime);
    let mut endpoint = Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime).unwrap();
    endpoint.set_default_client_config(client(None, b"datafan/1"));
    endpoint
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn member(runtime: &Runtime, n: u8, at: Ipv4Addr) -> Member<QuicConnector> {
    let (identity, log) = (Identity::from_secret(&[n; 32]), Arc::new(Log::default()));
    let (id, listen) = (identity.id(), vec![SocketAddr::from((at, 0))]);
    let config = Config::new(identity, listen, runtime.handle().clone());
    let (connector, bound) = QuicConnector::bind(config, log.clone()).unwrap();
    Member { connector, id, address: bound[0].to_string().into(), log }
}

const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
