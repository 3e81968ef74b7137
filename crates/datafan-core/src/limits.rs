//! Every limit in one place, with the relations between neighbours checked at compile time.
//!
//! Limits on what a peer sends are part of the protocol: raising one is a change of the protocol version.

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest value that any member takes, in bytes. A writer may set a lower limit for itself.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Longest member name, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// Longest address (`HOST:PORT`), in bytes: a DNS name of 253, a colon, a port of 5.
pub const ADDRESS_BYTES_MAX: usize = 259;
/// Most addresses that one member publishes.
pub const ADDRESSES_MAX: usize = 8;

/// Most writes in one commit.
pub const COMMIT_WRITES_MAX: usize = 4_096;
/// Most bytes of keys and values in one commit.
pub const COMMIT_BYTES_MAX: usize = 4 << 20;

/// Most changes of the roster in one commit.
pub const ROSTER_CHANGES_MAX: usize = 1_024;

/// Most encoded bytes of items and tombstones in one delta.
pub const DELTA_BYTES_MAX: usize = 8 << 20;
/// Most items in one delta.
pub const DELTA_ITEMS_MAX: usize = 65_536;
/// Most tombstones in one delta: those of sixteen full commits, as an owner that goes on deleting is some commits
/// ahead of whoever follows it.
pub const DELTA_TOMBSTONES_MAX: usize = 16 * COMMIT_WRITES_MAX;
/// Most bytes of a delta that is pushed unasked; of a larger one only the head is told.
pub const PUSH_BYTES_MAX: usize = 64 << 10;

/// Most items in the ranges of one answer.
pub const RANGE_ITEMS_MAX: usize = 4_096;
/// Most bytes of keys and values in the ranges of one answer.
pub const RANGE_BYTES_MAX: usize = 4 << 20;
/// Most slots (nodes or ranges) that one request names.
pub const SLOTS_MAX: usize = 256;
/// Most slots of the trie of heads that one request names.
pub const HEAD_SLOTS_MAX: usize = 32;
/// Most heads of the receiver's own shards in one Hello.
pub const HELLO_HEADS_MAX: usize = 8;
/// Most owners that one pull names, and most heads in one message.
pub const OWNERS_PER_MESSAGE_MAX: usize = 256;
/// Most requests of one peer that wait for their answer here; more are dropped and counted.
pub const REQUESTS_PENDING_MAX: usize = 64;
/// Most requests of one transfer that are under way at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 8;

/// Most divergent copies that a member keeps of one owner.
pub const DIVERGENT_COPIES_MAX: usize = 16;
/// Most divergent copies of its shard that an owner remembers to fetch.
pub const DIVERGENT_TOLD_MAX: usize = 64;

/// Most peers that are backed off because they broke a rule; of more, who broke the fewest is forgotten.
pub const PENALTIES_MAX: usize = 1_024;
/// Most owners of whom it is remembered that they signed what cannot be: all there may be.
pub const INVALID_OWNERS_MAX: usize = MEMBERS_MAX;
/// Most pieces of evidence of forks that are kept of one owner.
pub const EVIDENCE_PER_OWNER_MAX: usize = 4;
/// Longest value of an item in evidence, in bytes: longer ones prove as much, and are not kept.
pub const EVIDENCE_VALUE_BYTES_MAX: usize = 64 << 10;
/// Longest evidence, in bytes: checked before memory is spent on it.
pub const EVIDENCE_BYTES_MAX: usize = EVIDENCE_VALUE_BYTES_MAX + (64 << 10);
/// Most bytes of evidence that are kept in all, encoded.
pub const EVIDENCE_TOTAL_BYTES_MAX: usize = 4 << 20;

/// Largest message, in bytes. A connector refuses a longer frame before it reserves memory for it.
pub const MESSAGE_BYTES_MAX: usize = DELTA_BYTES_MAX + (64 << 10);
/// Largest message of the small lane.
pub const SMALL_BYTES_MAX: usize = 128 << 10;

/// What an encoded item takes beyond its key and value: timestamp, expiry and two lengths.
pub const ITEM_OVERHEAD_MAX: usize = 24;

/// Most runs of other processes with its key that a member says to have seen.
pub const SEEN_RUNS_MAX: usize = 4;
/// Most links that a member holds.
pub const LINKS_MAX: usize = 64;
/// Most links with peers that have dialled us and are not in the roster that we hold.
pub const STRANGERS_MAX: usize = 16;
/// Most members that knocked and wait to be admitted; the oldest is forgotten.
pub const PENDING_MAX: usize = 64;
/// Most members of a mesh.
pub const MEMBERS_MAX: usize = 65_536;
/// Most items of a roster: of each member its entry, and what closes its forks; and the system's own.
pub const ROSTER_ITEMS_MAX: usize = 2 * MEMBERS_MAX + QUOTA_SYSTEM_ITEMS as usize;
/// Most addresses that are remembered of one member, beside those that it publishes.
pub const CACHED_ADDRESSES_MAX: usize = 4;
/// Most members of whom addresses are remembered; of more, the ones used longest ago are forgotten.
pub const CACHED_MEMBERS_MAX: usize = 1_024;
/// Most addresses that the user names to begin with.
pub const USER_ADDRESSES_MAX: usize = 64;
/// Places for links that are kept for peers that are below their minimum, of [`LINKS_MAX`].
pub const NEEDY_PLACES: usize = 16;

/// Most tombstones that a shard keeps before the oldest are dropped.
pub const TOMBSTONES_MAX: u64 = 65_536;

/// Microseconds after which a read that was not gone on with loses its snapshot.
pub const READ_IDLE_MICROS: u64 = 600 * crate::time::SECOND;
/// Bytes that a store may always grow by while something is read.
pub const READ_GROWTH_BYTES: u64 = 256 << 20;

/// Items that one member may hold where its grant names no quota.
pub const QUOTA_ITEMS_DEFAULT: u64 = 1 << 24;
/// Bytes of keys and values that one member may hold where its grant names no quota.
pub const QUOTA_BYTES_DEFAULT: u64 = 16 << 30;
/// Items of the system that do not count against a quota.
pub const QUOTA_SYSTEM_ITEMS: u64 = 64;
/// Bytes of the system's items that do not count against a quota.
pub const QUOTA_SYSTEM_BYTES: u64 = 1 << 20;

const _: () = assert!(COMMIT_WRITES_MAX * ITEM_OVERHEAD_MAX + COMMIT_BYTES_MAX <= DELTA_BYTES_MAX);
const _: () = assert!(EVIDENCE_BYTES_MAX < EVIDENCE_TOTAL_BYTES_MAX);
const _: () = assert!(ROSTER_CHANGES_MAX <= COMMIT_WRITES_MAX);
const _: () = assert!(RANGE_ITEMS_MAX * ITEM_OVERHEAD_MAX + RANGE_BYTES_MAX <= DELTA_BYTES_MAX);
const _: () = assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX <= RANGE_BYTES_MAX);
const _: () = assert!(STRANGERS_MAX < LINKS_MAX && NEEDY_PLACES < LINKS_MAX);
const _: () = assert!(DELTA_BYTES_MAX < MESSAGE_BYTES_MAX && PUSH_BYTES_MAX < SMALL_BYTES_MAX);
