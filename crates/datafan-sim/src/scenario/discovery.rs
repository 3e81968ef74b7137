//! Discovery: members that find each other through the address book alone.

use serde::{Deserialize, Deserializer};

/// How members find each other. In a scenario, `discovery = true` selects the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// A member with fewer links than this dials every member it knows, 1 to 32; default 3.
    pub links_min: usize,
    /// Number of links up to which it dials, at least `links_min`, at most 48; default 6.
    pub links_wanted: usize,
    /// Number of addresses that a member is given at each start, as by its user: the first addresses of this
    /// many members that the topology lets it dial; default 0: all of them.
    pub seeds: usize,
    /// How many of a thousand members can dial but cannot be dialled; never the first of the mesh or of an
    /// island; default 0.
    pub dial_only_per_mille: u32,
    /// How long a dial waits for an answer, in milliseconds; default 5,000.
    pub dial_ms: u64,
    /// Time without any data after which a member considers a link down, in milliseconds; default 15,000.
    /// Also applies to members that lost their power. 0: everybody notices at once.
    pub idle_ms: u64,
    /// Within how many seconds links must connect all running members while all lines work and no fault
    /// happens; default 0: two minutes, or five seconds per member if that is more.
    pub joined_seconds: u64,
    /// Maximum mean number of links per member after the mesh was at rest, if `idle_rounds` leave enough time
    /// to drop superfluous ones; default 0: not checked. A single member may have more, since only the
    /// smaller id drops a link.
    pub links_at_rest: usize,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            links_min: 3,
            links_wanted: 6,
            seeds: 0,
            dial_only_per_mille: 0,
            dial_ms: 5_000,
            idle_ms: 15_000,
            joined_seconds: 0,
            links_at_rest: 0,
        }
    }
}

impl Discovery {
    /// Within how many seconds links must connect this many members.
    pub fn bound_seconds(&self, members: usize) -> u64 {
        if self.joined_seconds > 0 { self.joined_seconds } else { 120.max(5 * members as u64) }
    }
}

/// `true`, `false`, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Whether(bool),
    How(Discovery),
}

/// Parses the field of a scenario.
///
/// # Errors
/// If it is neither a boolean nor a table of these fields.
pub(super) fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Discovery>, D::Error> {
    Ok(match Said::deserialize(input)? {
        Said::Whether(false) => None,
        Said::Whether(true) => Some(Discovery::default()),
        Said::How(discovery) => Some(discovery),
    })
}
