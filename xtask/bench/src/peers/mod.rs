//! Measurements side by side with peers; `xtask/peers` measures theirs.

mod documents;
mod gossip;
mod live;
mod memory;
mod sets;

use crate::{report::Report, scale::Scale, side::Peers};
use anyhow::Result;

type Measure = fn(&Peers, &Scale, &mut Report) -> Result<()>;

/// All of them, by name.
pub const MEASUREMENTS: &[(&str, Measure)] = &[
    ("peers-sets", sets::measure),
    ("peers-documents", documents::measure),
    ("peers-gossip", gossip::measure),
    ("peers-live", live::measure),
    ("peers-memory", memory::measure),
];
