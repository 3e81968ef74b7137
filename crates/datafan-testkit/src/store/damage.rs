//! The check of a store finds each kind of damage in its place.

use super::{
    medium::Medium,
    sound::{SHARD, Sound},
};
use datafan_core::{
    hash::Hash,
    head::Head,
    identity::Strict,
    item::{Item, Key},
    store::{Batch, Durability, HeldTombstones, ShardChange, ShardRecord, Store, StoreReader},
    time::Timestamp,
    verify::{Damage, Finding, Verified, verify},
};
use std::ops::RangeInclusive;

const ALL: RangeInclusive<Timestamp> = Timestamp::ZERO..=Timestamp::MAX;

/// Writes a valid shard, damages it in each way, one after another, and checks the findings.
pub fn is_found_where_it_is<M: Medium>(medium: &M) {
    let sound = Sound::new();
    let mut store = medium.open().unwrap();
    let (nothing, sums) = sound.found(&mut store, ShardChange::default());
    let bytes = sound.items.iter().map(|item| item.bytes()).sum();
    let nodes = sound.nodes.len() as u64;
    assert_eq!(
        (nothing, sums),
        (Vec::new(), Verified { shards: 1, items: 700, bytes, nodes, signatures: 1 })
    );

    let [first, other] = [&sound.items[20], &sound.items[301]];
    let (at, key) = (first.timestamp, &first.key);
    let altered = Item { value: (*b"altered").into(), ..(**first).clone() };
    let row = |row| ShardChange { log: [(at, row)].into(), ..ShardChange::default() };
    sound.spoilt(&mut store, row(Some(altered.clone().into())), &[(at..=at, Damage::Item)]);
    sound.spoilt(&mut store, row(None), &[(at..=at, Damage::Item), (at..=at, Damage::Key)]);

    let late = sound.items[699].timestamp.next().unwrap();
    for stray in [Timestamp(5), at.next().unwrap(), late] {
        let item = Item { timestamp: stray, key: Key::new("stray").unwrap(), ..altered.clone() };
        let change = ShardChange { log: [(stray, Some(item.into()))].into(), ..ShardChange::default() };
        sound.spoilt(&mut store, change, &[(stray..=stray, Damage::Stray)]);
    }

    let leads = |key: &Key, at| ShardChange { keys: [(key.clone(), at)].into(), ..ShardChange::default() };
    let there = other.timestamp;
    let both = [(at..=at, Damage::Key), (there..=there, Damage::Key)];
    sound.spoilt(&mut store, leads(key, Some(there)), &both);
    sound.spoilt(&mut store, leads(key, None), &both[..1]);
    sound.spoilt(&mut store, leads(&Key::new("stray").unwrap(), Some(at)), &both[..1]);

    for node in sound.nodes.values().flatten() {
        let mut altered = node.clone();
        altered.children[0].hash = Hash([7; 32]);
        let within = Timestamp(node.place.first())..=Timestamp(node.place.last());
        for row in [None, Some(altered)] {
            let change = ShardChange { nodes: [(node.place, row)].into(), ..ShardChange::default() };
            sound.spoilt(&mut store, change, &[(within.clone(), Damage::Node)]);
        }
    }

    let head = sound.head();
    let says = |head| {
        let record = ShardRecord::whole(head, Some(sound.root), HeldTombstones::default());
        ShardChange { record: Some(record.into()), ..ShardChange::default() }
    };
    let forged = Head { items: 701, ..head };
    sound.spoilt(&mut store, says(forged), &[(ALL, Damage::Signature)]);
    let signed = forged.signed(&sound.mesh, &sound.owner);
    sound.spoilt(&mut store, says(signed), &[(ALL, Damage::Head)]);
    store.close().unwrap();
}

impl Sound {
    /// The findings in the valid shard with `change` applied. Afterwards the rows of `change` are removed or
    /// restored.
    fn found<S: Store>(&self, store: &mut S, change: ShardChange) -> (Vec<Finding>, Verified) {
        let mut write = |change| {
            let batch = Batch { shards: [(SHARD, change)].into(), ..Batch::default() };
            store.commit(batch, Durability::Lazy).unwrap();
        };
        let mut undone = self.rows();
        for at in change.log.keys() {
            undone.log.entry(*at).or_insert(None);
        }
        for key in change.keys.keys() {
            undone.keys.entry(key.clone()).or_insert(None);
        }
        write(self.rows());
        write(change);
        let mut found = Vec::new();
        let snapshot = store.reader().snapshot().unwrap();
        let sums = verify(&snapshot, SHARD, &self.mesh, &Strict, &mut |finding| found.push(finding)).unwrap();
        drop(snapshot);
        let batch = Batch { shards: [(SHARD, undone)].into(), ..Batch::default() };
        store.commit(batch, Durability::Lazy).unwrap();
        (found, sums)
    }

    fn spoilt<S: Store>(
        &self,
        store: &mut S,
        change: ShardChange,
        expected: &[(RangeInclusive<Timestamp>, Damage)],
    ) {
        let owner = self.owner.id();
        let expected: Vec<Finding> = expected
            .iter()
            .map(|(range, what)| Finding { owner, range: range.clone(), what: what.clone() })
            .collect();
        assert_eq!(self.found(store, change).0, expected);
    }
}
