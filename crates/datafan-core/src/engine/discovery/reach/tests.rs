use super::*;
use crate::rng::Rng;
use alloc::{collections::BTreeSet, vec::Vec};

const ME: usize = 0;
const N: usize = 9;

/// A small mesh; its reachability follows the wording of the rule.
struct Model {
    lists: BTreeMap<MemberId, Vec<MemberId>>,
    doubted: BTreeSet<MemberId>,
    kinds: Vec<Kind>,
    links: Vec<MemberId>,
    moved: Vec<MemberId>,
}

fn id(n: usize) -> MemberId {
    MemberId([n as u8; 32])
}

fn kind_in(kinds: &[Kind]) -> impl Fn(&MemberId) -> Kind {
    let kinds = kinds.to_vec();
    move |id| kinds[usize::from(id.0[0])]
}

impl Model {
    fn random(rng: &mut Rng) -> Self {
        let mut draw = |n: u64| rng.next() % n;
        let kinds = (0..N).map(|n| match draw(8) {
            0 if n != ME => Kind::Stranger,
            1 if n != ME => Kind::Reader,
            _ => Kind::Owner,
        });
        let kinds: Vec<Kind> = kinds.collect();
        let mut lists = BTreeMap::new();
        let sparse = 2 + draw(3);
        for lister in (0..N).filter(|n| *n != ME) {
            if draw(5) > 0 {
                let peers = (0..N).filter(|peer| *peer != lister && draw(sparse) == 0).map(id);
                lists.insert(id(lister), peers.collect());
            }
        }
        let mut some = |share: u64| (1..N).filter(|_| draw(share) == 0).map(id).collect::<Vec<_>>();
        let (links, moved, doubted) = (some(3), some(6), some(5).into_iter().collect());
        let links = links.into_iter().filter(|peer| kind_in(&kinds)(peer) != Kind::Stranger).collect();
        Self { lists, doubted, kinds, links, moved }
    }

    /// Whether an edge leads from one member to another.
    fn leads(&self, from: usize, to: usize) -> bool {
        let belongs = |n: usize| self.kinds[n] != Kind::Stranger;
        let lists = |a: usize, b: usize| {
            let list = self.lists.get(&id(a)).filter(|_| self.kinds[a] == Kind::Owner);
            list.is_some_and(|peers| !self.doubted.contains(&id(a)) && peers.contains(&id(b)))
        };
        let can_list = self.kinds[to] == Kind::Owner && self.lists.contains_key(&id(to));
        if from == ME {
            return self.links.contains(&id(to));
        }
        belongs(from) && belongs(to) && lists(from, to) && (lists(to, from) || !can_list)
    }

    fn reached(&self, begins: &[usize], gone: Option<usize>) -> BTreeSet<usize> {
        let mut reached: BTreeSet<usize> = begins.iter().copied().collect();
        for _ in 0..N {
            for from in reached.clone() {
                let more = (0..N).filter(|to| Some(*to) != gone && *to != ME && self.leads(from, *to));
                reached.extend(more.collect::<Vec<_>>());
            }
        }
        reached
    }

    fn reach(&self) -> Reach {
        let mut reach = Reach::new(id(ME), Timestamp(1));
        self.tell(&mut reach, Time(7));
        reach
    }

    fn tell(&self, reach: &mut Reach, now: Time) {
        self.lists.iter().for_each(|(lister, peers)| reach.list(lister, peers));
        self.doubted.iter().for_each(|peer| reach.on_down(peer));
        // A member whose head moves is not doubted any more, so the model's doubt comes afterwards.
        let moved = self.moved.iter().filter(|member| !self.doubted.contains(member));
        moved.for_each(|member| reach.on_moved(member, now));
    }
}

#[test]
fn reachability_follows_the_wording_of_the_rule() {
    let mut rng = Rng::new(3);
    let (mut n_reached, mut n_behind) = (0, 0);
    // Everything changes at every step, and nothing is left over.
    let mut used = Reach::new(id(ME), Timestamp(1));
    for round in 0..3_000 {
        let model = Model::random(&mut rng);
        let (mut reach, kind) = (model.reach(), kind_in(&model.kinds));
        reach.update_if_due(Time(8), Timestamp(9), &model.links, &kind);
        let moved = model.moved.iter().filter(|id| !model.doubted.contains(id));
        let moved = moved.map(|id| usize::from(id.0[0])).filter(|n| model.kinds[*n] != Kind::Stranger);
        let begins: Vec<usize> = [ME].into_iter().chain(moved).collect();
        let expected: Vec<MemberId> = model.reached(&begins, None).into_iter().map(id).collect();
        assert_eq!(reach.known.names(&reach.known.reached()), expected, "round {round}");
        n_reached += expected.len();
        (1..N).for_each(|n| used.forget(&id(n)));
        let now = Time(round * LOOK_MICROS);
        model.tell(&mut used, now);
        used.update_if_due(now, Timestamp(9), &model.links, &kind);
        assert_eq!(used.known.names(&used.known.reached()), expected, "round {round}");
        assert_eq!(used.now(now, &model.links, &kind), expected, "round {round}");
        assert_eq!(used.n_reachable() + 1, expected.len(), "round {round}");

        let joined = model.reached(&[ME], None);
        for n in 1..N {
            let behind = joined.contains(&n)
                && (1..N).any(|gone| gone != n && !model.reached(&[ME], Some(gone)).contains(&n));
            assert_eq!(reach.is_behind_one(&id(n)), behind, "round {round}, member {n}");
            n_behind += usize::from(behind);
        }
    }
    assert!(n_reached > 6_000 && n_behind > 1_000, "the model is not trivial: {n_reached}, {n_behind}");
}

const OWNERS: [Kind; N] = [Kind::Owner; N];

#[test]
fn a_head_that_moved_counts_for_a_minute() {
    let mut reach = Reach::new(id(ME), Timestamp(1));
    let look =
        |reach: &mut Reach, now: Time| reach.update_if_due(now, Timestamp(now.0), &[], kind_in(&OWNERS));
    look(&mut reach, Time(0));
    assert!(!reach.has_seen(&id(1)));
    reach.on_moved(&id(1), Time(SECOND));
    assert_eq!((reach.wakes_at(), reach.gone_since(&id(1), Timestamp(5))), (Time(LOOK_MICROS), Timestamp(1)));
    look(&mut reach, Time(LOOK_MICROS));
    assert!(reach.is_reachable(&id(1)));
    // Each head movement extends it, without another update.
    reach.on_moved(&id(1), Time(20 * SECOND));
    assert_eq!(reach.wakes_at(), Time(SECOND + MOVED_MICROS));
    look(&mut reach, Time(SECOND + MOVED_MICROS));
    assert!(reach.is_reachable(&id(1)));
    let end = Time(20 * SECOND + MOVED_MICROS);
    assert_eq!(reach.wakes_at(), end);
    look(&mut reach, end);
    assert!(!reach.is_reachable(&id(1)) && reach.has_seen(&id(1)) && !reach.has_seen(&id(2)));
    assert_eq!(reach.gone_since(&id(1), Timestamp(99)), Timestamp(end.0));
    assert_eq!(reach.wakes_at(), Time::NEVER, "nothing more to see");
}

#[test]
fn data_from_before_a_lost_link_does_not_count() {
    let mut reach = Reach::new(id(ME), Timestamp(1));
    reach.list(&id(1), &[id(ME), id(2)]);
    reach.list(&id(2), &[id(ME), id(1)]);
    let sees = |reach: &Reach, links: &[MemberId]| reach.now(Time(9), links, kind_in(&OWNERS)).len() - 1;
    reach.on_moved(&id(1), Time(8));
    assert_eq!(sees(&reach, &[id(1), id(2)]), 2);
    reach.on_down(&id(1));
    assert_eq!(sees(&reach, &[id(2)]), 1, "the lost peer's list and its head movement do not count");
    reach.on_moved(&id(1), Time(9));
    assert_eq!(sees(&reach, &[id(2)]), 2, "its head moved over another link");
    reach.on_down(&id(1));
    reach.on_up(&id(1));
    assert_eq!(sees(&reach, &[id(1)]), 2, "linked again: its list counts and leads to member 2");
}

#[test]
fn a_surplus_link_causes_no_doubt() {
    let mut reach = Reach::new(id(ME), Timestamp(1));
    reach.list(&id(1), &[id(ME), id(2)]);
    reach.list(&id(2), &[id(ME), id(1)]);
    reach.on_down(&id(1));
    reach.on_surplus(&id(1));
    reach.update_if_due(Time(9), Timestamp(9), &[id(2)], kind_in(&OWNERS));
    assert!(reach.is_reachable(&id(1)), "its list names the link to the other peer");
}

#[test]
fn a_link_counts_the_members_only_it_reaches() {
    let mut reach = Reach::new(id(ME), Timestamp(1));
    // Links: 0-1, 0-2, 1-2, 0-3 and 3-4.
    reach.list(&id(1), &[id(0), id(2)]);
    reach.list(&id(2), &[id(0), id(1)]);
    reach.list(&id(3), &[id(0), id(4)]);
    reach.list(&id(4), &[id(3)]);
    reach.on_moved(&id(3), Time(1));
    let links = [id(1), id(2), id(3)];
    let uses = reach.uses(&links, &links, kind_in(&OWNERS));
    let n_parted: Vec<usize> = uses.iter().map(|(_, used)| used.n_parted).collect();
    assert_eq!(n_parted, [0, 0, 2], "its head movement arrived over the link itself");
    reach.update_if_due(Time(9), Timestamp(9), &links, kind_in(&OWNERS));
    assert!(reach.is_behind_one(&id(4)) && !reach.is_behind_one(&id(3)) && !reach.is_behind_one(&id(1)));
    assert_eq!((reach.n_reachable(), reach.n_listed(&id(4)), reach.n_listed(&id(5))), (4, Some(1), None));
}
