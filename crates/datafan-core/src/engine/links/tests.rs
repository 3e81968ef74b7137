use super::*;
use crate::{
    connector::{Direction, Lane},
    engine::testing::{context, owner},
    message::Want,
    time::{SECOND, Timestamp},
};

type TestLinks = Links<()>;

fn links(peers: &[u8]) -> TestLinks {
    let mut links = TestLinks::new();
    for peer in peers {
        let place = LinkIndex::free(links.values().map(Link::place));
        let dialled = Dialled { address: None, direction: Direction::Out, is_spare: false };
        links.insert(owner(*peer), Link::new(dialled, place, Time(1), Time(100)));
    }
    links
}

fn queue(links: &mut TestLinks, peer: u8) -> bool {
    let want = Want { owner: owner(9), since: Timestamp(0) };
    links.get_mut(&owner(peer)).is_some_and(|link| link.queue(PendingRequest::Pull(want)))
}

#[test]
fn links_have_work_after_a_change_or_at_a_deadline() {
    let mut links = links(&[3, 1]);
    assert!(links.have_work(Time(2)), "the links are new");
    links.on_checked();
    assert!(!links.have_work(Time(99)) && links.have_work(Time(100)), "a handshake is late");
    links.get_mut_untracked(&owner(1)).unwrap().set_position(&owner(9), Some(Timestamp(5)));
    assert!(!links.have_work(Time(2)));
    assert!(queue(&mut links, 1) && links.have_work(Time(2)));
    links.on_checked();
    assert!(links.have_work(Time(2)), "an answer is pending");
    links.get_mut(&owner(1)).unwrap().pop_pending();
    links.on_checked();
    assert!(!links.have_work(Time(2)));
}

#[test]
fn the_peer_served_last_waits_for_all_others() {
    let mut links = links(&[1, 2, 3]);
    assert!(queue(&mut links, 1) && queue(&mut links, 3));
    let pending = |links: &TestLinks| links.with_pending().iter().map(|peer| peer.0[0]).collect::<Vec<_>>();
    assert_eq!(pending(&links), [1, 3]);
    links.on_served(owner(1));
    assert_eq!(pending(&links), [3, 1]);
    links.on_served(owner(3));
    assert_eq!(pending(&links), [1, 3]);
    let mut n_pending = 1;
    while queue(&mut links, 1) {
        n_pending += 1;
    }
    assert_eq!(n_pending, crate::limits::REQUESTS_PENDING_MAX);
}

#[test]
fn a_silent_peer_is_probed_and_its_link_closed_without_an_answer() {
    let mut links = links(&[1]);
    let link = links.get_mut(&owner(1)).unwrap();
    link.accept_peer();
    assert!(link.on_accepted() && !link.on_accepted() && link.is_up());
    links.on_checked();
    let probed: Vec<usize> = (0..4).map(|round| links.probe(Time(round)).len()).collect();
    assert_eq!(probed, [0, 0, 1, 0]);
    assert!(links.have_work(Time(3)), "the probe has a deadline");
    assert!(links.unanswered(Time(2 + SECOND - 1)).is_empty());
    assert_eq!(links.unanswered(Time(2 + SECOND)), [owner(1)]);
    links.get_mut(&owner(1)).unwrap().on_received();
    assert!(links.unanswered(Time(2 + SECOND)).is_empty());
    assert!(links.on_probe(&owner(1), Time(5)) && !links.on_probe(&owner(2), Time(5)));
    links.get_mut(&owner(1)).unwrap().set_full(Lane::Small, true);
    assert!(!links.on_probe(&owner(1), Time(6)));
}

#[test]
fn a_violation_is_counted_and_backed_off() {
    let (mut links, mut cx) = (links(&[1]), context());
    links.penalize(&mut cx, owner(1), Rejection::Node);
    assert_eq!(cx.stats.refusals.get("node"), Some(&1));
    assert!(links.is_penalized(&owner(1), cx.time()) && !links.is_penalized(&owner(2), cx.time()));
    assert!(!links.is_penalized(&owner(1), cx.time().after(5 * SECOND)));
}

#[test]
fn links_are_found_by_their_peers_in_order() {
    let mut links = links(&[5, 1, 3]);
    let peers: Vec<u8> = links.keys().map(|peer| peer.0[0]).collect();
    assert_eq!(peers, [1, 3, 5]);
    let places = [5, 1, 3].map(|peer| links[&owner(peer)].place());
    assert!(places[0] != places[1] && places[1] != places[2] && places[0] != places[2]);
    assert!(links.remove(&owner(1)).is_some() && links.remove(&owner(1)).is_none());
    assert!(!links.contains_key(&owner(1)) && links.len() == 2);
    assert_eq!(LinkIndex::free(links.values().map(Link::place)), places[1], "its index is free again");
}
