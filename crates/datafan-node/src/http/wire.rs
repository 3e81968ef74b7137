//! The JSON of the HTTP API, which `docs/http.md` documents and `datafan --json` prints unchanged.

pub use super::changes::{
    AdmitAllRequest, AdmitRequest, AdoptRequest, Adopted, ApplyRequest, EntryChange, GrantRequest, Named,
    Requested, RevokeRequest, Rostered, RosteredAll, RotateRequest,
};
pub use super::refusal::{Refusal, RefusalKind};
pub use super::writes::{CommitRequest, WriteRequest};
pub use crate::times::rfc3339;

use super::stamp;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafan_core::{
    id::{MemberId, Name},
    item::Item,
    store::StoreError,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The last line of a stream whose read was ended: the answer is incomplete, and the connection is closed
/// after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadEndedLine {
    /// One line for people.
    pub error: String,
    /// Always `failure`.
    pub kind: RefusalKind,
    /// The full id of the owner of the last row; null before the first one.
    pub owner: Option<String>,
    /// The key of the last row: `after=KEY` continues after it, with the data of that time.
    pub after: Option<String>,
}

impl ReadEndedLine {
    /// The line for a read that got as far as `last`.
    pub fn new(error: &StoreError, last: Option<&(MemberId, String)>) -> Self {
        let way_on = match last {
            Some((owner, key)) => format!("the last key was {key:?} of {owner}: continue after it"),
            None => "no row was read".to_owned(),
        };
        Self {
            error: format!("{error}; {way_on}"),
            kind: RefusalKind::Failure,
            owner: last.map(|(owner, _)| owner.to_string()),
            after: last.map(|(_, key)| key.clone()),
        }
    }
}

/// What a commit did: the answer of `put`, `del` and `import`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// Timestamp of the last effective write; if nothing changed, of the shard's current head.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// Number of writes that changed something.
    pub written: u64,
    /// Number of writes that changed nothing.
    pub unchanged: u64,
}

/// The answer of a commit: [`Written`], and the deletes of missing keys.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CommitAnswer {
    /// What the commit did.
    #[serde(flatten)]
    pub written: Written,
    /// Deleted keys that did not exist before the commit.
    pub missing: Vec<String>,
}

/// An item with its value: the lines of `get` and `export`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster.
    pub owner_name: Option<String>,
    /// The key.
    pub key: String,
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// The same in RFC 3339, UTC.
    pub time: String,
    /// The value, if its bytes are UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value in base64, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// When it expires, in RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether its owner was revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
}

impl ItemLine {
    /// The line of an item.
    pub fn new(owner: &MemberId, name: Option<&Name>, item: &Item) -> Self {
        let value = str::from_utf8(&item.value).ok().map(str::to_owned);
        let value_base64 = value.is_none().then(|| BASE64_STANDARD.encode(&item.value));
        Self {
            owner: owner.to_string(),
            owner_name: name.map(Name::to_string),
            key: item.key.to_string(),
            timestamp: item.timestamp.0,
            time: rfc3339(item.timestamp),
            value,
            value_base64,
            expires: item.expiry.map(rfc3339),
            revoked: false,
        }
    }

    /// The value's bytes; `None` if the line is malformed.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.value, &self.value_base64) {
            (Some(text), _) => Some(text.as_bytes().to_vec()),
            (None, Some(text)) => BASE64_STANDARD.decode(text).ok(),
            (None, None) => None,
        }
    }
}

/// An item without its value: the lines of `ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster.
    pub owner_name: Option<String>,
    /// The key.
    pub key: String,
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// The same in RFC 3339, UTC.
    #[serde(default)]
    pub time: String,
    /// Bytes of key and value.
    pub bytes: u64,
    /// Whether its owner was revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
}

/// What happened to a key of the member's own shard: the lines of `recovered`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DifferenceLine {
    /// The key.
    pub key: String,
    /// `back` (it came back from the mesh), `lacking` (only the divergent copy has it) or `newer` (the
    /// divergent copy has it, and it was written here since).
    pub state: String,
    /// Whether it is a deletion.
    pub deleted: bool,
    /// When it was written: microseconds since 1970; 0 if unknown.
    pub timestamp: u64,
    /// The same in RFC 3339, UTC.
    pub time: Option<String>,
    /// Bytes of key and value; 0 for a deletion.
    pub bytes: u64,
}

/// Known forks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forks {
    /// The evidence, one piece per fork.
    pub forks: Vec<ForkLine>,
}

/// Two conflicting states that one owner signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForkLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster.
    pub owner_name: Option<String>,
    /// Timestamp of one head.
    pub first: u64,
    /// The same in RFC 3339, UTC.
    #[serde(default)]
    pub first_time: String,
    /// Timestamp of the other head.
    pub second: u64,
    /// The same in RFC 3339, UTC.
    #[serde(default)]
    pub second_time: String,
    /// The evidence in base64: the bytes that `verify-fork` checks.
    pub evidence: String,
    /// Who closed it: `owner` or `authority`; null while it is open.
    pub closed_by: Option<String>,
}

/// Closes the forks of an owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseForks {
    /// Its name, its id, or a unique prefix of the id.
    pub owner: String,
}

/// Forks were closed; later forks of the owner will be open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForksClosed {
    /// The owner's full id.
    pub owner: String,
    /// Timestamp of the roster that closes them.
    pub timestamp: u64,
    /// The same in RFC 3339, UTC.
    pub time: String,
}

/// Discards the divergent copies.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// Write the missing items first.
    #[serde(default)]
    pub take: bool,
}

/// The divergent copies were discarded: the answer of `recovered` with `--take` or `--forget`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TakenBack {
    /// Number of writes that changed something.
    pub written: u64,
}

/// Timestamps were repaired: the answer of `restamp`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restamped {
    /// Timestamp of the shard's head.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// Number of items with a new timestamp, including those of the roster if this member writes it.
    pub restamped: u64,
}

/// A condition was met: the answer of `wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waited {
    /// Timestamp of the shard waited for; `None` if none was asked for.
    pub timestamp: Option<u64>,
    /// The same in RFC 3339, UTC.
    #[serde(default)]
    pub time: Option<String>,
    /// Number of links that are up.
    pub links: usize,
}

/// The addresses of this member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Addresses {
    /// The published addresses.
    pub addresses: Vec<String>,
}

/// The members of the mesh.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Members {
    /// The roster, by id.
    pub members: Vec<MemberLine>,
    /// Members that tried to connect and are not admitted yet.
    pub pending: Vec<PendingLine>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberLine {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `member` or `reader`; `role-N` for a role of a newer version.
    pub role: String,
    /// `active`, `invited` (has not joined yet), `expired` (can no longer join) or `revoked`.
    pub state: String,
    /// When its invitation expires, in RFC 3339, UTC; only while it is invited or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Quota: number of live items.
    pub items: u64,
    /// Quota: bytes of their keys and values.
    pub bytes: u64,
    /// When it was admitted, or its quota last changed, in RFC 3339, UTC.
    pub granted: String,
    /// `itself`, `linked`, `reachable` or `unreachable`; none after it was revoked.
    #[serde(default)]
    pub reach: Option<String>,
    /// Since when it is considered unreachable, in RFC 3339, UTC; only while it is unreachable, and not if it
    /// was never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// Whether it is unreachable and nothing of it has ever arrived here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never_seen: bool,
    /// Whether a dial is in progress.
    #[serde(default)]
    pub dialling: bool,
}

/// A member that tried to connect and is not in the roster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PendingLine {
    /// Its full id; verified.
    pub id: String,
    /// The name that it asks for; not verified.
    pub name: String,
    /// The address from which it connected.
    pub address: Option<String>,
    /// When it first connected, in RFC 3339, UTC.
    pub since: String,
}

/// The member at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// Its full id.
    pub id: String,
    /// Its name: from its grant, or else the one it asks for.
    pub name: String,
    /// Its mesh.
    pub mesh: String,
    /// `member` or `reader`, from its grant; none without one.
    pub role: Option<String>,
    /// `up`, `degraded`, `joining`, `refused` or `stopped`.
    pub state: String,
    /// The reason, unless it is simply up.
    pub reason: Option<String>,
    /// What the mesh last restored of its shard: timestamps, the first exclusive.
    #[serde(default)]
    pub recovered: Option<Span>,
    /// The divergent copy of its shard: where it diverged, and where it ends.
    #[serde(default)]
    pub divergent: Option<Span>,
    /// How far its wall clock is ahead of those of most peers, in microseconds; null without links.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
    /// Where it listens for links.
    pub listen: Vec<String>,
    /// Where it serves HTTP on TCP.
    pub api: Option<String>,
    /// Links, and dials that did not lead to one.
    pub links: Vec<LinkLine>,
    /// Every shard, by owner.
    pub shards: Vec<ShardLine>,
    /// Number of refusals, by name.
    pub refusals: BTreeMap<String, u64>,
    /// The disk space of its store; null when it has stopped.
    #[serde(default)]
    pub store: Option<StoreLine>,
}

/// The disk space of a store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoreLine {
    /// Bytes of the file on disk.
    pub file_bytes: u64,
    /// Bytes of it that the current state does not need: free, or used by older snapshots.
    pub free_bytes: u64,
    /// How long the oldest running read has held its snapshot; null without one.
    pub oldest_read_ms: Option<u64>,
}

/// The result of a compaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompactAnswer {
    /// Bytes of the file before.
    pub before: u64,
    /// Bytes of the file afterwards.
    pub after: u64,
}

/// Timestamps after one and up to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "SpanTold")]
pub struct Span {
    /// After this one.
    pub after: u64,
    /// Up to this one.
    pub until: u64,
}

/// A span with times, as it is serialized.
#[derive(Serialize)]
struct SpanTold {
    after: u64,
    after_time: Option<String>,
    until: u64,
    until_time: Option<String>,
}

impl From<Span> for SpanTold {
    fn from(Span { after, until }: Span) -> Self {
        Self { after, after_time: stamp::time(after), until, until_time: stamp::time(until) }
    }
}

/// A link.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkLine {
    /// The peer's full id, if known.
    pub id: Option<String>,
    /// Its name in the roster.
    pub name: Option<String>,
    /// Its address, if known.
    pub address: Option<String>,
    /// `out` if we dialled, `in` if the peer did.
    pub direction: String,
    /// `up`, `greeting`, `dialling` while a dial is in progress, or `waiting` after one that failed.
    pub state: String,
    /// The last error of the dial.
    pub error: Option<String>,
}

/// A shard. Two members are in sync exactly if all roots are equal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShardLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster; none for the authority.
    pub owner_name: Option<String>,
    /// `member` or `roster`.
    pub kind: String,
    /// Timestamp of the current head; 0 for none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// Number of live items, including system items.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Number of system items.
    pub system_items: u64,
    /// Bytes of their keys and values; for the roster, all bytes.
    #[serde(default)]
    pub system_bytes: u64,
    /// The current root.
    pub root: String,
    /// `whole`, `copying`, `revoked` or `forked`.
    pub state: String,
    /// Since when its owner is unreachable, in RFC 3339, UTC; the data may be out of date since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}
