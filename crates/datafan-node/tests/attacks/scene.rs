//! The honest mesh around an attacker: an owner, the victim, and a witness that knows only the victim.

use crate::{
    attack::{Attack, Facts, Fate, Stage, Who},
    truth::{Guard, Truth},
    violator::Violator,
};
use datafan_core::{
    connector::Address,
    engine::{Config, Disposition, OwnState, Rejection, Standing, Status, Write},
    hash::Hash,
    id::{MemberId, MeshId},
    identity::Identity,
    item::Key,
    message::Message,
    read::Snapshot,
    store::StoreSnapshot,
    time::Timestamp,
};
use datafan_node::{Bootstrap, Builder, Node, NodeSnapshot};
use datafan_testkit::shard::Shard;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

/// A mesh, with an attacker of its victim.
pub struct Scene {
    pub owner: Node,
    pub victim: Node,
    pub witness: Node,
    pub violator: Violator,
    pub facts: Arc<Facts>,
    truth: Arc<Truth>,
    guards: Vec<Guard>,
    /// The victim's refusals when the attack began.
    before: BTreeMap<Rejection, u64>,
    _directory: TempDir,
}

impl Scene {
    /// Everything up to the start of the attack; the attacker has no link yet, unless its victim is behind.
    pub async fn new(attack: &Attack) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let begins = Bootstrap::NewMesh { name: "alpha".parse().unwrap() };
        let owner = builder(&directory, "alpha").bootstrap(begins).start().await.unwrap();
        let victim = joiner(&directory, "beta", owner.mesh()).start().await.unwrap();
        let at_victim = (address(&victim), Some(victim.id()));
        let witness = joiner(&directory, "gamma", owner.mesh()).connect(at_victim.0, at_victim.1);
        let witness = witness.start().await.unwrap();

        let key = fresh_key();
        let truth = Arc::new(Truth::new(owner.clone()));
        admit(&owner, &key, &[&victim, &witness], attack.who).await;
        let facts = Arc::new(facts(&owner, &victim, key, &truth).await);
        let guards = [&victim, &witness].map(|member| Guard::new(member.clone(), truth.clone())).into();
        let violator = Violator::new(facts.clone(), address(&victim));
        let (before, _directory) = (BTreeMap::new(), directory);
        let mut scene = Self { owner, victim, witness, violator, facts, truth, guards, before, _directory };
        scene.sets(attack.stage).await;
        scene.before = scene.status().await.refusals;
        scene
    }

    /// The owner writes, and all except the attacker get it.
    pub async fn owner_writes(&mut self, writes: Vec<Write>) {
        let timestamp = self.truth.writes(writes).await;
        self.holds(self.facts.owner, timestamp).await;
    }

    async fn sets(&mut self, stage: Stage) {
        let (first, second) = (self.facts.first.head.timestamp, self.facts.second.head.timestamp);
        match stage {
            Stage::New => {}
            Stage::Behind => {
                self.meets().await;
                self.violator.tells_of(self.facts.first.clone());
                self.holds(self.facts.owner, first).await;
            }
            Stage::Linked => {
                self.links_owner().await;
                self.holds(self.facts.owner, second).await;
            }
        }
    }

    /// The victim accepts the attacker and the witness.
    pub async fn meets(&mut self) {
        self.violator.meets().await;
        let witness = self.witness.clone();
        self.violator.until(soon(&self.witness, async move { witness.wait_links(1).await })).await;
    }

    /// Victim and witness hold the shard of `owner` as of `timestamp`.
    pub async fn holds(&mut self, owner: MemberId, timestamp: Timestamp) {
        for member in [self.victim.clone(), self.witness.clone()] {
            self.violator.until(soon(&member, member.wait_for(owner, timestamp))).await;
        }
    }

    pub async fn links_owner(&mut self) {
        self.victim.connect(address(&self.owner), Some(self.owner.id())).await.unwrap();
    }

    pub async fn status(&mut self) -> Status {
        self.victim.status().await.unwrap()
    }

    /// Waits until the victim has counted `name` once more than before the attack.
    pub async fn counts(&mut self, name: &'static str) {
        let before = self.before.get(name).copied().unwrap_or(0);
        let victim = self.victim.clone();
        let counted = eventually(name, || async {
            let refusals = victim.status().await.unwrap().refusals;
            let counted = refusals.get(name).copied().unwrap_or(0) > before;
            if counted { Ok(()) } else { Err(format!("{refusals:?}")) }
        });
        self.violator.until(counted).await;
    }

    /// Checks the expected fate of the attacker.
    pub async fn treats(&mut self, fate: Fate) {
        match fate {
            Fate::BackedOff => self.ignores().await,
            Fate::ClosedAndBackedOff => {
                if self.violator.met {
                    self.violator.sees_down().await;
                }
                self.violator.links().await;
                self.violator.greets();
                self.counts("penalized").await;
                self.violator.sees_down().await;
            }
            Fate::Closed => drop(self.violator.sees_down().await),
            Fate::Heard => {
                if !self.violator.met {
                    self.violator.meets().await;
                }
                self.violator.says(Message::Announce(Vec::new()).frame());
                self.violator.is_answered().await;
                let refusals = self.status().await.refusals;
                let blamed = VIOLATIONS.iter().find(|violation| refusals.contains_key(**violation));
                assert_eq!(blamed, None, "{refusals:?}");
            }
        }
    }

    /// Announcements of the attacker are ignored.
    async fn ignores(&mut self) {
        self.violator.says(Message::Announce(Vec::new()).frame());
        self.counts("penalized").await;
    }

    /// The victim meets the owner; all end equal, and everything that was read was correct.
    pub async fn ends_well(mut self) {
        self.links_owner().await;
        self.truth.writes(vec![put("last", "word")]).await;
        let members = [self.owner.clone(), self.victim.clone(), self.witness.clone()];
        let equal = eventually("equal members", || async {
            let mut states = Vec::new();
            for member in &members {
                states.push(state(member).await);
            }
            let equal = states.iter().all(|state| *state == states[0]);
            if equal { Ok(()) } else { Err(format!("{states:#?}")) }
        });
        self.violator.until(equal).await;
        for member in [&self.victim, &self.witness] {
            let Status { standing, own, .. } = member.status().await.unwrap();
            assert_eq!((standing, own), (Standing::Up, OwnState::Confirmed), "it belongs and can write");
            self.truth.check(member).await;
            assert_eq!(items(member), items(&self.owner));
        }
        self.guards.drain(..).for_each(Guard::ends);
        let mut stops = tokio::task::JoinSet::new();
        for member in [self.victim, self.witness, self.owner] {
            stops.spawn(async move { member.stop().await.unwrap() });
        }
        stops.join_all().await;
    }
}

/// The owner's shard at two moments, and the roster.
async fn facts(owner: &Node, victim: &Node, key: Identity, truth: &Truth) -> Facts {
    let mut writes: Vec<Write> = (0..40).map(|n| put(&format!("k{n:02}"), &format!("value {n}"))).collect();
    writes.push(put("dead", "not any more"));
    truth.writes(writes).await;
    let tombstones = vec![(truth.writes(vec![delete("dead")]).await, Key::new("dead").unwrap())];
    let first = shard_of(&snapshot(owner), &owner.id()).with(tombstones.clone());
    let gone = (truth.writes(vec![delete("k01")]).await, Key::new("k01").unwrap());
    // Enough items for nodes of different sizes.
    truth.writes((0..40).step_by(2).map(|n| put(&format!("k{n:02}"), "changed")).collect()).await;
    truth.writes((0..5).map(|n| put(&format!("n{n}"), "new")).collect()).await;
    let second = shard_of(&snapshot(owner), &owner.id()).with([tombstones, vec![gone]].concat());
    let (mesh, home) = (owner.mesh(), owner.home());
    Facts {
        mesh,
        key,
        victim: victim.id(),
        owner: owner.id(),
        owner_key: home.member_key().unwrap().unwrap(),
        authority_key: home.authority_key().unwrap().unwrap(),
        roster: shard_of(&snapshot(owner), &mesh.authority()),
        first,
        second,
    }
}

fn snapshot(member: &Node) -> NodeSnapshot {
    member.snapshot().unwrap().with_system()
}

/// The shard of `owner`, from a snapshot that shows all of it.
pub fn shard_of<V: StoreSnapshot>(snapshot: &Snapshot<V>, owner: &MemberId) -> Shard {
    let head = snapshot.head(owner).unwrap().unwrap();
    Shard::new(head, snapshot.items_of(owner).map(|entry| (*entry.unwrap().item).clone()).collect())
}

async fn admit(owner: &Node, key: &Identity, members: &[&Node], who: Who) {
    let mut names: Vec<_> = members.iter().map(|member| member.id()).zip(["beta", "gamma"]).collect();
    if who != Who::Stranger {
        names.push((key.id(), "mallory"));
    }
    for (id, name) in names {
        owner.admit(id, name.parse().unwrap()).await.unwrap();
    }
    if who == Who::Revoked {
        owner.revoke(key.id(), Disposition::Drop).await.unwrap();
    }
}

/// What is compared: each owner's head, root and state.
async fn state(member: &Node) -> Vec<(MemberId, Timestamp, Hash)> {
    let shards = member.status().await.unwrap().shards;
    shards.iter().map(|shard| (shard.owner, shard.timestamp, shard.root)).collect()
}

fn items(member: &Node) -> Vec<(MemberId, datafan_core::item::Item)> {
    let snapshot = member.snapshot().unwrap().with_system();
    let entries = snapshot.all().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.owner, (*entry.item).clone())).collect()
}

fn builder(directory: &TempDir, name: &str) -> Builder {
    let builder = Node::builder(directory.path().join(name)).listen(([127, 0, 0, 1], 0).into());
    builder.cache_bytes(4 << 20).round_period(Duration::from_millis(100)).configure(quick)
}

/// A member that joins with a roster from now on, like with a ticket.
fn joiner(directory: &TempDir, name: &str, mesh: MeshId) -> Builder {
    let begins = Bootstrap::Join { mesh, name: name.parse().unwrap() };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp(now.as_micros().try_into().unwrap());
    builder(directory, name).bootstrap(begins).configure(move |config| config.roster_min = now)
}

/// Only the test makes links, and timeouts are short.
fn quick(config: &mut Config) {
    config.links_min = 0;
    config.grace_micros = 20_000;
    config.request_micros = 1_000_000;
}

/// A key that belongs to nobody.
pub fn fresh_key() -> Identity {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).unwrap();
    Identity::from_secret(&secret)
}

fn address(member: &Node) -> Address {
    member.local_addrs()[0].to_string().into()
}

pub fn put(key: &str, value: &str) -> Write {
    Write::Put { key: Key::new(key).unwrap(), value: value.as_bytes().into(), expiry: None }
}

fn delete(key: &str) -> Write {
    Write::Delete { key: Key::new(key).unwrap() }
}

/// Waits with a timeout that a loaded machine does not reach.
async fn soon<T>(member: &Node, future: impl Future<Output = Result<T, datafan_driver::WaitError>>) -> T {
    member.timeout(crate::PATIENCE, future).await.unwrap()
}

/// Polls until the condition holds; returns the last answer if it does not in time.
async fn eventually<F: Future<Output = Result<(), String>>>(what: &str, mut ask: impl FnMut() -> F) {
    let end = tokio::time::Instant::now() + crate::PATIENCE;
    while let Err(found) = ask().await {
        assert!(tokio::time::Instant::now() < end, "no {what}: {found}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Refusals after which the announcing peer is backed off.
pub const VIOLATIONS: [&str; 7] =
    ["malformed", "signature", "node", "range", "wrong_answer", "frame", "penalized"];
