//! Coalesces waiting pushes of one owner into one delta, so that only the last head is verified and relayed.
//! If that delta does not apply, each push is handled by itself.

use super::input::Input;
use crate::{
    id::MemberId,
    item::{Item, Key},
    limits::PUSH_BYTES_MAX,
    message::{Delta, Message, encode_delta},
    time::Timestamp,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::{IntoIter, Vec},
};

/// Bytes before the owner in a pushed message: version, tag and the head's format.
const OWNER_AT: usize = 3;
/// End of the owner in a pushed message.
const OWNER_ENDS: usize = OWNER_AT + 32;

/// The inputs directly after `first` that are pushes of the same owner from the same peer, up to the size of
/// one push in total.
pub(super) fn following(first: &Input, inputs: &mut IntoIter<Input>) -> Vec<Arc<[u8]>> {
    let Input::Message { from, bytes } = first else { return Vec::new() };
    if !is_push(bytes) {
        return Vec::new();
    }
    let (mut pushes, mut len) = (Vec::new(), bytes.len());
    let mut follows = |input: &Input| {
        let Input::Message { from: other, bytes: next } = input else { return false };
        len += next.len();
        from == other && is_push_of_same(bytes, next) && len <= PUSH_BYTES_MAX
    };
    while inputs.as_slice().first().is_some_and(&mut follows) {
        if let Some(Input::Message { bytes, .. }) = inputs.next() {
            pushes.push(bytes);
        }
    }
    pushes
}

fn is_push(bytes: &[u8]) -> bool {
    bytes.len() > OWNER_ENDS && bytes[1] == PUSH
}

/// Whether two messages are pushes of the same owner.
fn is_push_of_same(one: &[u8], other: &[u8]) -> bool {
    is_push(other) && one[..OWNER_ENDS] == other[..OWNER_ENDS]
}

/// The tag of a push.
const PUSH: u8 = 4;

/// The push that combines these, with its owner and the timestamp of its head; `None` unless each push starts
/// where the previous one ends.
pub(super) fn combined(pushes: &[Arc<[u8]>]) -> Option<(Arc<[u8]>, MemberId, Timestamp)> {
    let mut whole = Whole::default();
    let (mut base, mut last) = (None, None);
    for bytes in pushes {
        let Ok(Message::Push(delta)) = Message::decode(bytes) else { return None };
        if last.is_some_and(|last: crate::head::Head| last.timestamp != delta.base) {
            return None;
        }
        base = base.or(Some(delta.base));
        last = Some(delta.head);
        whole.add(&delta)?;
    }
    let (base, head) = (base?, last?);
    let (items, tombstones) = whole.into_parts();
    let body = encode_delta(base, &items, &tombstones);
    let bytes = Message::Push(Delta::new(head, base, &body)).encode();
    Some((bytes.into(), head.owner, head.timestamp))
}

/// The combination of consecutive deltas.
#[derive(Default)]
struct Whole {
    items: BTreeMap<Key, Item>,
    tombstones: BTreeSet<(Timestamp, Key)>,
}

impl Whole {
    fn add(&mut self, delta: &Delta<'_>) -> Option<()> {
        let (items, tombstones) = delta.contents().ok()?;
        // The next delta starts at the head, so no item may be later.
        let late = items.last().is_some_and(|item| item.timestamp > delta.head.timestamp);
        if late || delta.head.timestamp <= delta.base {
            return None;
        }
        for (at, key) in tombstones {
            if self.items.get(&key).is_some_and(|item| item.timestamp < at) {
                self.items.remove(&key);
            }
            self.tombstones.insert((at, key));
        }
        for item in items {
            self.items.insert(item.key.clone(), item);
        }
        Some(())
    }

    /// Items and tombstones in the order of a delta. A tombstone of a key that has an item again is dropped.
    fn into_parts(self) -> (Vec<Item>, Vec<(Timestamp, Key)>) {
        let tombstones =
            self.tombstones.into_iter().filter(|(_, key)| !self.items.contains_key(key)).collect();
        let mut items: Vec<Item> = self.items.into_values().collect();
        items.sort_unstable_by_key(|item| item.timestamp);
        (items, tombstones)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash::Hash, head::Head, rng::Rng};
    use alloc::{format, vec};

    /// Compares combined deltas with deltas applied one after another to a map.
    #[test]
    fn combined_deltas_have_the_effect_of_single_ones() {
        let mut rng = Rng::new(7);
        for _ in 0..500 {
            let (mut whole, mut plain, mut dead) = (Whole::default(), BTreeMap::new(), BTreeSet::new());
            let mut now = 10;
            for _ in 0..1 + rng.next() % 5 {
                let base = now;
                let (mut items, mut tombstones) = (BTreeMap::new(), BTreeMap::new());
                for _ in 0..1 + rng.next() % 6 {
                    now += 1;
                    let key = Key::new(format!("k{}", rng.next() % 4)).unwrap();
                    items.remove(&key);
                    tombstones.remove(&key);
                    if rng.next().is_multiple_of(2) {
                        items.insert(key.clone(), item(&key, now));
                        plain.insert(key.clone(), now);
                        dead.remove(&key);
                    } else {
                        tombstones.insert(key.clone(), Timestamp(now));
                        plain.remove(&key);
                        dead.insert(key);
                    }
                }
                let mut items: Vec<Item> = items.into_values().collect();
                items.sort_by_key(|item| item.timestamp);
                let mut tombstones: Vec<_> = tombstones.into_iter().map(|(key, at)| (at, key)).collect();
                tombstones.sort();
                let body = encode_delta(Timestamp(base), &items, &tombstones);
                whole.add(&Delta::new(head(now), Timestamp(base), &body)).unwrap();
            }
            let (items, tombstones) = whole.into_parts();
            let found: BTreeMap<_, _> = items.into_iter().map(|item| (item.key, item.timestamp.0)).collect();
            assert_eq!(found, plain);
            assert_eq!(tombstones.into_iter().map(|(_, key)| key).collect::<BTreeSet<_>>(), dead);
        }
    }

    #[test]
    fn deltas_with_gaps_are_not_combined() {
        let key = Key::new("k").unwrap();
        let push = |base, at, until| {
            let body = encode_delta(Timestamp(base), &[item(&key, at)], &[]);
            let bytes: Arc<[u8]> =
                Message::Push(Delta::new(head(until), Timestamp(base), &body)).encode().into();
            bytes
        };
        let together = combined(&[push(1, 2, 2), push(2, 5, 6)]).unwrap();
        assert_eq!((together.1, together.2), (MemberId([2; 32]), Timestamp(6)));
        assert!(combined(&[push(1, 2, 2), push(3, 5, 6)]).is_none(), "there is a gap");
        assert!(combined(&[push(1, 9, 2), push(2, 9, 9)]).is_none(), "an item is later than its head");
        assert!(combined(&[push(5, 6, 2), push(2, 7, 7)]).is_none(), "a head is earlier than its base");
    }

    #[test]
    fn pushes_of_one_owner_by_one_peer_are_combined() {
        let (one, other) = (MemberId([8; 32]), MemberId([9; 32]));
        let input = |from, len: usize| Input::Message { from, bytes: vec![PUSH; len].into() };
        let count = |inputs: Vec<Input>| {
            let mut inputs = inputs.into_iter();
            let first = inputs.next().unwrap();
            (following(&first, &mut inputs).len(), inputs.len())
        };
        assert_eq!(count(vec![input(one, 99), input(one, 50), input(one, 50), input(other, 50)]), (2, 1));
        assert_eq!(count(vec![input(one, 99), input(one, PUSH_BYTES_MAX - 98)]), (0, 1), "too large for one");
        assert_eq!(count(vec![input(one, 9), input(one, 9)]), (0, 1), "not a push");
    }

    fn item(key: &Key, at: u64) -> Item {
        Item { key: key.clone(), timestamp: Timestamp(at), expiry: None, value: (*b"v").into() }
    }

    fn head(at: u64) -> Head {
        let (owner, timestamp, root) = (MemberId([2; 32]), Timestamp(at), Hash([3; 32]));
        Head { owner, timestamp, items: 1, bytes: 1, root, signature: [4; 64] }
    }
}
