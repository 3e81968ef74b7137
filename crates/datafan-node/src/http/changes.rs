//! The JSON of roster changes, and of adopting data. Omitted fields keep their value or take the default.

use super::refusal::Refusal;
use datafan_core::{
    grant::{Grant, Role},
    limits::ROSTER_CHANGES_MAX,
    roster::GrantChange,
    time::Timestamp,
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// Admits a member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitRequest {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `member` or `reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Quota: number of live items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Quota: bytes of their keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the invitation expires: microseconds since 1970, 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Return a request to be signed, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Admits several members, all or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitAllRequest {
    /// The members; `offline` must not be set in them.
    #[serde(deserialize_with = "up_to::<_, _, ROSTER_CHANGES_MAX>")]
    pub members: Vec<AdmitRequest>,
    /// Return a request to be signed, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Changes the grant of a member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// Exact name, full id, or unique prefix of the id.
    pub member: String,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `member` or `reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Quota: number of live items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Quota: bytes of their keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the invitation expires: microseconds since 1970, 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Delete the items of a member that becomes a reader, everywhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drop: bool,
    /// Return a request to be signed, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Revokes a member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Exact name, full id, or unique prefix of the id.
    pub member: String,
    /// Also delete its shard everywhere.
    #[serde(default)]
    pub drop: bool,
    /// Return a request to be signed, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Replaces a member's key: revokes the old one and admits the new one under the same name, in one commit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Exact name, full id, or unique prefix of the id.
    pub member: String,
    /// The full id of the new key.
    pub id: String,
    /// When the invitation of the new key expires: microseconds since 1970, 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Delete everywhere what the old key wrote.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drop: bool,
    /// Return a request to be signed, and change nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// The roster was changed: the answer of `admit`, `grant`, `revoke` and `rotate`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rostered {
    /// The id of the changed entry; for a rotation, of the new one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How the entry changed.
    pub change: EntryChange,
    /// Its old name, if it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Timestamp of the changed roster.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
}

/// How an entry of the roster changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryChange {
    /// It is new.
    Admitted,
    /// It was renamed; other fields may have changed too.
    Renamed,
    /// Fields other than the name changed.
    Changed,
    /// The member was revoked.
    Revoked,
    /// Nothing changed.
    Unchanged,
}

impl EntryChange {
    /// The change from one entry to the next.
    #[must_use]
    pub fn between(before: Option<&Grant>, after: Option<&Grant>) -> Self {
        match (before, after) {
            (before, after) if before == after => Self::Unchanged,
            (None, _) => Self::Admitted,
            (Some(_), Some(after)) if !after.is_active() => Self::Revoked,
            (Some(before), Some(after)) if before.name != after.name => Self::Renamed,
            (Some(_), _) => Self::Changed,
        }
    }
}

/// The answer of `admit-all`: members were admitted, or will be once the request is signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RosteredAll {
    /// The members, in the order of the request.
    pub members: Vec<Named>,
    /// Timestamp of the changed roster; with `offline`, of the roster that the request is based on, 0 for
    /// none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// With `offline`, the request for the authority to sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// One of several members, with the change of its entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Named {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How its entry changed; absent with `offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<EntryChange>,
    /// Its old name, if it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// The answer with `offline`: nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Requested {
    /// The id of the entry to change; for a rotation, of the new one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Timestamp of the roster that the request is based on; 0 for none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// The request for the authority to sign.
    pub request: String,
}

/// Gives a signed roster to a member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The output of `datafan authority sign`.
    pub signed: String,
}

/// Copies the items of another owner into this member's shard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// Exact name, full id, or unique prefix of the id; by default the revoked member with this member's
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Adopted {
    /// Full id of the owner of the items.
    pub owner: String,
    /// Number of items put.
    pub written: u64,
    /// Number of keys that this member already had; they are unchanged.
    pub unchanged: u64,
    /// Timestamp of the last write; if nothing changed, of the shard's current head; 0 if there was nothing
    /// to do.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
}

impl AdmitRequest {
    /// The grant that this asks for.
    ///
    /// # Errors
    /// If the role is unknown.
    pub fn terms(&self) -> Result<GrantChange, Refusal> {
        terms(self.role.as_deref(), self.items, self.bytes, self.until)
    }
}

impl GrantRequest {
    /// The change of a grant that this asks for.
    ///
    /// # Errors
    /// If the role is unknown.
    pub fn terms(&self) -> Result<GrantChange, Refusal> {
        terms(self.role.as_deref(), self.items, self.bytes, self.until)
    }
}

fn terms(
    role: Option<&str>,
    items: Option<u64>,
    bytes: Option<u64>,
    end: Option<u64>,
) -> Result<GrantChange, Refusal> {
    let role = role.map(str::parse::<Role>).transpose().map_err(Refusal::usage)?;
    Ok(GrantChange { role, items, bytes, until: end.map(until) })
}

/// The end of an invitation; 0 means none.
pub fn until(micros: u64) -> Timestamp {
    if micros == 0 { Timestamp::MAX } else { Timestamp(micros) }
}

/// A list of at most `MAX` elements: longer ones are refused before they take memory.
pub(super) fn up_to<'de, D, T, const MAX: usize>(input: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T, const MAX: usize>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = sequence.next_element()? {
                if list.len() == MAX {
                    return Err(A::Error::custom(format_args!("a list has more than {MAX} elements")));
                }
                list.push(element);
            }
            Ok(list)
        }
    }

    input.deserialize_seq(List::<T, MAX>(PhantomData))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}
