use super::*;
use crate::{
    engine::testing::{context, head, identity, mesh, owner},
    store::{HeldTombstones, ShardNumber, ShardRecord},
};
use alloc::sync::Arc;

fn grant(name: &str, role: Role, state: GrantState) -> Grant {
    Grant { name: name.parse().unwrap(), role, quota: Quota::default(), state, granted: Timestamp(5) }
}

fn learn(members: &mut Members, cx: &mut Context, replicas: &mut Replicas, n: u8, grant: &Grant) {
    let (key, value) = (Grant::key(&owner(n)), grant.encode().into());
    let item = Item { key: key.clone(), timestamp: Timestamp(5), expiry: None, value };
    members.learn_grant(cx, replicas, &key, &item);
}

fn setup() -> (Members, Context, Replicas) {
    (Members::default(), context(), Replicas::new(mesh()))
}

#[test]
fn the_roster_gives_role_and_state_of_every_member() {
    let (mut members, mut cx, mut replicas) = setup();
    let active = GrantState::Active;
    learn(&mut members, &mut cx, &mut replicas, 1, &grant("one", Role::Member, active));
    learn(&mut members, &mut cx, &mut replicas, 2, &grant("two", Role::Reader, active));
    learn(&mut members, &mut cx, &mut replicas, 3, &grant("three", Role::Member, GrantState::Drop));
    let of = |n: u8| members.of(&replicas, &owner(n)).map(|found| (found.role, found.state));
    assert_eq!([of(1), of(4)], [Some((Role::Member, active)), None]);
    assert_eq!([of(2), of(3)], [Some((Role::Reader, active)), Some((Role::Member, GrantState::Drop))]);
    assert_eq!([1, 2, 3, 4].map(|n| members.belongs(&replicas, &owner(n))), [true, true, false, false]);
    assert_eq!(members.readers().collect::<Vec<_>>(), [&owner(2)]);
    assert_eq!((members.revoked(), members.n_members()), (alloc::vec![(owner(3), GrantState::Drop)], 3));
    learn(&mut members, &mut cx, &mut replicas, 2, &grant("two", Role::Member, active));
    assert_eq!((members.readers().count(), members.n_members()), (0, 3), "it is not a reader any more");
}

#[test]
fn the_mesh_itself_is_not_a_member_even_with_an_entry() {
    let (mut members, mut cx, mut replicas) = setup();
    let grant = grant("mesh", Role::Member, GrantState::Active);
    let key = Grant::key(&mesh().authority());
    let item = Item { key: key.clone(), timestamp: Timestamp(5), expiry: None, value: grant.encode().into() };
    members.learn_grant(&mut cx, &mut replicas, &key, &item);
    assert_eq!(members.n_members(), 0);
}

#[test]
fn an_invited_member_has_joined_when_seen_and_only_the_roster_writer_records_it() {
    let invited = grant("one", Role::Member, GrantState::Invited { until: Timestamp(99) });
    let (mut members, mut cx, mut replicas) = setup();
    learn(&mut members, &mut cx, &mut replicas, 1, &invited);
    members.on_seen(&mut cx, &replicas, &owner(1));
    assert_eq!(members.n_joined(), 0);
    cx.config.authority = Some(identity(8));
    members.on_seen(&mut cx, &replicas, &owner(2));
    members.on_seen(&mut cx, &replicas, &owner(1));
    assert!(cx.more_to_do && members.n_joined() == 1);
    assert_eq!((members.pop_joined(), members.pop_joined()), (Some(owner(1)), None));
    let held = ShardRecord::whole(head(owner(3), 9), None, HeldTombstones::default());
    replicas.hold(&owner(3), Some((ShardNumber(0), Arc::new(held))));
    learn(&mut members, &mut cx, &mut replicas, 3, &invited);
    assert_eq!(members.pop_joined(), Some(owner(3)), "its shard shows that it joined");
    assert_eq!(members.named(&"one".parse().unwrap()), Some(owner(3)), "the last grant with that name");
}

#[test]
fn a_change_is_handled_once_and_a_replaced_roster_is_reloaded() {
    let (mut members, mut cx, mut replicas) = setup();
    assert!(!members.take_changed());
    members.learn(&mut cx, &mut replicas, &ShardChange::default());
    assert!(members.take_changed() && !members.take_changed());
    assert!(members.take_stale() && !members.take_stale());
    members.mark_changed();
    assert!(members.take_changed() && !members.take_stale());
}

#[test]
fn a_stranger_is_pending_from_its_first_try_until_admitted() {
    let (mut members, mut cx, mut replicas) = setup();
    let knocked = |n: u8, since: u64| {
        let (name, since) = ("edge".parse().unwrap(), Timestamp(since));
        Pending { id: owner(n), name, address: None, since }
    };
    members.add_pending(knocked(1, 5));
    members.add_pending(knocked(2, 6));
    members.add_pending(knocked(1, 7));
    let since = |members: &Members, replicas: &Replicas| {
        members.pending(replicas).map(|pending| (pending.id.0[0], pending.since.0)).collect::<Vec<_>>()
    };
    assert_eq!(since(&members, &replicas), [(2, 6), (1, 5)]);
    learn(&mut members, &mut cx, &mut replicas, 1, &grant("edge", Role::Member, GrantState::Active));
    assert_eq!(since(&members, &replicas), [(2, 6)]);
    let admitted: Vec<MemberId> = members.take_admitted(&replicas).iter().map(|pending| pending.id).collect();
    assert_eq!((admitted, members.take_admitted(&replicas).len()), (alloc::vec![owner(1)], 0));
    (3..=u8::MAX).for_each(|n| members.add_pending(knocked(n, 9)));
    assert_eq!(members.pending(&replicas).count(), PENDING_MAX);
}

#[test]
fn a_refusal_counts_until_a_link_is_up() {
    let (mut members, ..) = setup();
    assert_eq!(members.refused_by(), None);
    members.on_refused(Refusal::Revoked);
    assert_eq!(members.refused_by(), Some(Refusal::Revoked));
    members.on_link_up(&owner(1));
    assert_eq!(members.refused_by(), None);
}
