//! The JSON of the HTTP interface: what `docs/http.md` shows, and what `datafan --json` prints as it is.

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

/// The last line of a stream whose read was ended: the answer is not whole, and the connection breaks off
/// after it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadEndedLine {
    /// One line for people.
    pub error: String,
    /// `failure`.
    pub kind: RefusalKind,
    /// The full id of the owner of the last row; null before the first one.
    pub owner: Option<String>,
    /// The key of the last row: `after=KEY` goes on, in a later state.
    pub after: Option<String>,
}

impl ReadEndedLine {
    /// Of a read that came to `last`.
    pub fn new(error: &StoreError, last: Option<&(MemberId, String)>) -> Self {
        let way_on = match last {
            Some((owner, key)) => format!("the last key was {key:?} of {owner}: go on after it"),
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
    /// Of the last effective write, or the shard's present head where nothing changed.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// Writes that changed something.
    pub written: u64,
    /// Writes that changed nothing.
    pub unchanged: u64,
}

/// The answer of a commit: [`Written`], and the deletes that found nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CommitAnswer {
    /// What was done.
    #[serde(flatten)]
    pub written: Written,
    /// Keys of deletes that were not there before the commit.
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
    /// The same as RFC 3339, UTC.
    pub time: String,
    /// The value, if its bytes are UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value in base64, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// When readers stop to see it, as RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Its owner was revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
}

impl ItemLine {
    /// The line of an owner's item.
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
    /// The same as RFC 3339, UTC.
    #[serde(default)]
    pub time: String,
    /// Bytes of key and value.
    pub bytes: u64,
    /// Its owner was revoked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revoked: bool,
}

/// What became of a key of a member's own shard: the lines of `recovered`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DifferenceLine {
    /// The key.
    pub key: String,
    /// `back` (it came back from the mesh), `lacking` (it is kept aside and not here) or `newer` (it is kept
    /// aside, and was written here since).
    pub state: String,
    /// It is a deletion that came back, or is kept aside.
    pub deleted: bool,
    /// When that was written: microseconds since 1970; 0 where nobody knows.
    pub timestamp: u64,
    /// The same as RFC 3339, UTC.
    pub time: Option<String>,
    /// Bytes of key and value; 0 for a deletion.
    pub bytes: u64,
}

/// Owners that have forked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forks {
    /// A piece of evidence each.
    pub forks: Vec<ForkLine>,
}

/// Two states that one owner signed, of which neither grew out of the other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForkLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster.
    pub owner_name: Option<String>,
    /// The timestamp of one head.
    pub first: u64,
    /// The same as RFC 3339, UTC.
    #[serde(default)]
    pub first_time: String,
    /// The timestamp of the other.
    pub second: u64,
    /// The same as RFC 3339, UTC.
    #[serde(default)]
    pub second_time: String,
    /// What proves it, in base64: the bytes that `verify-fork` checks.
    pub evidence: String,
    /// Who has closed it: `owner` or `authority`; null while it is open.
    pub closed_by: Option<String>,
}

/// Closes forks of an owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseForks {
    /// Its name, id, or the beginning of its id.
    pub owner: String,
}

/// Forks are closed: where they still open anew, later ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForksClosed {
    /// The owner's full id.
    pub owner: String,
    /// The timestamp of the roster that says so.
    pub timestamp: u64,
    /// The same as text.
    pub time: String,
}

/// Gives up what is kept aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forget {
    /// What is lacking is written before.
    #[serde(default)]
    pub take: bool,
}

/// What is kept aside is given up: the answer of `recovered` with `--take` or `--forget`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TakenBack {
    /// Writes that changed something.
    pub written: u64,
}

/// Timestamps are of the present again: the answer of `restamp`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restamped {
    /// Of the shard's head.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// How many items got a new timestamp, those of the roster included where this member writes it.
    pub restamped: u64,
}

/// A condition was met: the answer of `wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waited {
    /// Of the shard waited for; `None` where none was asked.
    pub timestamp: Option<u64>,
    /// The same as RFC 3339, UTC.
    #[serde(default)]
    pub time: Option<String>,
    /// Links that are up.
    pub links: usize,
}

/// Where this member can be dialled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Addresses {
    /// What it publishes.
    pub addresses: Vec<String>,
}

/// The members of the mesh.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Members {
    /// The roster, by id.
    pub members: Vec<MemberLine>,
    /// Who knocked.
    pub pending: Vec<PendingLine>,
}

/// A member.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberLine {
    /// Its full id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `member` or `reader`; `role-N` for one of a newer build.
    pub role: String,
    /// `active`, `invited` (it may come in, and has not yet), `expired` (it may no more) or `revoked`.
    pub state: String,
    /// Until when it may come in for the first time, as RFC 3339, UTC; only while it is invited or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Live items that it may hold.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// When it was admitted, or its quota last changed, as RFC 3339, UTC.
    pub granted: String,
    /// `itself`, `linked`, `reachable` or `unreachable`; none once it is revoked.
    #[serde(default)]
    pub reach: Option<String>,
    /// Since when nothing shows that it can be reached, as RFC 3339, UTC; only while it is unreachable, and
    /// not if it was never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
    /// It is unreachable, and nothing of it ever came here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never_seen: bool,
    /// A dial is under way.
    #[serde(default)]
    pub dialling: bool,
}

/// Somebody who knocked and is not in the roster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PendingLine {
    /// Its full id; proven.
    pub id: String,
    /// The name that it would like; unproven.
    pub name: String,
    /// Where it was seen.
    pub address: Option<String>,
    /// When it first knocked, as RFC 3339, UTC.
    pub since: String,
}

/// The member at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusAnswer {
    /// Its full id.
    pub id: String,
    /// Its name: from its grant, else the wished one.
    pub name: String,
    /// Its mesh.
    pub mesh: String,
    /// `member` or `reader`, by its grant; none without one.
    pub role: Option<String>,
    /// `up`, `degraded`, `joining`, `refused` or `stopped`.
    pub state: String,
    /// Why, if it is not simply up.
    pub reason: Option<String>,
    /// What the mesh gave back of its shard last: timestamps, the first exclusive.
    #[serde(default)]
    pub recovered: Option<Span>,
    /// A state of its shard that is kept aside: where it had parted, and where it ends.
    #[serde(default)]
    pub aside: Option<Span>,
    /// How far its wall clock is ahead of those of most peers, in microseconds; null without links.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
    /// Where it listens for links.
    pub listen: Vec<String>,
    /// Where it serves HTTP on TCP.
    pub api: Option<String>,
    /// Links, and dials that have led to none.
    pub links: Vec<LinkLine>,
    /// Every shard, by owner.
    pub shards: Vec<ShardLine>,
    /// What was refused, by name.
    pub refusals: BTreeMap<String, u64>,
    /// The room that its store takes; null when it is stopped.
    #[serde(default)]
    pub store: Option<StoreLine>,
}

/// The room that a store takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoreLine {
    /// Bytes of disk that the file takes.
    pub file_bytes: u64,
    /// Bytes of it that the present state does not need: free, or shown by older snapshots.
    pub free_bytes: u64,
    /// For how long the oldest read that goes on has held its snapshot; null without one.
    pub oldest_read_ms: Option<u64>,
}

/// What a compaction did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CompactAnswer {
    /// Bytes of disk that the store took before.
    pub before: u64,
    /// And afterwards.
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

/// A span as it is told: with times.
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
    /// The peer's full id, where known.
    pub id: Option<String>,
    /// Its name in the roster.
    pub name: Option<String>,
    /// Its address, where known.
    pub address: Option<String>,
    /// `out` if we dialled, `in` if the peer did.
    pub direction: String,
    /// `up`, `greeting`, `dialling` while a dial is under way, or `waiting` after one that came to nothing.
    pub state: String,
    /// The last error of the dial.
    pub error: Option<String>,
}

/// A shard. Two members are equal exactly if all roots are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShardLine {
    /// The owner's full id.
    pub owner: String,
    /// Its name in the roster; none for the authority.
    pub owner_name: Option<String>,
    /// `member` or `roster`.
    pub kind: String,
    /// Of the head held; 0 for none.
    #[serde(flatten, with = "super::stamp")]
    pub timestamp: u64,
    /// Live items, the system's among them.
    pub items: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// How many of the items are the system's.
    pub system_items: u64,
    /// Bytes of their keys and values; of the roster all.
    #[serde(default)]
    pub system_bytes: u64,
    /// The root held.
    pub root: String,
    /// `whole`, `copying`, `revoked` or `forked`.
    pub state: String,
    /// Since when its owner is unreachable, as RFC 3339, UTC: what is held may be old since then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}
