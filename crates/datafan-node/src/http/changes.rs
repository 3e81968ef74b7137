//! The JSON of changes of the roster, and of moving data after one. What a request leaves out is as it was,
//! or the default.

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
    /// The name that it gets.
    pub name: String,
    /// `member` or `reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Live items that it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Bytes of their keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Until when it may come in for the first time: microseconds since 1970, 0 for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Ask for a signature in place of changing anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Admits members, all of them or none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitAllRequest {
    /// Whom, and as what; `offline` is not of each.
    #[serde(deserialize_with = "up_to::<_, _, ROSTER_CHANGES_MAX>")]
    pub members: Vec<AdmitRequest>,
    /// Ask for a signature in place of changing anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Changes what a member may.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// Exact name, full id, or a unique beginning of the id.
    pub member: String,
    /// Its new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `member` or `reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Live items that it may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Bytes of their keys and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Until when it may come in for the first time: microseconds since 1970, 0 for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Who becomes a reader loses its items everywhere.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drop: bool,
    /// Ask for a signature in place of changing anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Ends a membership.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    /// Exact name, full id, or a unique beginning of the id.
    pub member: String,
    /// Everybody deletes its shard, too.
    #[serde(default)]
    pub drop: bool,
    /// Ask for a signature in place of changing anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// Replaces a member's key: the old one is revoked, the new one admitted under its name, in one commit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Exact name, full id, or a unique beginning of the id.
    pub member: String,
    /// The full id of the new key.
    pub id: String,
    /// Until when it may come in for the first time: microseconds since 1970, 0 for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Everybody deletes what the old key wrote.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drop: bool,
    /// Ask for a signature in place of changing anything.
    #[serde(default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

/// The roster has changed: the answer of `admit`, `grant`, `revoke` and `rotate`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rostered {
    /// Whose entry; of a rotation the new one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What has become of the entry.
    pub change: EntryChange,
    /// Its name before, where it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Of the roster with the change.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
}

/// What has become of an entry of the roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryChange {
    /// There was none.
    Admitted,
    /// It has another name; the rest may have changed as well.
    Renamed,
    /// It says something else of the same name.
    Changed,
    /// The member does not belong any more.
    Revoked,
    /// It said so already.
    Unchanged,
}

impl EntryChange {
    /// From one entry to the next.
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

/// Many members were admitted, or are to be: the answer of `admit-all`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RosteredAll {
    /// Who, in the order of the request.
    pub members: Vec<Named>,
    /// Of the roster with the change; of the one that the request follows where `offline` was asked for, 0
    /// for none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// What the authority is to sign, where `offline` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A member of several, its name, and what has become of its entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Named {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What has become of its entry; absent where `offline` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<EntryChange>,
    /// Its name before, where it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// The answer of the same where `offline` was asked for: nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Requested {
    /// Whose entry is to change; of a rotation the new one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Of the roster that the request follows; 0 for none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// What the authority is to sign.
    pub request: String,
}

/// Hands a signed roster to a member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// What `datafan authority sign` wrote.
    pub signed: String,
}

/// Copies another owner's items into this member's shard.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRequest {
    /// Exact name, full id, or a unique beginning of the id; none for the revoked member with this member's
    /// name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// What was copied.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Adopted {
    /// Whose items: the full id.
    pub owner: String,
    /// How many were put.
    pub written: u64,
    /// How many keys this member had already, which stay as they are.
    pub unchanged: u64,
    /// Of the last write; the shard's present head where nothing changed, 0 where nothing was to be done.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
}

impl AdmitRequest {
    /// What the member may.
    ///
    /// # Errors
    /// If the role is none.
    pub fn terms(&self) -> Result<GrantChange, Refusal> {
        terms(self.role.as_deref(), self.items, self.bytes, self.until)
    }
}

impl GrantRequest {
    /// What the member may.
    ///
    /// # Errors
    /// If the role is none.
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

/// The end of an invitation, where 0 stands for none.
pub fn until(micros: u64) -> Timestamp {
    if micros == 0 { Timestamp::MAX } else { Timestamp(micros) }
}

/// A list of at most `MAX` elements: more are refused before they take memory.
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
