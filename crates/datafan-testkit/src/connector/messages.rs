//! Scenarios of messages: order, sizes, back pressure.

use super::{
    member::{Member, exchange, linked},
    site::Site,
};
use datafan_core::{
    connector::{Connector, Event, Frame, Lane, SendError},
    identity::Identity,
    limits::{MESSAGE_BYTES_MAX, SMALL_BYTES_MAX},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

pub(super) fn each_lane_keeps_its_order<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    thread::scope(|scope| {
        for (from, to) in [(&a, &b), (&b, &a)] {
            scope.spawn(move || {
                for i in 0..N_ORDERED {
                    let (lane, length) = if i % 8 == 7 { (Lane::Bulk, 5_000) } else { (Lane::Small, 50) };
                    let mut bytes = vec![lane as u8; length];
                    bytes[1..5].copy_from_slice(&i.to_be_bytes());
                    from.send_now(to.id, lane, bytes);
                }
            });
        }
    });
    for (from, to) in [(&a, &b), (&b, &a)] {
        let mut next = [0, 7];
        for _ in 0..N_ORDERED {
            let (bytes, _) = to.receives(from.id);
            let lane = usize::from(bytes[0]);
            assert_eq!(u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]), next[lane]);
            next[lane] += if lane == 1 {
                8
            } else if next[0] % 8 == 6 {
                2
            } else {
                1
            };
        }
        assert_eq!(next, [N_ORDERED, N_ORDERED + 7]);
    }
    assert_eq!(a.connector.traffic(), b.connector.traffic());
}

pub(super) fn messages_at_the_limits_arrive<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    for (lane, bytes_max) in [(Lane::Small, SMALL_BYTES_MAX), (Lane::Bulk, MESSAGE_BYTES_MAX)] {
        for length in [0, 1, bytes_max - 1, bytes_max] {
            let bytes: Arc<[u8]> = (0..length).map(|i| (i % 251) as u8).collect();
            a.send(b.id, lane, bytes.clone());
            assert!(b.receives(a.id).0 == bytes, "{length} bytes arrive as they were");
        }
    }
}

pub(super) fn a_message_beyond_its_limit_is_refused<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    for (lane, bytes_max) in [(Lane::Small, SMALL_BYTES_MAX), (Lane::Bulk, MESSAGE_BYTES_MAX)] {
        let frame = Frame { lane, bytes: vec![0; bytes_max + 1].into() };
        // Such a frame is a bug of the caller, and is detected where it is made.
        assert!(catch_unwind(AssertUnwindSafe(|| a.connector.send(b.id, frame))).is_err());
    }
    exchange(&a, &b);
}

pub(super) fn a_slow_receiver_holds_its_sender_back<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    let (mut held, mut n_sent) = (Vec::new(), 0u32);
    loop {
        let mut bytes = vec![0; 1 << 20];
        bytes[..4].copy_from_slice(&n_sent.to_be_bytes());
        match a.connector.send(b.id, Frame { lane: Lane::Bulk, bytes: bytes.into() }) {
            Ok(()) => n_sent += 1,
            Err(SendError::Full(_)) => match a.log.next_within(Duration::from_millis(300)) {
                Some(Event::Room { .. }) => {}
                Some(event) => panic!("expected room, got {event:?}"),
                None => break,
            },
            Err(SendError::Down) => panic!("the link is up"),
        }
        assert!(n_sent <= 64, "nobody handles the messages, and {n_sent} MiB are taken");
    }
    // Once they are handled everything continues, and nothing was lost or duplicated.
    for i in 0..n_sent {
        let (bytes, receipt) = b.receives(a.id);
        assert_eq!(bytes[..4], i.to_be_bytes());
        held.push(receipt);
        if b.log.len() == 0 {
            held.clear();
        }
    }
    held.clear();
    assert!(matches!(a.log.next(), Event::Room { peer, lane: Lane::Bulk } if peer == b.id));
    a.send_now(b.id, Lane::Bulk, *b"last");
    assert_eq!(*b.receives(a.id).0, *b"last");
    assert_eq!((a.log.len(), b.log.len()), (0, 0));
}

pub(super) fn a_small_message_overtakes_bulk<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    thread::scope(|scope| {
        let (sender, to) = (&a, b.id);
        scope.spawn(move || (0..N_BULK).for_each(|_| sender.send(to, Lane::Bulk, vec![0; 1 << 20])));
        let mut n_before_small = None;
        for i in 0..=N_BULK {
            let (bytes, _) = b.receives(a.id);
            match bytes.len() {
                4 => n_before_small = Some(i),
                _ if i == 0 => a.send_now(b.id, Lane::Small, *b"fast"),
                _ => {}
            }
        }
        let n_before_small = n_before_small.expect("the small message arrives");
        eprintln!("  {n_before_small} of {N_BULK} MiB were there before it");
        assert!(n_before_small < N_BULK / 2);
    });
}

pub(super) fn without_a_link_nothing_is_sent<S: Site>(site: &S) {
    let a = Member::start(site, 1);
    let stranger = Identity::from_secret(&[99; 32]).id();
    for to in [a.id, stranger] {
        let frame = Frame { lane: Lane::Small, bytes: Arc::new([1]) };
        assert_eq!(a.connector.send(to, frame), Err(SendError::Down));
        a.connector.close(to, "no such link");
    }
    assert_eq!((a.log.len(), a.connector.traffic()), (0, (0, 0)));
}

/// Messages in each direction; every eighth is bulk.
const N_ORDERED: u32 = 4_000;
/// Bulk messages of 1 MiB.
const N_BULK: usize = 64;
