use super::*;
use crate::{
    engine::{
        links::{LinkIndex, Tree},
        testing::{context, head, mesh, owner},
    },
    store::HeldTombstones,
    time::SECOND,
};

fn replicas() -> Replicas {
    Replicas::new(mesh())
}

/// Holds a shard of an owner, with a head at `timestamp`.
fn hold(replicas: &mut Replicas, n: u8, timestamp: u64) {
    let record = ShardRecord::whole(head(owner(n), timestamp), None, HeldTombstones::default());
    replicas.hold(&owner(n), Some((ShardNumber(n.into()), record.into())));
}

#[test]
fn a_known_head_is_due_at_its_time_or_sooner_if_requested() {
    let mut replicas = replicas();
    let known = head(owner(1), 5);
    assert!(!replicas.has_waiting());
    replicas.queue_head(&known, owner(8), Time(50));
    assert_eq!((replicas.known_after(None, Time(49)), replicas.wakes_at(Time(7))), (None, Time(50)));
    replicas.fetch_earlier(&owner(1), owner(9), Time(60));
    assert_eq!(replicas[&owner(1)].fetch_from(), Some(owner(8)), "the later time does not replace it");
    replicas.fetch_earlier(&owner(1), owner(9), Time(40));
    assert_eq!(replicas.known_after(None, Time(40)), Some((Time(40), owner(1))));
    assert_eq!(replicas[&owner(1)].fetch_from(), Some(owner(9)));
    replicas.queue_head(&head(owner(1), 6), owner(7), Time(90));
    assert_eq!(replicas[&owner(1)].fetch_at(), Time(40), "a newer head does not delay it");
    replicas.delay_fetch(&owner(1), Time(70));
    assert_eq!(replicas.wakes_at(Time(7)), Time(70));
    replicas.forget_up_to(&known);
    assert!(replicas.has_waiting(), "the known head is later");
    replicas.forget(&owner(1));
    assert!(!replicas.has_waiting() && replicas[&owner(1)].known().is_none());
}

#[test]
fn a_transfer_is_listed_until_it_ends_or_its_peer_is_gone() {
    let mut replicas = replicas();
    replicas.queue_head(&head(owner(1), 5), owner(8), Time(1));
    let pull = || Transfer::Pull { from: owner(8), since: Timestamp(0), deadline: Time(30) };
    replicas.begin_transfer(&owner(1), pull());
    assert_eq!((replicas.under_way(), replicas.known_after(None, Time(9))), (alloc::vec![owner(1)], None));
    assert_eq!((replicas.overdue(Time(29)), replicas.overdue(Time(30))), (None, Some(owner(1))));
    assert!(matches!(replicas.end_transfer(&owner(1)), Some(Transfer::Pull { .. })));
    assert!(replicas.end_transfer(&owner(1)).is_none() && replicas.known_after(None, Time(9)).is_some());
    replicas.begin_transfer(&owner(1), pull());
    replicas.release_peer(&owner(7));
    assert!(replicas[&owner(1)].transfer().is_some(), "another peer");
    replicas.release_peer(&owner(8));
    assert!(replicas[&owner(1)].transfer().is_none() && replicas.under_way().is_empty());
    replicas.begin_transfer(&owner(2), pull());
    assert!(replicas.get(&owner(2)).is_none(), "that owner is unknown");
}

#[test]
fn a_lent_reconciliation_stays_listed_until_it_is_returned_or_ends() {
    let mut replicas = replicas();
    let target = head(owner(1), 5);
    replicas.queue_head(&target, owner(8), Time(1));
    let reconciliation = Reconciliation::new(owner(8), target, Timestamp(0));
    replicas.begin_transfer(&owner(1), Transfer::Reconciliation(Box::new(reconciliation)));
    assert_eq!(
        (replicas.n_compared(), replicas.wakes_at(Time(1))),
        (1, Time::NEVER),
        "nothing was requested"
    );
    let lent = replicas.lend_reconciliation(&owner(1)).expect("the reconciliation is in progress");
    assert!(replicas.lend_reconciliation(&owner(1)).is_none() && replicas.n_compared() == 1);
    assert!(replicas.return_reconciliation(&owner(1), lent) && replicas.compared() == [owner(1)]);
    drop(replicas.lend_reconciliation(&owner(1)));
    replicas.relist(&owner(1));
    assert_eq!((replicas.n_compared(), replicas.known_after(None, Time(1)).is_some()), (0, true));
}

#[test]
fn a_refused_head_is_checked_again_after_a_roster_change() {
    let mut replicas = replicas();
    replicas.refuse(&mut context(), &head(owner(1), 5), Reason::Quota);
    let refused = replicas[&owner(1)].refused().expect("just refused");
    assert_eq!((refused.order, refused.reason), (head(owner(1), 5).order(), Reason::Quota));
    replicas.forget_refused();
    assert!(replicas[&owner(1)].refused().is_none());
}

#[test]
fn the_held_shard_gives_head_and_root() {
    let mut replicas = replicas();
    assert_eq!((replicas.timestamp(&owner(1)), replicas.head(&owner(1))), (Timestamp(0), None));
    let empty = replicas.root();
    hold(&mut replicas, 1, 5);
    assert_eq!(replicas.head(&owner(1)), Some(&head(owner(1), 5)));
    assert_eq!(replicas.whole(&owner(1)).map(|(shard, _)| shard), Some(ShardNumber(1)));
    assert!(replicas.is_recent_head(&head(owner(1), 5)) && replicas.known_root().is_none());
    assert_ne!(replicas.root(), empty);
    hold(&mut replicas, 1, 6);
    let later = replicas.root();
    replicas.hold(&owner(1), None);
    assert!(replicas.root() == empty && later != empty && replicas.head(&owner(1)).is_none());
    replicas.set_building(&owner(1), ShardNumber(7));
    assert_eq!(replicas.take_building(&owner(1)), Some(ShardNumber(7)));
    assert_eq!(replicas.take_building(&owner(1)), None);
}

#[test]
fn a_forked_or_invalid_owner_loses_push_except_the_roster() {
    let mut replicas = replicas();
    let roster = mesh().authority();
    [owner(1), roster].iter().for_each(|owner| replicas.mark_invalid(owner));
    assert!(replicas.has_lost_push(&owner(1)) && !replicas.has_lost_push(&owner(2)));
    assert!(!replicas.has_lost_push(&roster));
}

#[test]
fn heads_beyond_the_rate_are_held_back_unless_old_or_own() {
    let (mut replicas, mut cx) = (replicas(), context());
    cx.config.owner_heads_max = 10;
    hold(&mut replicas, 1, 5);
    replicas.count(&cx, &owner(1), 1, 0);
    replicas.count(&cx, &cx.me.clone(), 1, 0);
    assert!(!replicas.hold_back(&mut cx, &head(owner(1), 5), owner(8)), "the head is held already");
    let own = head(cx.me, 9);
    assert!(!replicas.hold_back(&mut cx, &own, owner(8)));
    assert!(replicas.hold_back(&mut cx, &head(owner(1), 6), owner(8)));
    assert_eq!(cx.stats.refusals.get("over_rate"), Some(&1));
    cx.now.time = cx.now.time.after(SECOND);
    replicas.begin_call(&cx);
    assert_eq!(replicas.take_held_back(), [(head(owner(1), 6), owner(8))]);
}

#[test]
fn a_moved_shard_is_relayed_with_its_message_only_from_the_same_base() {
    let mut replicas = replicas();
    let frame = || crate::message::Message::Probe.frame();
    replicas.on_moved(owner(1), Timestamp(5), alloc::vec![owner(7)]);
    replicas.record_sender(&owner(1), owner(8), Timestamp(5), Some(frame()));
    replicas.record_sender(&owner(2), owner(8), Timestamp(5), Some(frame()));
    replicas.on_moved(owner(3), Timestamp(0), alloc::vec![]);
    replicas.on_moved(owner(3), Timestamp(9), alloc::vec![]);
    replicas.record_sender(&owner(3), owner(8), Timestamp(9), Some(frame()));
    replicas.on_moved(owner(4), Timestamp(0), alloc::vec![]);
    replicas.forget_moved(&owner(4));
    let moved = replicas.take_moved();
    assert_eq!(moved.keys().collect::<Vec<_>>(), [&owner(1), &owner(3)]);
    let one = &moved[&owner(1)];
    assert_eq!((one.before, one.told.as_slice()), (Timestamp(5), &[owner(7), owner(8)][..]));
    assert!(one.message.is_some());
    let twice = &moved[&owner(3)];
    assert!(twice.before == Timestamp(0) && twice.message.is_none(), "the shard moved twice in this call");
    assert!(replicas.take_moved().is_empty());
}

#[test]
fn a_closed_link_leaves_no_tree_and_reports_its_owners() {
    let mut replicas = replicas();
    let place = LinkIndex::free([].into_iter());
    let other = LinkIndex::free([place].into_iter());
    (1..=3).for_each(|n| hold(&mut replicas, n, 10 * u64::from(n)));
    let mut brought = Tree::NEW;
    brought.set_parent(place);
    assert!(replicas.set_tree(&owner(1), brought) && !replicas.set_tree(&owner(1), brought));
    assert!(replicas.set_tree(&owner(2), brought));
    let mut pruned = Tree::NEW;
    pruned.prune(place);
    assert!(replicas.set_tree(&owner(3), pruned) && !replicas.set_tree(&owner(9), pruned));
    let (used, orphans) = replicas.prune_brought(other, &[owner(2)]);
    assert_eq!((used, orphans), (true, alloc::vec![owner(3)]));
    assert!(!replicas[&owner(1)].tree().is_eager(other) && replicas[&owner(2)].tree().is_eager(other));
    assert_eq!(
        replicas.forget_place(place, Timestamp(20)),
        [owner(2)],
        "the other one has not written since"
    );
    assert!(replicas[&owner(3)].tree() == Tree::NEW && replicas[&owner(2)].tree().parent().is_none());
}
