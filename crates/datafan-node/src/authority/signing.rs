//! Checks a request with only the key and its record, and signs it.

use super::{record::Record, request::Request};
use datafan_core::{
    grant::Grant,
    id::{MemberId, MeshId},
    identity::{Identity, Strict},
    roster::{RosterChangeError, SignedRoster, WholeRoster, WholeRosterError},
    time::Timestamp,
};
use std::collections::BTreeMap;

/// A request that can be signed: everything about it was checked.
#[derive(Debug)]
pub struct Signing {
    roster: WholeRoster,
    new: BTreeMap<MemberId, Grant>,
    /// What the key has signed before.
    after: Timestamp,
    now: Timestamp,
}

/// Why a request is not signed. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The request belongs to another mesh.
    #[error("the request is for mesh {asked}, but this key is the authority of mesh {ours}")]
    OtherMesh {
        /// The mesh of the request.
        asked: MeshId,
        /// The mesh of the key.
        ours: MeshId,
    },
    /// The roster in the request is not one that this key has signed.
    #[error(
        "the roster in the request was not signed with this key, so do not trust the machine that made it: \
         {0}"
    )]
    Roster(#[from] WholeRosterError),
    /// A change is refused.
    #[error(transparent)]
    Change(#[from] RosterChangeError),
    /// The request changes nothing.
    #[error("the roster already says what the request asks for")]
    Nothing,
    /// The roster in the request is older than the last one that this key has signed.
    #[error(
        "the request is based on the roster of {base}, but this key has signed a later one, of {signed}, \
         which would be lost: apply that one and make the request again; if nobody has it, use --force"
    )]
    Older {
        /// The timestamp of the request's roster.
        base: Timestamp,
        /// The timestamp of the last signed roster.
        signed: Timestamp,
    },
    /// A different roster with the same timestamp.
    #[error(
        "the request is based on a roster of {base} that differs from the one this key signed then, so the \
         key was used in two places: find the other copy, or continue from the request with --force"
    )]
    Fork {
        /// The timestamp of both.
        base: Timestamp,
    },
    /// The roster, or the last signed one, is so far in the future that nothing can follow.
    #[error(
        "the last roster is of {at}, a time that no clock will ever show, so the key was misused: create a \
         new mesh"
    )]
    NoTimeLeft {
        /// The later timestamp of the two.
        at: Timestamp,
    },
    /// The request creates a mesh, but there is no record that it does not exist yet.
    #[error(
        "the request starts a new roster, but this key has no record that it signed none; an existing mesh \
         would lose all its members. Use --force if there is no such mesh"
    )]
    Beginning,
}

/// Whether the record binds the signer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Force {
    /// Refuse what the record forbids.
    No,
    /// Continue from the roster in the request, whatever it is.
    Yes,
}

impl Signing {
    /// Checks a request: the roster's signature and all its entries, that it is not older than the signed one
    /// in `record`, and each change. `now` is the signer's clock, which may be wrong: timestamps do not
    /// exceed what the clock of the requesting member allows.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn new(
        request: Request,
        authority: &Identity,
        record: Option<Record>,
        force: Force,
        now: Timestamp,
    ) -> Result<Self, SignError> {
        let ours = MeshId(authority.id());
        if request.mesh != ours {
            return Err(SignError::OtherMesh { asked: request.mesh, ours });
        }
        let now = now.min(request.made);
        let (head, items) = request.roster.map_or((None, Vec::new()), |(head, items)| (Some(head), items));
        let roster = WholeRoster::new(ours, head, items, &Strict)?;
        if force == Force::No {
            follows(&roster, record)?;
        }
        let new = roster.changed(&request.changes, now)?;
        if new.is_empty() {
            return Err(SignError::Nothing);
        }
        let signed = record.and_then(|record| record.signed);
        let after = signed.map_or(Timestamp::ZERO, |(timestamp, _)| timestamp);
        let at = after.max(roster.head().map_or(Timestamp::ZERO, |head| head.timestamp));
        if at.0 > u64::MAX / 2 {
            return Err(SignError::NoTimeLeft { at });
        }
        Ok(Self { roster, new, after, now })
    }

    /// The roster that the request is based on.
    pub fn roster(&self) -> &WholeRoster {
        &self.roster
    }

    /// The new entries, and those that they replace.
    pub fn changes(&self) -> impl Iterator<Item = (&MemberId, Option<&Grant>, &Grant)> {
        self.new.iter().map(|(id, grant)| (id, self.roster.grants().get(id), grant))
    }

    /// Signs the roster. Write the returned record before you pass the roster on.
    ///
    /// # Panics
    /// If `authority` is not the key that the request was checked with.
    pub fn sign(&self, authority: &Identity) -> (Record, SignedRoster) {
        let signed = self.roster.signed(authority, &self.new, self.after, self.now);
        (Record::of(self.roster.mesh(), signed.head.timestamp, signed.head.root), signed)
    }
}

/// Whether a roster is the last one that the key has signed, or a later one.
fn follows(roster: &WholeRoster, record: Option<Record>) -> Result<(), SignError> {
    let base = roster.head().map(|head| head.order());
    match (record, base) {
        (None, None) => Err(SignError::Beginning),
        (None | Some(Record { signed: None, .. }), _) => Ok(()),
        (Some(Record { signed: Some(signed), .. }), base) => {
            let timestamp = base.map_or(Timestamp::ZERO, |(timestamp, _)| timestamp);
            if timestamp < signed.0 {
                return Err(SignError::Older { base: timestamp, signed: signed.0 });
            }
            if timestamp == signed.0 && base != Some(signed) {
                return Err(SignError::Fork { base: timestamp });
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::{
        id::Name,
        item::Item,
        message::Message,
        roster::{GrantChange, RosterChange},
    };

    fn key() -> Identity {
        Identity::from_secret(&[1; 32])
    }

    fn request(roster: Option<(datafan_core::head::Head, Vec<Item>)>, member: u8) -> Request {
        let (id, name) =
            (Identity::from_secret(&[member; 32]).id(), Name::new(&format!("m{member}")).unwrap());
        let changes = vec![RosterChange::Admit { id, name, terms: GrantChange::default() }];
        Request { mesh: MeshId(key().id()), roster, changes, made: Timestamp(1_000) }
    }

    fn signing(request: &Request, record: Option<Record>, force: Force) -> Result<Signing, SignError> {
        let read = Request::from_text(&request.to_text()).unwrap();
        assert_eq!(read, *request);
        Signing::new(read, &key(), record, force, Timestamp(5_000))
    }

    /// The roster after a request was signed, and the record.
    fn signed(
        request: &Request,
        record: Option<Record>,
    ) -> (Option<(datafan_core::head::Head, Vec<Item>)>, Record) {
        let (record, signed) = signing(request, record, Force::No).unwrap().sign(&key());
        let Ok(Message::Push(delta)) = Message::decode(&signed.message) else { panic!("a push") };
        let mut items = request.roster.clone().map_or(Vec::new(), |(_, items)| items);
        items.extend(delta.contents().unwrap().0);
        (Some((delta.head, items)), record)
    }

    #[test]
    fn one_roster_follows_the_other() {
        let new = Record::new(MeshId(key().id()));
        let (first, record) = signed(&request(None, 2), Some(new));
        let (second, last) = signed(&request(first.clone(), 3), Some(record));
        let grants =
            signing(&request(second.clone(), 4), Some(last), Force::No).unwrap().roster.grants().len();
        assert_eq!(grants, 2);
        // Even if the clock is ahead, no timestamp exceeds what the requesting member's clock allows.
        assert_eq!(second.unwrap().0.timestamp, Timestamp(1_001));
    }

    #[test]
    fn an_older_roster_is_refused_unless_forced() {
        let new = Record::new(MeshId(key().id()));
        let (first, record) = signed(&request(None, 2), Some(new));
        let (second, last) = signed(&request(first.clone(), 3), Some(record));
        for old in [first, None] {
            let old = request(old, 4);
            let error = signing(&old, Some(last), Force::No).unwrap_err();
            assert!(
                matches!(error, SignError::Older { signed, .. } if Some(signed) == last.signed.map(|s| s.0)),
                "{error}"
            );
            let (_, forced) = signing(&old, Some(last), Force::Yes).unwrap().sign(&key());
            assert!(forced.head.timestamp > last.signed.unwrap().0, "two rosters never share a timestamp");
        }
        let never = Record::of(MeshId(key().id()), Timestamp::MAX, datafan_core::hash::Hash([9; 32]));
        let error = signing(&request(None, 4), Some(never), Force::Yes).unwrap_err();
        assert_eq!(error, SignError::NoTimeLeft { at: Timestamp::MAX });
        assert_eq!(signing(&request(None, 4), None, Force::No).unwrap_err(), SignError::Beginning);
        // A roster that was signed elsewhere, later than the record, is trusted for its signature.
        assert!(signing(&request(second.clone(), 4), Some(record), Force::No).is_ok());
        let (head, _) = second.clone().unwrap();
        let fork = Record::of(MeshId(key().id()), head.timestamp, datafan_core::hash::Hash([9; 32]));
        let error = signing(&request(second, 4), Some(fork), Force::No).unwrap_err();
        assert_eq!(error, SignError::Fork { base: head.timestamp });
    }

    #[test]
    fn a_roster_without_one_of_its_members_is_not_signed() {
        let new = Record::new(MeshId(key().id()));
        let (first, record) = signed(&request(None, 2), Some(new));
        let (second, record) = signed(&request(first, 3), Some(record));
        let (head, mut items) = second.clone().unwrap();
        items.remove(0);
        let error = signing(&request(Some((head, items)), 4), Some(record), Force::Yes).unwrap_err();
        assert!(error.to_string().contains("do not trust"), "{error}");
        let again = signing(&request(second, 3), Some(record), Force::No).unwrap_err();
        assert_eq!(again, SignError::Nothing);
        let foreign = Request { mesh: MeshId(Identity::from_secret(&[9; 32]).id()), ..request(None, 2) };
        let error = signing(&foreign, Some(record), Force::Yes).unwrap_err();
        assert!(matches!(error, SignError::OtherMesh { .. }), "{error}");
    }
}
