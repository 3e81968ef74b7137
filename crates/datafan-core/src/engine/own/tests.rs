use super::*;
use crate::{
    engine::testing::{TestStore, at, context, head, owner},
    rng::Rng,
    runs::RunId,
    time::SECOND,
};

/// The own shard of a member whose store holds the shard up to a timestamp.
fn own(cx: &Context, held: u64) -> (OwnShards, Disk<TestStore>) {
    let mut disk = Disk::new(TestStore::default(), cx.time()).unwrap();
    let mut own = OwnShards::new(cx.me, OwnRun::new(&mut Rng::new(1), cx.now));
    own.load(cx, &mut disk).unwrap();
    own.load_shards(cx, &disk, |_| Timestamp(held)).unwrap();
    (own, disk)
}

/// The same member after a restart.
fn again(cx: &mut Context, disk: &mut Disk<TestStore>, held: Timestamp) -> OwnShards {
    disk.write(cx).unwrap();
    let mut own = OwnShards::new(cx.me, OwnRun::new(&mut Rng::new(2), cx.now));
    own.load(cx, disk).unwrap();
    own.load_shards(cx, disk, |_| held).unwrap();
    own
}

#[test]
fn only_a_founder_writes_at_once_and_only_a_proven_store_without_a_peer() {
    let mut cx = context();
    let (mut fresh, mut disk) = own(&cx, 0);
    assert_eq!((fresh.confirm_at(), fresh.is_confirmed()), (Time::NEVER, false));
    assert!(fresh.on_first_link(&mut disk) && !fresh.on_first_link(&mut disk));
    fresh.confirm_soon(cx.time().after(5));
    assert_eq!(fresh.confirm_at(), cx.time().after(5));
    fresh.confirm_all(&mut disk);
    assert!(fresh.is_confirmed() && fresh.member().confirmed() == Confirmed::Yes);
    assert_eq!(fresh.confirm_at(), Time::NEVER);
    let restarted = again(&mut cx, &mut disk, Timestamp(0));
    assert_eq!(restarted.confirm_at(), cx.time().after(cx.config.confirm_micros), "others may know more");
    assert_eq!(restarted.member().confirmed(), Confirmed::Not);
    cx.config.new_mesh = true;
    let (founder, _) = own(&cx, 0);
    assert_eq!((founder.confirm_at(), founder.is_confirmed()), (cx.time(), true));
}

#[test]
fn a_signed_timestamp_is_used_across_a_restart() {
    let mut cx = context();
    let (mut shards, mut disk) = own(&cx, 5);
    let first = shards.sign(head(cx.me, 7), &cx, &mut disk);
    assert!(first.verify(&cx.config.mesh, cx.verifier()) && shards.member().has_made(&first));
    assert!(shards.member().has_written() && !shards.member().has_made(&head(cx.me, 5)));
    assert_eq!(shards.member().last(), Timestamp(7));
    let restarted = again(&mut cx, &mut disk, Timestamp(5));
    assert!(restarted.member().last() >= Timestamp(7), "even if that commit was lost");
    assert!(restarted.member().last() <= Timestamp(7 + SECOND));
}

#[test]
fn writes_wait_for_a_later_head_of_a_peer_and_then_continue() {
    let cx = context();
    let (mut own, _) = own(&cx, 5);
    let (peer, lost) = (owner(2), head(cx.me, 9));
    assert!(own.begin_recovery(peer, &lost, Time(50)));
    assert!(!own.begin_recovery(owner(3), &head(cx.me, 8), Time(70)), "the recovery is in progress");
    assert_eq!(own.member().confirmed(), Confirmed::Recovering { until: Time(50) });
    assert!(own.shorten_recovery_wait(Time(60)) && own.shorten_recovery_wait(Time(40)));
    assert_eq!(own.member().confirmed(), Confirmed::Recovering { until: Time(40) });
    assert_eq!(own.member().best_remote(Time(1), |_| true), Some((peer, lost)));
    assert_eq!(own.end_recovery(&cx.me), Some(lost));
    assert_eq!(own.member().confirmed(), Confirmed::Yes);
    assert!(!own.shorten_recovery_wait(Time(10)) && own.member().best_remote(Time(1), |_| true).is_none());
}

#[test]
fn held_back_writes_yield_to_a_live_process_and_else_continue() {
    let cx = context();
    let (theirs, start) = (head(cx.me, 9), at(100).time);
    let over = start.after(30 * SECOND);
    let contested = |diverged| {
        let (mut own, disk) = own(&cx, 5);
        assert!(own.begin_contest(&theirs, None, diverged, start));
        assert!(!own.begin_contest(&theirs, None, diverged, start), "once");
        assert_eq!((own.judge_contest(start), own.contest_ends_at()), (None, over));
        (own, disk)
    };
    let (mut one, mut disk) = contested(true);
    assert_eq!(one.judge_contest(over), Some(Verdict::KeepOwn { theirs, claimed: false }));
    let contest = one.contested().unwrap();
    let next = head(cx.me, 11);
    assert!(one.is_contest_news(&next, &contest) && !one.is_contest_news(&head(cx.me, 8), &contest));
    one.record_contested_head(owner(2), &next, contest, start.after(20 * SECOND));
    assert_eq!(one.judge_contest(over), Some(Verdict::GiveWay(next)), "another head was announced meanwhile");
    one.stop(&next, &mut disk);
    assert!(one.is_stopped() && one.contested().is_none());
    let (mut other, _) = contested(false);
    assert_eq!(other.judge_contest(over), Some(Verdict::TakeBack { theirs, claimed: false }));
    other.recover_after(Timestamp(9), over);
    assert_eq!(other.member().confirmed(), Confirmed::Recovering { until: over });
    assert_eq!(other.member().before(), Timestamp(9));
    let (mut third, _) = contested(true);
    third.continue_from_held();
    assert!(third.member().confirmed() == Confirmed::Yes && third.take_outranks() && !third.take_outranks());
}

#[test]
fn changes_wait_in_order_and_failed_system_writes_are_retried() {
    let cx = context();
    let (mut own, _) = own(&cx, 5);
    own.push_waiting(Ticket(1), OwnChange::Restamp);
    let waiting = own.take_waiting();
    own.push_waiting(Ticket(2), OwnChange::Restamp);
    own.put_back_waiting(waiting);
    let tickets: Vec<u64> = own.take_waiting().iter().map(|(ticket, _)| ticket.0).collect();
    assert_eq!(tickets, [1, 2]);
    assert!(own.is_system_due() && !own.begin_system(), "a start checks for expired items");
    own.publish_again();
    assert!(!own.is_system_due(), "there are no addresses");
    own.publish(alloc::vec!["a:1".into()]);
    assert!(own.is_system_due());
    let publishes = own.begin_system();
    assert!(publishes && !own.is_system_due());
    own.postpone_system(publishes);
    assert!(own.is_system_due() && own.begin_system());
    own.outrank(Timestamp(7));
    own.outrank(Timestamp(6));
    assert!(own.is_system_due());
    assert_eq!((own.take_abandoned(), own.take_abandoned()), (Timestamp(7), Timestamp(0)));
}

#[test]
fn a_reopened_engine_is_the_same_process_with_another_run() {
    let cx = context();
    let (mut before, _) = own(&cx, 5);
    let process = before.run.process();
    before.claims.on_sent(cx.time());
    before.run.renew(&mut Rng::new(9));
    let (mut after, _) = own(&cx, 5);
    after.run.renew(&mut Rng::new(3));
    let current: RunId = after.run.current();
    after.continue_process(before);
    assert_eq!((after.run.process(), after.run.current()), (process, current));
    assert!(after.claims.is_older_one(cx.time()));
}
