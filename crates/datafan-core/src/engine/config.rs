//! The configuration of an engine.

use crate::{
    id::{MeshId, Name},
    identity::Identity,
    limits::{LINKS_MAX, READ_GROWTH_BYTES, READ_IDLE_MICROS, VALUE_BYTES_MAX},
    time::{SECOND, Timestamp},
};

/// An engine's settings: plain data with defaults that are good enough to ship.
#[derive(Clone, Debug)]
pub struct Config {
    /// The mesh.
    pub mesh: MeshId,
    /// The member's own key.
    pub member: Identity,
    /// The authority's key, on a member that changes the roster; `None` elsewhere.
    pub authority: Option<Identity>,
    /// The name that the member asks for. The name in its grant takes precedence.
    pub name: Name,
    /// The oldest roster to accept, from the ticket. Older ones are refused.
    pub roster_min: Timestamp,
    /// The store was just created by the founder of a new mesh, so no peer can hold a later state of our
    /// shards. Only for the first open.
    pub new_mesh: bool,
    /// If the store lost the member's own shard, start an empty one, discarding any copy that peers hold:
    /// nothing is recovered, and the next commit replaces the shard everywhere. Default: no.
    pub abandon: bool,
    /// Mean time between rounds, in microseconds; default 1 s. A shorter time finds lost messages sooner and
    /// costs 34 bytes per link and round.
    pub round_micros: u64,
    /// Minimum number of links: with fewer, the member dials; default 3.
    pub links_min: usize,
    /// Number of links from which the member stops dialling; default 6. It accepts up to `links_max`.
    pub links_wanted_max: usize,
    /// Whether the member publishes its links, and derives from the links of others who is reachable; default
    /// yes. Off for simulations of very many members.
    pub publish_links: bool,
    /// Maximum number of links; at most and by default [`LINKS_MAX`]. Further peers are refused as `busy`.
    pub links_max: usize,
    /// Heads per second that are accepted from one owner; default 1,000. If an owner commits faster, the
    /// newest head of each tenth of a second is taken, with everything that was written until then. A lower
    /// rate delays data but loses none.
    pub owner_heads_max: u64,
    /// Bytes of items per second that are accepted from one owner; default 256 MiB. Data beyond that is
    /// fetched later.
    pub owner_bytes_max: u64,
    /// Send budget: bytes of messages per second to all peers together; default unlimited. Beyond it, pushes
    /// are combined and answers wait; rounds and requests are always sent.
    pub send_bytes_max: u64,
    /// Longest value that this member writes, in bytes; at most and by default [`VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Tombstones that are kept per shard; default [`crate::limits::TOMBSTONES_MAX`]. With fewer, peers need
    /// more reconciliations; correctness is not affected.
    pub tombstones_max: u64,
    /// Bytes of keys and values in divergent copies that are kept for all owners together. The default
    /// (`None`) is a tenth of the free disk space at the time when a copy is added, or 1 GiB if the store
    /// does not report free space. One owner may use a quarter of it. If a copy does not fit, the visible
    /// state is not replaced.
    pub divergent_bytes_max: Option<u64>,
    /// How far ahead of our wall clock a head may be, in microseconds; default 1 h.
    pub clock_ahead_micros: u64,
    /// How long a store that was confirmed before waits for a peer before its first own commit, in
    /// microseconds; default 5 s.
    pub confirm_micros: u64,
    /// How long a member that lost its own shard, or the end of it, waits before it takes the greatest head
    /// that its peers hold, in microseconds; default 1 s.
    pub settle_micros: u64,
    /// How long a head learned in a round waits for its push before it is pulled, in microseconds; default
    /// 200 ms.
    pub grace_micros: u64,
    /// How long a request waits for its answer before another peer is asked, in microseconds; default 10 s.
    pub request_micros: u64,
    /// How long data of other members may stay unsynced, in microseconds; default 1 s.
    pub sync_micros: u64,
    /// How long a state that a peer copies is pinned for it at most, in microseconds; default 30 s. After the
    /// peer's last request it is kept for a third of this time.
    pub pin_micros: u64,
    /// Bytes that the store may write while a state is pinned, or a quarter of its size on disk if that is
    /// more. The store cannot reuse the space of a pinned state. Default 8 MiB.
    pub pin_growth_bytes: u64,
    /// How long a reader may leave a snapshot unused before it is revoked, in microseconds; default
    /// [`READ_IDLE_MICROS`].
    pub read_idle_micros: u64,
    /// Bytes that the store may grow by while a snapshot is read, or half of its size if that is more.
    /// Default [`READ_GROWTH_BYTES`].
    pub read_growth_bytes: u64,
    /// Age up to which a snapshot is never revoked because the store grows, in microseconds; default 10 s.
    pub read_age_micros: u64,
}

impl Config {
    /// The defaults for a member of a mesh.
    pub fn new(mesh: MeshId, member: Identity, name: Name) -> Self {
        Self {
            mesh,
            member,
            authority: None,
            name,
            roster_min: Timestamp::ZERO,
            new_mesh: false,
            abandon: false,
            round_micros: SECOND,
            links_min: 3,
            links_wanted_max: 6,
            publish_links: true,
            links_max: LINKS_MAX,
            owner_heads_max: 1_000,
            owner_bytes_max: 256 << 20,
            send_bytes_max: u64::MAX,
            value_bytes_max: VALUE_BYTES_MAX,
            tombstones_max: crate::limits::TOMBSTONES_MAX,
            divergent_bytes_max: None,
            clock_ahead_micros: 3_600 * SECOND,
            confirm_micros: 5 * SECOND,
            settle_micros: SECOND,
            grace_micros: SECOND / 5,
            request_micros: 10 * SECOND,
            sync_micros: SECOND,
            pin_micros: 30 * SECOND,
            pin_growth_bytes: 8 << 20,
            read_idle_micros: READ_IDLE_MICROS,
            read_growth_bytes: READ_GROWTH_BYTES,
            read_age_micros: 10 * SECOND,
        }
    }
}
