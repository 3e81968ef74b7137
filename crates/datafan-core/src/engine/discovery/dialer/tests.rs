use super::*;

const A: MemberId = MemberId([1; 32]);

fn place(name: &str) -> Endpoint {
    (None, name.into())
}

fn dialled(dialer: &mut Dialer, now: Time) -> Vec<Endpoint> {
    let mut dialled = Vec::new();
    dialer.step(now, &mut Rng::new(1), |place| dialled.push(place));
    dialled
}

#[test]
fn a_user_address_is_kept_after_success_without_a_member() {
    let (mut dialer, mut rng, now) = (Dialer::default(), Rng::new(1), Time(5));
    assert!(dialer.add_user(place("a")));
    let target = dialer.new_user().expect("it is dialled at once");
    dialer.begin(target.clone(), alloc::vec!["a".into()], Why::Minimum, now, &mut rng);
    assert_eq!(dialled(&mut dialer, now), [place("a")]);
    dialer.on_up(&A, Some(&"a".into()), now);
    dialer.on_ready(&A);
    assert_eq!((dialer.n_under_way(), dialer.new_user()), (0, None));
    assert_eq!(dialer.users().collect::<Vec<_>>(), [(&place("a"), Some(A))]);
    dialer.on_down(&A, None, "gone", now, &mut rng);
    assert!(!dialer.is_due(&target, now) && dialer.is_due(&target, now.after(WAIT_MICROS_MAX)));
}

#[test]
fn failures_wait_longer_and_are_forgotten_when_the_member_moves() {
    let (mut dialer, mut rng, mut now) = (Dialer::default(), Rng::new(1), Time(5));
    let target = Target::Member(A);
    for wait in [250, 500, 1_000, 2_000] {
        dialer.begin(target.clone(), alloc::vec!["a".into()], Why::Minimum, now, &mut rng);
        assert_eq!(dialled(&mut dialer, now).len(), 1);
        dialer.on_failed(&(Some(A), "a".into()), "no answer", now, &mut rng);
        assert_eq!(dialer.n_under_way(), 0);
        assert!(!dialer.is_due(&target, now.after(wait * MILLI / 2)));
        now = now.after(wait * MILLI * 2);
        assert!(dialer.is_due(&target, now));
    }
    dialer.on_failed(&(Some(A), "a".into()), "late", now, &mut rng);
    dialer.on_down(&MemberId([9; 32]), None, "a stranger leaves no entry", now, &mut rng);
    assert_eq!(dialer.members.len(), 1);
    dialer.on_down(&A, None, "gone", now, &mut rng);
    assert!(!dialer.is_due(&target, now.after(SECOND)));
    dialer.on_moved(&A);
    assert!(dialer.is_due(&target, now));
}

#[test]
fn a_postponed_member_gets_no_slow_dial_at_a_user_address() {
    let (mut dialer, now) = (Dialer::default(), Time(5));
    assert!(dialer.add_user(place("a")) && dialer.add_user(place("b")));
    dialer.on_up(&A, Some(&"a".into()), now);
    dialer.on_ready(&A);
    dialer.postpone_slow_dial(&A, now.after(SECOND));
    let (member, user) = (Target::Member(A), Target::User(place("a")));
    for target in [&member, &user] {
        assert!(!dialer.may_dial_slowly(target, now) && dialer.is_due(target, now));
        assert!(dialer.may_dial_slowly(target, now.after(SECOND)));
    }
    assert!(dialer.may_dial_slowly(&Target::User(place("b")), now), "another member may have this address");
}

#[test]
fn there_is_a_limit_of_user_addresses() {
    let mut dialer = Dialer::default();
    for n in 0..USER_ADDRESSES_MAX {
        assert!(dialer.add_user(place(&alloc::format!("m{n}"))));
    }
    assert!(!dialer.add_user(place("one more")) && dialer.add_user(place("m0")));
}

#[test]
fn lost_links_are_dialled_one_at_a_time() {
    let (mut dialer, mut rng, now) = (Dialer::default(), Rng::new(1), Time(5));
    let b = MemberId([2; 32]);
    dialer.on_lost(&A, now, &mut rng);
    dialer.on_lost(&b, now, &mut rng);
    let now = now.after(2 * SECOND);
    let first = dialer.due_lost(now).expect("both are due");
    dialer.begin(Target::Member(first), alloc::vec!["x".into()], Why::Lost, now, &mut rng);
    assert_eq!((dialer.due_lost(now), dialled(&mut dialer, now).len()), (None, 1));
    dialer.on_failed(&(Some(first), "x".into()), "no answer", now, &mut rng);
    let second = dialer.due_lost(now).expect("the other one");
    assert_ne!(first, second);
    dialer.on_ready(&second);
    assert_eq!(dialer.due_lost(now), None, "the first one waits");
}

#[test]
fn a_short_link_counts_as_a_failed_dial() {
    let (mut dialer, mut rng, mut now) = (Dialer::default(), Rng::new(1), Time(5));
    let target = Target::Member(A);
    dialer.remember(&A);
    let end = |dialer: &mut Dialer, rng: &mut Rng, now: Time, up_micros: u64| {
        dialer.on_ready(&A);
        dialer.on_down(&A, Some(up_micros), "replaced", now, rng);
        dialer.on_lost(&A, now, rng);
    };
    for wait in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        end(&mut dialer, &mut rng, now, 4 * SECOND);
        let early = now.after(wait * MILLI / 2);
        assert!(!dialer.is_due(&target, early) && dialer.due_lost(early).is_none(), "{wait} ms");
        now = now.after(wait.max(1_000) * MILLI * 2);
        assert!(dialer.is_due(&target, now) && dialer.due_lost(now).is_some(), "{wait} ms");
    }
    // A little longer than the other's pause: still not long enough.
    end(&mut dialer, &mut rng, now, 30 * SECOND);
    assert!(!dialer.is_due(&target, now.after(10 * SECOND)));
    end(&mut dialer, &mut rng, now, 61 * SECOND);
    assert!(dialer.is_due(&target, now.after(SECOND)), "it lasted");
}
