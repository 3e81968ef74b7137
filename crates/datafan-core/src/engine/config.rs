//! What an engine is told when it opens.

use crate::{
    id::{MeshId, Name},
    identity::Identity,
    limits::{LINKS_MAX, READ_GROWTH_BYTES, READ_IDLE_MICROS, VALUE_BYTES_MAX},
    time::{SECOND, Timestamp},
};

/// An engine's settings: plain data, good enough as they are.
#[derive(Clone, Debug)]
pub struct Config {
    /// The mesh.
    pub mesh: MeshId,
    /// The member's own key.
    pub member: Identity,
    /// The authority's key, on the member that holds it: it writes the roster.
    pub authority: Option<Identity>,
    /// The name that the member would like; the one in its grant wins.
    pub name: Name,
    /// The oldest roster to accept, from the ticket; older ones are refused.
    pub roster_min: Timestamp,
    /// The store was just made by the founder of a new mesh: nobody can know more of our shards than it does.
    /// Only for the very first open.
    pub new_mesh: bool,
    /// Begins the member's own shard anew where its store has lost it, whatever the mesh still has of it:
    /// nothing is taken back, and the next commit replaces it everywhere. Default: no.
    pub abandon: bool,
    /// Mean time between rounds, in microseconds; default 1 s. Shorter finds lost messages sooner and costs
    /// 34 bytes per link each time.
    pub round_micros: u64,
    /// Links that the member dials up to; default 3.
    pub links_min: usize,
    /// Links above which the member dials nobody; default 6. It accepts up to `links_max`.
    pub links_wanted_max: usize,
    /// Whether the member publishes its links and looks who is reachable by what others publish; default yes.
    /// Off for simulations of very many members.
    pub publish_links: bool,
    /// Links that the member holds at most; at most and by default [`LINKS_MAX`]. Beyond, peers are refused
    /// as `busy`.
    pub links_max: usize,
    /// Heads per second that are taken of one owner; default 1,000. Of an owner that commits faster the
    /// newest head of each tenth of a second is taken, with all that was written until then: nothing is lost
    /// by a lower rate but time.
    pub owner_heads_max: u64,
    /// Bytes of items per second that are taken of one owner; default 256 MiB. What is more comes later.
    pub owner_bytes_max: u64,
    /// Bytes of messages per second that the member sends to all peers together; default: as many as the
    /// links take. Beyond, pushes are combined and answers wait; rounds and requests always go.
    pub send_bytes_max: u64,
    /// Longest value that this member writes, in bytes; at most and by default [`VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Tombstones that are kept per shard; default [`crate::limits::TOMBSTONES_MAX`]. Fewer cost reconciliations, never
    /// safety.
    pub tombstones_max: u64,
    /// Bytes of divergent copies that are kept for all owners together, counted by keys and values. By
    /// default (`None`) a tenth of what is free on the disk when one more is to be kept; 1 GiB where the
    /// store does not know that. One owner has a quarter of it. A state that would have to be kept and does
    /// not fit is not replaced.
    pub divergent_bytes_max: Option<u64>,
    /// How far ahead of our wall clock a head may be, in microseconds; default 1 h.
    pub clock_ahead_micros: u64,
    /// How long a proven store waits for a peer before its first own commit, in microseconds; default 5 s.
    pub confirm_micros: u64,
    /// How long a member that has lost its own shard, or the end of it, listens before it takes the greatest
    /// head that its peers hold, in microseconds; default 1 s.
    pub settle_micros: u64,
    /// How long a head learned in a round waits for its push before it is pulled, in microseconds; default
    /// 200 ms.
    pub grace_micros: u64,
    /// How long a request waits for its answer before another neighbour is asked, in microseconds; default 10
    /// s.
    pub request_micros: u64,
    /// How long others' data may stay unsynced, in microseconds; default 1 s.
    pub sync_micros: u64,
    /// How long a state that a peer copies is kept for it, however often it asks, in microseconds; default 30
    /// s. A third of it after the last request.
    pub pin_micros: u64,
    /// Bytes that the store may write while such a state is kept, or a quarter of what it takes on disk if
    /// that is more: the store cannot use the room again meanwhile. Default 8 MiB.
    pub pin_growth_bytes: u64,
    /// How long a reader of the member may leave a snapshot unused before it is taken back, in microseconds;
    /// default [`READ_IDLE_MICROS`].
    pub read_idle_micros: u64,
    /// Bytes that the store may always grow by while a snapshot is read; beyond, it may grow by half. Default
    /// [`READ_GROWTH_BYTES`].
    pub read_growth_bytes: u64,
    /// A younger snapshot is never taken back because the store grows, in microseconds; default 10 s.
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
