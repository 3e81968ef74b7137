//! The properties of links.

use crate::world::LinkProfile;
use serde::Deserialize;

/// The links of a mesh.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The latency of messages; default `lan`.
    pub latency: Latency,
    /// Bytes per second of each lane of a link; default 0: unlimited.
    pub bytes_per_second: u64,
    /// Bytes that wait in a lane before it is full; 0 stands for two of the largest messages.
    pub queue_bytes: u64,
}

/// The latency of messages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum Latency {
    /// 100 to 400 microseconds.
    #[default]
    Lan,
    /// Members are spread over regions in turn; between two regions, half their round trip and up to a tenth
    /// more.
    Wan {
        /// The regions; all of them by default.
        #[serde(default = "Region::all")]
        regions: Vec<Region>,
    },
    /// Constant.
    Constant {
        /// One way, in microseconds.
        micros: u64,
    },
    /// Uniform between two bounds.
    Uniform {
        /// The lower bound, one way, in microseconds.
        least_micros: u64,
        /// The upper bound, one way, in microseconds.
        most_micros: u64,
    },
    /// Mostly short, but occasionally ten or a hundred times as long.
    LongTail {
        /// Latency of most messages, one way, in microseconds; up to half of it is added.
        micros: u64,
        /// How many of a thousand messages take at least ten times as long.
        tail_per_mille: u32,
    },
}

/// The regions of members.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// North Virginia.
    UsEast,
    /// California.
    UsWest,
    /// Sao Paulo.
    SaEast,
    /// Ireland.
    EuWest,
    /// Frankfurt.
    EuCentral,
    /// Mumbai.
    ApSouth,
    /// Singapore.
    ApSoutheast,
    /// Tokyo.
    ApNortheast,
}

/// Round trips between regions in milliseconds, as published by public clouds, in the order of [`Region`].
const ROUND_TRIP_MS: [[u64; 8]; 8] = [
    [1, 62, 115, 68, 92, 190, 215, 150],
    [62, 1, 172, 128, 147, 222, 165, 100],
    [115, 172, 1, 178, 204, 302, 325, 258],
    [68, 128, 178, 1, 25, 122, 175, 205],
    [92, 147, 204, 25, 1, 112, 158, 226],
    [190, 222, 302, 122, 112, 1, 56, 125],
    [215, 165, 325, 175, 158, 56, 1, 70],
    [150, 100, 258, 205, 226, 125, 70, 1],
];

impl Region {
    /// All regions.
    pub fn all() -> Vec<Self> {
        use Region::{ApNortheast, ApSouth, ApSoutheast, EuCentral, EuWest, SaEast, UsEast, UsWest};
        vec![UsEast, UsWest, SaEast, EuWest, EuCentral, ApSouth, ApSoutheast, ApNortheast]
    }
}

impl Network {
    /// The properties of the link of two members; computed, not stored.
    pub fn profile(&self, a: usize, b: usize) -> LinkProfile {
        let mut profile = LinkProfile {
            rate: (self.bytes_per_second > 0).then_some(self.bytes_per_second),
            ..LinkProfile::default()
        };
        if self.queue_bytes > 0 {
            profile.queue_bytes = self.queue_bytes as usize;
        }
        (profile.latency_micros, profile.jitter_micros) = match &self.latency {
            Latency::Lan => (100, 300),
            Latency::Wan { regions } => {
                let of = |member: usize| regions[member % regions.len()] as usize;
                let one_way = ROUND_TRIP_MS[of(a)][of(b)] * 500;
                (one_way, one_way / 10)
            }
            Latency::Constant { micros } => (*micros, 0),
            Latency::Uniform { least_micros, most_micros } => (*least_micros, most_micros - least_micros),
            Latency::LongTail { micros, tail_per_mille } => {
                (profile.tail_ppm, profile.tail_micros) = (tail_per_mille * 1_000, micros * 10);
                (*micros, micros / 2)
            }
        };
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_the_same_both_ways() {
        for (a, row) in ROUND_TRIP_MS.iter().enumerate() {
            assert!(row.iter().enumerate().all(|(b, ms)| *ms == ROUND_TRIP_MS[b][a]), "row {a}");
        }
    }
}
