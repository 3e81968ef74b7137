//! A56 with the binary: a member that repeatedly requests an old state of an owner that overwrites
//! everything.

use crate::{
    attack::Facts,
    common::{Member, TestDir, api::Api},
    processes::{Attacker, imports, shards},
    scene::fresh_key,
};
use datafan_core::{
    hash::Hash,
    id::MeshId,
    message::{Ask, Message, Request},
    trie::Place as Slot,
};
use datafan_node::Home;
use std::{fs, os::unix::fs::MetadataExt, sync::Arc};

const KEYS: usize = 2_000;
const KEYS_PER_COMMIT: usize = 100;
const VALUE_BYTES: usize = 8_192;
const ROUNDS: usize = 6;
/// The tag of Nodes: an answer from the requested state.
const NODES: u8 = 14;

#[test]
fn a56_who_asks_for_an_old_state_again_and_again_does_not_make_the_file_grow() {
    let without = {
        let place = TestDir::new();
        let owner = place.founder("a");
        overwrite(&owner, || {})
    };
    let place = TestDir::new();
    let a = place.founder("a");
    let key = fresh_key();
    assert_eq!(a.ask(&["admit", &key.id().to_string(), "--name", "mallory"]).code, 0);
    imports(&place, &a, "first", 0..40);
    let away = a.leaves();
    let (first, roster) = shards(&away);
    let owner = away.returns();
    let home = Home::new(&away.dir);
    let (owner_key, authority_key) =
        (home.member_key().unwrap().unwrap(), home.authority_key().unwrap().unwrap());
    let facts = Arc::new(Facts {
        mesh: MeshId(authority_key.id()),
        key,
        victim: owner_key.id(),
        owner: owner_key.id(),
        owner_key,
        authority_key,
        roster,
        first: first.clone(),
        second: first,
    });
    let attacker = Attacker::meets(&facts, &owner);
    let mut states = vec![facts.first.head.root];
    let with = overwrite(&owner, || {
        // As long as it is served, the same state; then the announced one.
        states.extend(attacker.does(|violator| violator.moved.take()).map(|head| head.root));
        let root = *states.last().unwrap();
        attacker.says(vec![asks(&facts, root)]);
    });
    let served = attacker.does(|violator| violator.heard.iter().filter(|tag| **tag == NODES).count());
    println!("without {without}, with {with} bytes; {served} answers, {} states", states.len());
    assert!(with <= without * 3 / 2, "{with} bytes with the attacker, {without} without");
    assert!(served > states.len() && states.len() > 1, "{served} answers of {} states", states.len());
}

fn asks(facts: &Facts, root: Hash) -> datafan_core::connector::Frame {
    let slots = vec![Ask { slot: Slot::ALL, hash: root, hints: None }];
    Message::AskNodes(Request { id: 1, owner: facts.owner, root, slots }).frame()
}

/// Overwrites everything several times; returns the maximum size of the file.
fn overwrite(owner: &Member, mut between: impl FnMut()) -> u64 {
    let mut api = Api::open(&owner.dir).unwrap();
    let path = Home::new(&owner.dir).store_path();
    let mut most = 0;
    for round in 0..ROUNDS {
        for first in (0..KEYS).step_by(KEYS_PER_COMMIT) {
            between();
            let value = |n| char::from(b'a' + ((n + round) % 26) as u8).to_string().repeat(VALUE_BYTES);
            let rows: Vec<_> =
                (first..first + KEYS_PER_COMMIT).map(|n| (format!("key/{n}"), value(n))).collect();
            assert_eq!(api.put(&rows).unwrap().status, 200);
            // The file has holes, so its length is not its size.
            most = most.max(fs::metadata(&path).unwrap().blocks() * 512);
        }
    }
    most
}
