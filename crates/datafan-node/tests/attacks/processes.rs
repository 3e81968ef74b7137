//! A28, A48, A49 with the binary as owner, victim and witness.

use crate::{
    attack::{Act, Facts, Fate},
    attacks,
    common::{Away, Member, TestDir},
    heads::shard,
    scene::{VIOLATIONS, fresh_key, shard_of},
    violator::Violator,
};
use datafan_core::{
    connector::Frame,
    head::Head,
    id::{MemberId, MeshId},
    identity::Identity,
    message::Message,
    read::Snapshot,
    store::{Store, StoreReader},
    time::Timestamp,
};
use datafan_node::Home;
use datafan_store_redb::{Options, RedbStore};
use datafan_testkit::shard::Shard;
use std::{
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Instant,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[test]
fn a28_what_a_peer_makes_up_is_refused_counted_and_named() {
    let place = TestDir::new();
    let mesh = Mesh::new(&place);
    let (victim, witness) = (mesh.victim.returns(), mesh.witness.returns());
    let mine = victim.put("mine", "mine");
    witness.waits_for("b", mine);
    for (name, key) in MADE_UP.into_iter().zip(&mesh.strangers) {
        let attack = attacks().find(|attack| attack.name == name).unwrap();
        let before = victim.refused(attack.counter);
        let facts = mesh.facts(key, &victim);
        let attacker = Attacker::meets(&facts, &victim);
        match attack.act {
            Act::Violates(violation) => attacker.does(move |violator| {
                violator.violation = violation;
                violator.tells_of(violator.facts.second.clone());
            }),
            Act::Says(say) => attacker.says(say(&facts)),
            Act::Greets(_) | Act::Runs(_) => unreachable!("{name} is of another kind"),
        }
        victim.waits(|status| status["refusals"][attack.counter].as_u64() > Some(before));
        assert!(attack.fate == Fate::BackedOff, "{name} is a violation");
        for member in [&victim, &witness] {
            assert_eq!(
                (member.get("a", "k00"), member.get("b", "mine")),
                ("honest".into(), "mine".into()),
                "{name}"
            );
        }
    }

    // Once the owner is there, all are equal at once, and the victim's shard has only its own data.
    let owner = mesh.owner.returns();
    witness.waits_for("b", victim.put("mine", "still"));
    [&victim, &witness].into_iter().for_each(|member| member.waits_for("a", mesh.second.head.timestamp.0));
    owner.waits(|_| owner.roots() == victim.roots() && owner.roots() == witness.roots());
    assert_eq!(witness.get("a", "k00"), "changed");
}

/// From the table: an altered item of another owner, under a head of its own; a head alone; and the victim's
/// own shard.
const MADE_UP: [&str; 4] = ["altered item of a range", "forged push", "forged owner", "own shard injected"];

#[test]
fn a48_a49_what_an_owner_may_not_sign_is_refused_once_and_no_relay_is_blamed() {
    let place = TestDir::new();
    let mesh = Mesh::new(&place);
    let (victim, witness) = (mesh.victim.returns(), mesh.witness.returns());
    let [relay, owner, ..] = &mesh.strangers;
    let facts = mesh.facts(relay, &victim);
    let relay = Attacker::meets(&facts, &victim);
    let id = owner.id().to_string();
    let good = later(&facts, owner, 1, &["good"], |_| {});
    relay.tells_of(&good);
    [&victim, &witness].into_iter().for_each(|member| member.waits_for(&id, good.head.timestamp.0));

    for (n, (counter, keys, says)) in FAULTS.into_iter().enumerate() {
        let before = victim.refused(counter);
        let bad = later(&facts, owner, 2 + n as u64, keys, says);
        relay.tells_of(&bad);
        victim.waits(|status| status["refusals"][counter].as_u64() > Some(before));
        // Announced repeatedly, it is neither fetched nor counted.
        let heard = relay.tells_again(bad.head);
        assert!(!heard.iter().any(|tag| ASKS.contains(tag)), "{heard:?}");
        assert_eq!(victim.refused(counter), before + 1, "{counter}");
        for member in [&victim, &witness] {
            assert_eq!(member.get(&id, "good"), "forged 0", "the last good one stays");
        }
        VIOLATIONS.iter().for_each(|violation| assert_eq!(victim.refused(violation), 0, "{violation}"));
    }
    assert_eq!(witness.refused("invalid_head") + witness.refused("over_quota"), 0, "nobody passes it on");

    let good = later(&facts, owner, 9, &["good again"], |_| {});
    relay.tells_of(&good);
    [&victim, &witness].into_iter().for_each(|member| member.waits_for(&id, good.head.timestamp.0));
}

/// The name of the refusal, the keys of the items, and what the head falsely declares.
type Fault = (&'static str, &'static [&'static str], fn(&mut Head));

const FAULTS: [Fault; 5] = [
    ("invalid_head", &["twice", "twice"], |_| {}),
    ("invalid_head", &["early", "late"], |head| head.timestamp.0 -= 1),
    ("invalid_head", &["one", "two"], |head| head.items += 1),
    ("invalid_head", &["one", "two"], |head| head.bytes -= 1),
    ("over_quota", &["one", "two"], |head| head.items = u64::MAX),
];

/// Tags of messages that request data: Pull, AskNodes, AskRanges.
const ASKS: [u8; 3] = [9, 13, 15];

/// A state of a shard, this many milliseconds after the last write of the mesh's founder.
fn later(facts: &Facts, owner: &Identity, millis: u64, keys: &[&str], says: fn(&mut Head)) -> Shard {
    let last = facts.second.head.timestamp.0 + 1_000 * millis;
    let mut state = shard(owner, facts, keys);
    state.items.iter_mut().for_each(|item| item.timestamp.0 += 1_000 * millis);
    let mut state = Shard::made(owner, &facts.mesh, Timestamp(last), state.items);
    says(&mut state.head);
    state.head = state.head.signed(&facts.mesh, owner);
    state
}

/// A founder, a member to attack and another one, none of which runs, and admitted keys. The others have not
/// seen the founder's last write.
struct Mesh {
    owner: Away,
    victim: Away,
    witness: Away,
    strangers: [Identity; 4],
    roster: Shard,
    first: Shard,
    second: Shard,
}

impl Mesh {
    fn new(place: &TestDir) -> Self {
        let a = place.founder("a");
        let (b, c) = (place.invited(&a, "b", &[]), place.invited(&a, "c", &[]));
        let strangers = MADE_UP.map(|_| fresh_key());
        for (n, key) in strangers.iter().enumerate() {
            assert_eq!(a.ask(&["admit", &key.id().to_string(), "--name", &format!("m{n}")]).code, 0);
        }
        let last = imports(place, &a, "honest", 0..40);
        for (member, other) in [(&b, "c"), (&c, "b")] {
            member.waits_for("a", last);
            member.waits_for(other, 1);
        }
        let (owner, victim, witness) = (a.leaves(), b.leaves(), c.leaves());
        let (first, roster) = shards(&owner);
        let a = owner.returns();
        imports(place, &a, "changed", 0..20);
        let owner = a.leaves();
        let second = shards(&owner).0;
        Self { owner, victim, witness, strangers, roster, first, second }
    }

    /// The knowledge of an attacker with `key`.
    fn facts(&self, key: &Identity, victim: &Member) -> Arc<Facts> {
        let home = Home::new(&self.owner.dir);
        let (owner_key, authority_key) =
            (home.member_key().unwrap().unwrap(), home.authority_key().unwrap().unwrap());
        Arc::new(Facts {
            mesh: MeshId(authority_key.id()),
            key: key.clone(),
            victim: victim.id().parse().unwrap(),
            owner: owner_key.id(),
            owner_key,
            authority_key,
            roster: self.roster.clone(),
            first: self.first.clone(),
            second: self.second.clone(),
        })
    }
}

/// Puts a value under many keys in one commit, and returns its timestamp.
pub fn imports(place: &TestDir, member: &Member, value: &str, keys: std::ops::Range<u8>) -> u64 {
    let row = |n| format!("{{\"key\":\"k{n:02}\",\"value\":\"{value}\"}}\n");
    let rows = place.file("rows.jsonl", keys.map(row).collect::<String>());
    member.ask(&["import", &rows, "--json"]).json()["timestamp"].as_u64().unwrap()
}

/// The founder's own shard, and the roster, from its store.
pub fn shards(owner: &Away) -> (Shard, Shard) {
    let home = Home::new(&owner.dir);
    let mesh = home.membership().unwrap().unwrap().mesh;
    let store = RedbStore::open(home.store_path(), Options::default()).unwrap();
    let snapshot = Snapshot::new(store.reader().snapshot().unwrap(), mesh, Timestamp::ZERO).with_system();
    let of = |id: MemberId| shard_of(&snapshot, &id);
    (of(home.member_key().unwrap().unwrap().id()), of(mesh.authority()))
}

/// An attacker on a separate thread: it continues while a scenario waits for processes.
pub struct Attacker {
    acts: Option<UnboundedSender<Deed>>,
    thread: Option<JoinHandle<()>>,
}

type Deed = Box<dyn FnOnce(&mut Violator) + Send>;

impl Attacker {
    /// Links, and is accepted.
    pub fn meets(facts: &Arc<Facts>, victim: &Member) -> Self {
        let (facts, address) = (facts.clone(), victim.address().into());
        let (sender, mut acts) = unbounded_channel::<Deed>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let mut violator = Violator::new(facts, address);
                violator.meets().await;
                while let Some(act) = violator.until(acts.recv()).await {
                    act(&mut violator);
                }
            });
        });
        let attacker = Self { acts: Some(sender), thread: Some(thread) };
        attacker.does(|_| ());
        attacker
    }

    pub fn does<T: Send + 'static>(&self, act: impl FnOnce(&mut Violator) -> T + Send + 'static) -> T {
        let (sender, done) = mpsc::channel();
        let act: Deed = Box::new(move |violator| sender.send(act(violator)).unwrap());
        assert!(self.acts.as_ref().unwrap().send(act).is_ok(), "the attacker has failed");
        done.recv().expect("it goes on")
    }

    pub fn says(&self, frames: Vec<Frame>) {
        self.does(|violator| frames.into_iter().for_each(|frame| violator.says(frame)));
    }

    fn tells_of(&self, shard: &Shard) {
        let shard = shard.clone();
        self.does(|violator| violator.tells_of(shard));
    }

    /// Announces a head several times, and returns the tags of the messages received until the last one was
    /// handled.
    fn tells_again(&self, head: Head) -> Vec<u8> {
        self.does(move |violator| {
            violator.heard.clear();
            (0..5).for_each(|_| violator.says(Message::Announce(vec![head]).frame()));
            violator.says(Message::AskHeads(Vec::new()).frame());
        });
        let until = Instant::now() + crate::PATIENCE;
        loop {
            let heard = self.does(|violator| violator.heard.clone());
            if heard.contains(&8) {
                return heard;
            }
            assert!(Instant::now() < until, "no answer in time");
            thread::yield_now();
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        drop(self.acts.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
