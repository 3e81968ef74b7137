//! Every limit in one place, with the relations between neighbours checked at compile time.
//!
//! Limits on what a peer sends are part of the protocol: raising one requires a new protocol version.

/// Longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1_024;
/// Longest value that any member accepts, in bytes. A writer may set a lower limit for itself.
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
/// Most tombstones in one delta. This is sixteen full commits, because an owner that keeps deleting is some
/// commits ahead of the members that follow it.
pub const DELTA_TOMBSTONES_MAX: usize = 16 * COMMIT_WRITES_MAX;
/// Most bytes of a delta that is pushed unasked. For a larger delta only the head is announced.
pub const PUSH_BYTES_MAX: usize = 64 << 10;

/// Most items in the ranges of one answer.
pub const RANGE_ITEMS_MAX: usize = 4_096;
/// Most bytes of keys and values in the ranges of one answer.
pub const RANGE_BYTES_MAX: usize = 4 << 20;
/// Most slots (nodes or ranges) in one request.
pub const SLOTS_MAX: usize = 256;
/// Most slots of the trie of heads in one request.
pub const HEAD_SLOTS_MAX: usize = 32;
/// Most heads of the receiver's own shards in one Hello.
pub const HELLO_HEADS_MAX: usize = 8;
/// Most owners in one pull, and most heads in one message.
pub const OWNERS_PER_MESSAGE_MAX: usize = 256;
/// Most pending requests of one peer; further requests are dropped and counted.
pub const REQUESTS_PENDING_MAX: usize = 64;
/// Most requests of one transfer that are in flight at once.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 8;

/// Most divergent copies that a member keeps of one owner.
pub const DIVERGENT_COPIES_MAX: usize = 16;
/// Most divergent copies of its shard that an owner remembers to fetch.
pub const DIVERGENT_TOLD_MAX: usize = 64;

/// Most misbehaving peers that a member remembers. Beyond that, the peer with the fewest violations is
/// forgotten.
pub const PENALTIES_MAX: usize = 1_024;
/// Most owners that a member remembers for signing an invalid state: every member.
pub const INVALID_OWNERS_MAX: usize = MEMBERS_MAX;
/// Most pieces of fork evidence that are kept about one owner.
pub const EVIDENCE_PER_OWNER_MAX: usize = 4;
/// Longest value of an item in evidence, in bytes. Evidence with a longer value is not kept.
pub const EVIDENCE_VALUE_BYTES_MAX: usize = 64 << 10;
/// Longest evidence, in bytes; checked before memory is allocated for it.
pub const EVIDENCE_BYTES_MAX: usize = EVIDENCE_VALUE_BYTES_MAX + (64 << 10);
/// Most bytes of encoded evidence that are kept in total.
pub const EVIDENCE_TOTAL_BYTES_MAX: usize = 4 << 20;

/// Largest message, in bytes. A connector refuses a longer frame before it reserves memory for it.
pub const MESSAGE_BYTES_MAX: usize = DELTA_BYTES_MAX + (64 << 10);
/// Largest message of the small lane, in bytes.
pub const SMALL_BYTES_MAX: usize = 128 << 10;

/// Most bytes that an encoded item takes beyond its key and value: timestamp, expiry and two lengths.
pub const ITEM_OVERHEAD_MAX: usize = 24;

/// Most runs of other processes with its key that a member reports.
pub const SEEN_RUNS_MAX: usize = 4;
/// Most links that a member has.
pub const LINKS_MAX: usize = 64;
/// Most links with peers that dialled us and are not in our roster.
pub const STRANGERS_MAX: usize = 16;
/// Most members that wait to be admitted; beyond that, the oldest is forgotten.
pub const PENDING_MAX: usize = 64;
/// Most members of a mesh.
pub const MEMBERS_MAX: usize = 65_536;
/// Most items of a roster: for each member its entry and the closing of its forks, plus the system items.
pub const ROSTER_ITEMS_MAX: usize = 2 * MEMBERS_MAX + QUOTA_SYSTEM_ITEMS as usize;
/// Most addresses that are remembered for one member, beside those that it publishes.
pub const CACHED_ADDRESSES_MAX: usize = 4;
/// Most members whose addresses are remembered; beyond that, the least recently used are forgotten.
pub const CACHED_MEMBERS_MAX: usize = 1_024;
/// Most bootstrap addresses that the user gives.
pub const USER_ADDRESSES_MAX: usize = 64;
/// Links, out of [`LINKS_MAX`], that are reserved for peers with fewer links than their minimum.
pub const NEEDY_PLACES: usize = 16;

/// Most tombstones that a shard keeps before the oldest are dropped.
pub const TOMBSTONES_MAX: u64 = 65_536;

/// Microseconds after which an idle reader loses its snapshot.
pub const READ_IDLE_MICROS: u64 = 600 * crate::time::SECOND;
/// Bytes that a store may always grow by while a snapshot is read.
pub const READ_GROWTH_BYTES: u64 = 256 << 20;

/// Items that one member may store if its grant sets no quota.
pub const QUOTA_ITEMS_DEFAULT: u64 = 1 << 24;
/// Bytes of keys and values that one member may store if its grant sets no quota.
pub const QUOTA_BYTES_DEFAULT: u64 = 16 << 30;
/// System items that do not count against a quota.
pub const QUOTA_SYSTEM_ITEMS: u64 = 64;
/// Bytes of system items that do not count against a quota.
pub const QUOTA_SYSTEM_BYTES: u64 = 1 << 20;

const _: () = assert!(COMMIT_WRITES_MAX * ITEM_OVERHEAD_MAX + COMMIT_BYTES_MAX <= DELTA_BYTES_MAX);
const _: () = assert!(EVIDENCE_BYTES_MAX < EVIDENCE_TOTAL_BYTES_MAX);
const _: () = assert!(ROSTER_CHANGES_MAX <= COMMIT_WRITES_MAX);
const _: () = assert!(RANGE_ITEMS_MAX * ITEM_OVERHEAD_MAX + RANGE_BYTES_MAX <= DELTA_BYTES_MAX);
const _: () = assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX <= RANGE_BYTES_MAX);
const _: () = assert!(STRANGERS_MAX < LINKS_MAX && NEEDY_PLACES < LINKS_MAX);
const _: () = assert!(DELTA_BYTES_MAX < MESSAGE_BYTES_MAX && PUSH_BYTES_MAX < SMALL_BYTES_MAX);
