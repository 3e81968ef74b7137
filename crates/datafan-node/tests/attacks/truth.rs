//! The actual states of the owner, and guards that compare everything that a member shows with them.

use datafan_core::{engine::Write, identity::Strict, item::Item, time::Timestamp};
use datafan_node::Node;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::Mutex, task::JoinHandle};

/// Every state that the owner's shard ever had, as readers see it.
pub struct Truth {
    owner: Node,
    /// By the timestamp of its head. Locked while the owner writes, so that no state is visible before it is
    /// recorded.
    states: Mutex<BTreeMap<Timestamp, Vec<Item>>>,
}

impl Truth {
    pub fn new(owner: Node) -> Self {
        Self { owner, states: Mutex::default() }
    }

    /// The owner writes. Returns the timestamp of the last write.
    pub async fn writes(&self, writes: Vec<Write>) -> Timestamp {
        let mut states = self.states.lock().await;
        let timestamp = self.owner.commit(writes).await.unwrap().timestamp;
        states.insert(timestamp, visible(&self.owner, &self.owner).1);
        timestamp
    }

    /// Checks that `member` shows, item by item, a state that the owner had, and nobody else's items.
    pub async fn check(&self, member: &Node) -> Timestamp {
        let (timestamp, shown) = visible(member, &self.owner);
        let states = self.states.lock().await;
        match states.range(..=timestamp).next_back() {
            // System writes of the owner, such as its links, do not change what is shown.
            Some((_, state)) => assert_eq!(shown, *state, "a wrong read at {member:?}"),
            // The owner's address was its first write.
            None => assert!(shown.is_empty(), "{member:?} shows what was never written: {shown:?}"),
        }
        timestamp
    }
}

/// The items of the owner that `member` shows, and their state; there must be no items of others.
fn visible(member: &Node, owner: &Node) -> (Timestamp, Vec<Item>) {
    let snapshot = member.snapshot().unwrap();
    let head = snapshot.head(&owner.id()).unwrap();
    assert!(head.is_none_or(|head| head.verify(&owner.mesh(), &Strict)), "{member:?} has a head of nobody");
    let entries: Vec<_> = snapshot.all().map(|entry| entry.unwrap()).collect();
    for entry in &entries {
        assert_eq!(entry.owner, owner.id(), "{member:?} shows {:?}", entry.item);
    }
    let items = entries.into_iter().map(|entry| (*entry.item).clone()).collect();
    (head.map_or(Timestamp::ZERO, |head| head.timestamp), items)
}

/// Checks a member after each of its changes.
pub struct Guard(JoinHandle<()>);

impl Guard {
    pub fn new(member: Node, truth: Arc<Truth>) -> Self {
        Self(tokio::spawn(async move {
            let (mut changes, mut last) = (member.changes(), Timestamp::ZERO);
            loop {
                let now = truth.check(&member).await;
                assert!(last <= now, "{member:?} went back from {last:?} to {now:?}");
                last = now;
                if changes.changed().await.is_err() {
                    return;
                }
            }
        }))
    }

    /// Fails if it has seen an error.
    pub fn ends(self) {
        assert!(!self.0.is_finished(), "a wrong read, see above");
        self.0.abort();
    }
}
