//! Scenarios of links: how they come up, that each pair has only one, how they end.

use super::{
    member::{Member, exchange, link, linked},
    site::Site,
};
use datafan_core::{
    connector::{Connector, Direction, Frame, Lane, SendError},
    identity::Identity,
};
use std::{sync::Arc, thread};

pub(super) fn a_dial_links_both_sides<S: Site>(site: &S) {
    let (a, b) = (Member::start(site, 1), Member::start(site, 2));
    a.dial(&b);
    assert_eq!(a.sees_up(b.id), (Some(b.address.clone()), Direction::Out));
    let (seen, direction) = b.sees_up(a.id);
    assert_eq!(direction, Direction::In);
    if site.shows_addresses() {
        // The peer sees an address that it can dial later.
        assert_eq!(seen, Some(a.address.clone()));
    }
    exchange(&a, &b);
    assert_eq!((a.connector.traffic(), b.connector.traffic()), ((4, 4), (4, 4)));
}

pub(super) fn a_dial_of_a_linked_peer_makes_no_second_link<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    for _ in 0..3 {
        a.dial(&b);
        b.dial(&a);
        a.connector.dial(b.address.clone(), None);
        b.connector.dial(a.address.clone(), None);
        // An address without an expected peer may lead to a different one than last time, so it is dialled
        // anyway.
        a.log.finds(b.id);
        b.log.finds(a.id);
        exchange(&a, &b);
    }
    let (later, earlier) = (Member::start(site, 4), Member::start(site, 3));
    link(&later, &earlier);
    exchange(&later, &earlier);
    exchange(&a, &b);
    assert_eq!((a.log.len(), b.log.len()), (0, 0), "the first link is the only one");
}

pub(super) fn dials_from_both_ends_make_one_link<S: Site>(site: &S) {
    for round in 0..ROUNDS {
        let (a, b) = (Member::start(site, 2 * round), Member::start(site, 2 * round + 1));
        // The bits of the round say which ends dial twice, and which dial without an expected peer.
        let dial = |from: &Member<S::Connector>, to: &Member<S::Connector>, twice: bool, knows: bool| {
            from.connector.dial(to.address.clone(), knows.then_some(to.id));
            if twice {
                from.connector.dial(to.address.clone(), (!knows).then_some(to.id));
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| dial(&a, &b, round & 1 != 0, round & 2 != 0));
            scope.spawn(|| dial(&b, &a, round & 4 != 0, round & 8 != 0));
        });
        a.sees_up(b.id);
        b.sees_up(a.id);
        for _ in 0..3 {
            exchange(&a, &b);
        }
        assert_eq!((a.log.len(), b.log.len()), (0, 0), "round {round}: one link, and it stays");
    }
}

pub(super) fn a_dial_to_oneself_fails<S: Site>(site: &S) {
    let a = Member::start(site, 1);
    for expected in [None, Some(a.id)] {
        a.connector.dial(a.address.clone(), expected);
        assert_eq!(a.sees_failure(&a.address), "this is our own address");
    }
    assert_eq!(a.log.len(), 0);
}

pub(super) fn a_dial_that_finds_another_fails<S: Site>(site: &S) {
    let (a, b) = (Member::start(site, 1), Member::start(site, 2));
    let stranger = Identity::from_secret(&[99; 32]).id();
    a.connector.dial(b.address.clone(), Some(stranger));
    let error = a.sees_failure(&b.address);
    assert!(error.contains(&stranger.short()) && error.contains(&b.id.short()), "{error}");
    link(&a, &b);
}

pub(super) fn a_dial_to_nowhere_fails<S: Site>(site: &S) {
    let a = Member::start(site, 1);
    let nowhere = site.nowhere();
    a.connector.dial(nowhere.clone(), None);
    let error = a.sees_failure(&nowhere);
    assert!(error.contains("no answer"), "{error}");
}

pub(super) fn a_close_tells_both_sides_why<S: Site>(site: &S) {
    for (one, other) in [(1, 2), (4, 3)] {
        let [a, b] = linked(site, one, other);
        (0..100u8).for_each(|i| a.send_now(b.id, Lane::Small, [i]));
        a.connector.close(b.id, "enough for today");
        assert!(a.sees_down(b.id).contains("enough for today"));
        // Messages queued in the small lane arrive first.
        (0..100u8).for_each(|i| assert_eq!(*b.receives(a.id).0, [i]));
        assert!(b.sees_down(a.id).contains("enough for today"));
        let late = Frame { lane: Lane::Small, bytes: Arc::new([1]) };
        assert_eq!(a.connector.send(b.id, late.clone()), Err(SendError::Down));
        assert_eq!(b.connector.send(a.id, late), Err(SendError::Down));
        a.connector.close(b.id, "again");
        link(&b, &a);
        exchange(&a, &b);
    }
}

pub(super) fn after_a_close_either_side_may_dial<S: Site>(site: &S) {
    // Whichever id is lower, and whichever end dials.
    for (one, other) in [(1, 2), (4, 3)] {
        let [a, b] = linked(site, one, other);
        for _ in 0..5 {
            a.connector.close(b.id, "again");
            a.sees_down(b.id);
            a.dial(&b);
            b.sees_down(a.id);
            a.sees_up(b.id);
            b.sees_up(a.id);
            a.connector.close(b.id, "and again");
            b.sees_down(a.id);
            b.dial(&a);
            a.sees_down(b.id);
            a.sees_up(b.id);
            b.sees_up(a.id);
            exchange(&a, &b);
        }
        assert_eq!((a.log.len(), b.log.len()), (0, 0));
    }
}

pub(super) fn a_restart_takes_the_old_link_down_first<S: Site>(site: &S) {
    for (one, other) in [(1, 2), (4, 3)] {
        let [a, b] = linked(site, one, other);
        let (id, address) = (b.id, b.address.clone());
        site.kill(b.connector);
        let b = Member::start(site, other);
        assert_eq!((b.id, &b.address), (id, &address));
        b.dial(&a);
        a.sees_down(b.id);
        a.sees_up(b.id);
        b.sees_up(a.id);
        exchange(&a, &b);
        assert_eq!((a.log.len(), b.log.len()), (0, 0));
    }
}

pub(super) fn a_stop_is_final<S: Site>(site: &S) {
    let [a, b] = linked(site, 1, 2);
    (0..50u8).for_each(|i| b.send_now(a.id, Lane::Small, [i]));
    a.connector.stop();
    let n_events = a.log.len();
    b.sees_down(a.id);
    a.connector.stop();
    a.connector.close(b.id, "too late");
    a.dial(&b);
    let late = Frame { lane: Lane::Small, bytes: Arc::new([1]) };
    assert_eq!(a.connector.send(b.id, late), Err(SendError::Down));
    // The others continue as before, and it remains silent.
    let c = Member::start(site, 3);
    link(&b, &c);
    exchange(&b, &c);
    assert_eq!(a.log.len(), n_events);
}

/// How often both ends dial at once: each pattern of four bits, and again with the ids in the other order.
const ROUNDS: u8 = 32;
