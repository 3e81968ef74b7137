//! A whole roster outside any store, for an offline signing machine.

use super::{
    changes::{Entries, RosterChange, changed},
    error::RosterChangeError,
    role::{IdRole, role_of},
};
use crate::{
    grant::{GRANT_PREFIX, Grant},
    hash::{Hash, Hasher},
    head::Head,
    id::{MemberId, MeshId, Name},
    identity::{Identity, Verifier},
    item::{Item, Key},
    limits::{MEMBERS_MAX, ROSTER_ITEMS_MAX},
    message::{Delta, Message, encode_delta},
    time::Timestamp,
    trie::{Branch, root_hash, top},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::convert::Infallible;

/// All entries of a roster with the head that the authority signed, or the empty roster of a new mesh.
#[derive(Clone, Debug)]
pub struct WholeRoster {
    mesh: MeshId,
    head: Option<Head>,
    /// Ascending by timestamp.
    items: Vec<Item>,
    grants: BTreeMap<MemberId, Grant>,
}

/// Why a head and items are not a valid whole roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WholeRosterError {
    /// The head belongs to another owner or is not signed by the mesh's authority.
    #[error("its head is not signed by the authority of this mesh")]
    Signature,
    /// The entries do not match the head: some are missing, altered or forged.
    #[error("its entries are not those that the authority signed")]
    Entries,
    /// An entry was written by a newer build.
    #[error("it has an entry that this build does not understand: use a newer build")]
    Newer,
    /// There are more entries than a roster may have.
    #[error("it has more than {MEMBERS_MAX} entries")]
    TooMany,
}

/// A new head of the roster and the message that leads to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedRoster {
    /// The new head.
    pub head: Head,
    /// The timestamp of the head that it is based on; 0 for none.
    pub base: Timestamp,
    /// The bytes of a [`Message::Push`], which a member applies and relays.
    pub message: Vec<u8>,
}

impl WholeRoster {
    /// Checks that `items`, in any order, are exactly those that `head` describes. Without a head there must
    /// be no items.
    ///
    /// # Errors
    /// If the head or the items are not valid.
    pub fn new(
        mesh: MeshId,
        head: Option<Head>,
        mut items: Vec<Item>,
        verifier: &dyn Verifier,
    ) -> Result<Self, WholeRosterError> {
        if items.len() > ROSTER_ITEMS_MAX {
            return Err(WholeRosterError::TooMany);
        }
        items.sort_unstable_by_key(|item| item.timestamp);
        if head.is_some_and(|head| head.owner != mesh.authority() || !head.verify(&mesh, verifier)) {
            return Err(WholeRosterError::Signature);
        }
        let ascending = items.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp);
        let keys: BTreeSet<&Key> = items.iter().map(|item| &item.key).collect();
        let described = match head {
            Some(head) => ascending && sums(&items) == (head.items, head.bytes, head.root),
            None => items.is_empty(),
        };
        let last = items.last().map_or(Timestamp::ZERO, |item| item.timestamp);
        if !described || keys.len() != items.len() || head.is_some_and(|head| last > head.timestamp) {
            return Err(WholeRosterError::Entries);
        }
        let mut grants = BTreeMap::new();
        // Other items of the authority, such as closings of forks, are kept unchanged.
        for item in items.iter().filter(|item| item.key.as_str().starts_with(GRANT_PREFIX)) {
            let grant = Grant::decode(&item.value).map_err(|_| WholeRosterError::Newer)?;
            let id = Grant::member_of(item.key.as_str()).ok_or(WholeRosterError::Newer)?;
            if role_of(&mesh, &id) == IdRole::Member {
                grants.insert(id, grant);
            }
        }
        Ok(Self { mesh, head, items, grants })
    }

    /// The mesh.
    pub fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// The head; `None` if the mesh has no roster yet.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The grants of all members.
    pub fn grants(&self) -> &BTreeMap<MemberId, Grant> {
        &self.grants
    }

    /// The entries that differ from the current ones after `changes`.
    ///
    /// # Errors
    /// If a change is refused.
    pub fn changed(
        &self,
        changes: &[RosterChange],
        now: Timestamp,
    ) -> Result<BTreeMap<MemberId, Grant>, RosterChangeError> {
        let Ok(judged) = changed(self, changes, now);
        let mut new = judged?;
        new.retain(|id, grant| self.grants.get(id) != Some(grant));
        Ok(new)
    }

    /// Signs the roster with the entries `new`. Their timestamps are above `after` and the current head's,
    /// and at least `now`.
    ///
    /// # Panics
    /// If `authority` is not the mesh's authority, or `new` is empty.
    pub fn signed(
        &self,
        authority: &Identity,
        new: &BTreeMap<MemberId, Grant>,
        after: Timestamp,
        now: Timestamp,
    ) -> SignedRoster {
        assert!(!new.is_empty(), "a commit of the roster has at least one entry");
        let base = self.head.map_or(Timestamp::ZERO, |head| head.timestamp);
        let mut at = base.max(after);
        let fresh: Vec<Item> = new
            .iter()
            .map(|(id, grant)| {
                at = at
                    .next()
                    .expect("the bound of the clock keeps timestamps far below the maximum")
                    .max(now);
                Item { key: Grant::key(id), timestamp: at, expiry: None, value: grant.encode().into() }
            })
            .collect();
        let keys: BTreeSet<&Key> = fresh.iter().map(|item| &item.key).collect();
        let stays = self.items.iter().filter(|item| !keys.contains(&item.key));
        let all: Vec<Item> = stays.chain(&fresh).cloned().collect();
        let (items, bytes, root) = sums(&all);
        let head =
            Head { owner: self.mesh.authority(), timestamp: at, items, bytes, root, signature: [0; 64] };
        let head = head.signed(&self.mesh, authority);
        let body = encode_delta(base, &fresh, &[]);
        SignedRoster { head, base, message: Message::Push(Delta::new(head, base, &body)).encode() }
    }
}

impl Entries for WholeRoster {
    type Error = Infallible;

    fn mesh(&self) -> MeshId {
        self.mesh
    }

    fn grant(&self, id: &MemberId) -> Result<Option<Grant>, Infallible> {
        Ok(self.grants.get(id).cloned())
    }

    fn named(&self, name: &Name) -> Option<MemberId> {
        let named = self.grants.iter().filter(|(_, grant)| grant.name == *name);
        named.max_by_key(|(_, grant)| grant.is_active()).map(|(id, _)| *id)
    }

    fn head(&self, _: &MemberId) -> Option<(Timestamp, Hash)> {
        None
    }
}

/// Count, bytes and root of items in ascending order.
fn sums(items: &[Item]) -> (u64, u64, Hash) {
    let leaves: Vec<Branch> = items.iter().map(|item| Branch::leaf(item.timestamp.0, item.leaf())).collect();
    let root = top(Hasher::NODE, &leaves);
    (items.len() as u64, items.iter().map(Item::bytes).sum(), root_hash(root.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Strict,
        roster::{Disposition, GrantChange},
    };

    fn authority() -> Identity {
        Identity::from_secret(&[1; 32])
    }

    fn id(n: u8) -> MemberId {
        Identity::from_secret(&[n; 32]).id()
    }

    fn admit(n: u8) -> RosterChange {
        let name = Name::new(&alloc::format!("m{n}")).unwrap();
        RosterChange::Admit { id: id(n), name, terms: GrantChange::default() }
    }

    fn empty() -> WholeRoster {
        WholeRoster::new(MeshId(authority().id()), None, Vec::new(), &Strict).unwrap()
    }

    /// The roster of a member that held `roster` and applied `signed`.
    fn after(roster: &WholeRoster, signed: &SignedRoster) -> (Head, Vec<Item>) {
        let Ok(Message::Push(delta)) = Message::decode(&signed.message) else { panic!("a push") };
        assert_eq!((delta.head, delta.base), (signed.head, signed.base));
        let fresh = delta.contents().unwrap().0;
        let mut items = roster.items.clone();
        items.retain(|item| !fresh.iter().any(|new| new.key == item.key));
        items.extend(fresh);
        (delta.head, items)
    }

    fn sign(roster: &WholeRoster, changes: &[RosterChange], now: u64) -> WholeRoster {
        let new = roster.changed(changes, Timestamp(now)).unwrap();
        let signed = roster.signed(&authority(), &new, Timestamp::ZERO, Timestamp(now));
        let (head, items) = after(roster, &signed);
        WholeRoster::new(roster.mesh, Some(head), items, &Strict).unwrap()
    }

    #[test]
    fn a_signed_change_describes_the_resulting_roster() {
        let one = sign(&empty(), &[admit(2), admit(3)], 100);
        assert_eq!((one.grants.len(), one.head.unwrap().timestamp), (2, Timestamp(101)));
        let drop = RosterChange::Revoke { id: id(2), disposition: Disposition::Drop, at: None };
        // A clock that moved backwards does not matter.
        let two = sign(&one, &[drop, admit(4)], 50);
        assert_eq!((two.grants.len(), two.head.unwrap().timestamp), (3, Timestamp(103)));
        assert!(!two.grants[&id(2)].is_active() && two.grants[&id(4)].is_active());
        assert!(two.changed(&[admit(3)], Timestamp(200)).unwrap().is_empty(), "nothing new");
        let signed = two.signed(&authority(), &two.grants, Timestamp(500), Timestamp(200));
        assert_eq!(signed.head.timestamp, Timestamp(503), "above what the key has signed elsewhere");
    }

    #[test]
    fn other_items_of_the_authority_are_included() {
        let one = sign(&empty(), &[admit(2)], 100);
        let key = crate::fork::Closing::key(&id(2));
        let closing = crate::fork::Closing { until: Timestamp(90) }.encode();
        let mut items = one.items.clone();
        items.push(Item { key, timestamp: Timestamp(150), expiry: None, value: closing.into() });
        let (n, bytes, root) = sums(&items);
        let head = Head { timestamp: Timestamp(150), items: n, bytes, root, ..one.head.unwrap() };
        let head = head.signed(&one.mesh, &authority());
        let roster = WholeRoster::new(one.mesh, Some(head), items, &Strict).unwrap();
        assert_eq!(roster.grants, one.grants);
        let two = sign(&roster, &[admit(3)], 200);
        assert_eq!((two.grants.len(), two.items.len()), (2, 3));
    }

    #[test]
    fn a_roster_with_a_missing_or_altered_entry_is_invalid() {
        let roster = sign(&empty(), &[admit(2), admit(3)], 100);
        let check = |head, items| WholeRoster::new(roster.mesh, head, items, &Strict).map(drop);
        assert_eq!(check(roster.head, roster.items.clone()), Ok(()));
        assert_eq!(check(roster.head, roster.items[1..].to_vec()), Err(WholeRosterError::Entries));
        assert_eq!(check(None, roster.items.clone()), Err(WholeRosterError::Entries));
        let mut altered = roster.items.clone();
        altered[0].value = altered[1].value.clone();
        assert_eq!(check(roster.head, altered), Err(WholeRosterError::Entries));
        let forged = roster.head.map(|head| Head { items: 1, ..head });
        assert_eq!(check(forged, roster.items.clone()), Err(WholeRosterError::Signature));
        let other = MeshId(id(9));
        let foreign = WholeRoster::new(other, roster.head, roster.items.clone(), &Strict);
        assert_eq!(foreign.map(drop), Err(WholeRosterError::Signature));
    }
}
