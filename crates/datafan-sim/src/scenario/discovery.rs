//! Members that find each other by the address book alone.

use serde::{Deserialize, Deserializer};

/// How members look for each other. In a scenario, `discovery = true` stands for the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// Links below which a member dials whoever it knows, 1 to 32; default 3.
    pub links_min: usize,
    /// Links that it dials up to, at least `links_min`, at most 48; default 6.
    pub links_wanted: usize,
    /// Addresses that a member is given at each start, as by its user: those of so many of the members that
    /// the topology lets it dial, where they lived first; default 0: of all of them.
    pub seeds: usize,
    /// Of a thousand members so many can dial and cannot be dialled; never the first of the mesh or of an
    /// island; default 0.
    pub dial_only_per_mille: u32,
    /// How long a dial waits for an answer, in milliseconds; default 5,000.
    pub dial_ms: u64,
    /// How long nothing has come until a member gives a link up, in milliseconds; default 15,000. Also for
    /// members that lost their power. 0: everybody notices at once.
    pub idle_ms: u64,
    /// Within how many seconds links must join all members that run, whenever all lines work and nothing has
    /// happened to lines and members meanwhile; default 0: two minutes, or five seconds per member if that is
    /// more.
    pub joined_seconds: u64,
    /// How many links members may have on average after the mesh was watched at rest, where `idle_rounds`
    /// leave the time to drop what is too many; default 0: not looked at. A single member may have more: it
    /// is for the smaller id to drop a link.
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
    /// Within how long links must join all of so many members, in seconds.
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

/// Reads the field of a scenario.
///
/// # Errors
/// If it is neither a truth value nor a table of these fields.
pub(super) fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Discovery>, D::Error> {
    Ok(match Said::deserialize(input)? {
        Said::Whether(false) => None,
        Said::Whether(true) => Some(Discovery::default()),
        Said::How(discovery) => Some(discovery),
    })
}
