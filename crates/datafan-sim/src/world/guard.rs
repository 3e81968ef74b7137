//! Rules that are checked after every step.

use super::content::Content;
use datafan_core::{hash::Hash, id::MemberId, item::Key, time::Timestamp};
use std::collections::BTreeMap;

/// Fails the test if a user's key that was readable at a member becomes unreadable there.
pub fn keeps_what_was_readable() -> impl FnMut(usize, &Content) {
    let mut seen: BTreeMap<usize, Vec<(MemberId, Key)>> = BTreeMap::new();
    move |member, content| {
        for (owner, key) in seen.entry(member).or_default().iter() {
            let still = content.items.contains_key(&(*owner, key.clone()));
            assert!(still, "m{member}: key {key} of {owner:?} was readable and is not");
        }
        let users = content.items.keys().filter(|(_, key)| !key.is_system());
        seen.insert(member, users.cloned().collect());
    }
}

/// Fails the test if the head of an owner goes back at a member, or changes at one timestamp.
pub fn heads_never_go_back() -> impl FnMut(usize, &Content) {
    let mut seen: BTreeMap<(usize, MemberId), Timestamp> = BTreeMap::new();
    move |member, content| {
        for (owner, (timestamp, _)) in &content.heads {
            let before = seen.insert((member, *owner), *timestamp).unwrap_or_default();
            assert!(
                before <= *timestamp,
                "m{member}: the head of {owner:?} went from {before} to {timestamp}"
            );
        }
    }
}

/// Fails the test if any reader, including the owner, ever reads two different items with one timestamp of
/// one owner.
pub fn uses_no_timestamp_twice() -> impl FnMut(usize, &Content) {
    let mut seen: BTreeMap<(MemberId, Timestamp), (Key, Hash)> = BTreeMap::new();
    move |member, content| {
        for ((owner, key), item) in &content.items {
            let found = (key.clone(), item.leaf_hash());
            let known = seen.entry((*owner, item.timestamp)).or_insert_with(|| found.clone());
            assert_eq!(*known, found, "m{member}: {owner:?} used timestamp {} twice", item.timestamp);
        }
    }
}
