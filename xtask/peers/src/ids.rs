//! negentropy: two sets of (timestamp, 32 bytes), until the side that was away knows which ids each side
//! lacks.
//!
//! Differences from datafan: nothing is signed or verified, and no items are sent. The sets are sorted in
//! advance, which is not counted, as datafan's trie exists in advance too.

use crate::{
    data::{Place, sets},
    figures::{Figures, Stopwatch, memory},
};
use anyhow::{Result, ensure};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

/// Bytes and number of messages, and the time of both sides.
///
/// # Errors
/// If the result is wrong.
pub fn reconcile(items: u64, changed: u64, place: Place) -> Result<Figures> {
    let [old, new] = sets(items, changed, place);
    let (old, new) = (storage(&old)?, storage(&new)?);
    let (mut bytes, mut messages) = (0, 0);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let watch = Stopwatch::start()?;
    let mut asker = Negentropy::borrowed(&old, NO_LIMIT)?;
    let mut server = Negentropy::borrowed(&new, NO_LIMIT)?;
    let mut query = Some(asker.initiate()?);
    while let Some(message) = query {
        let answer = server.reconcile(&message)?;
        (bytes, messages) = (bytes + message.len() + answer.len(), messages + 2);
        query = asker.reconcile_with_ids(&answer, &mut have, &mut need)?;
    }
    let mut figures = Figures::default();
    figures.add_times("", &watch)?;
    ensure!(have.len() as u64 == changed && need.len() as u64 == changed, "the result is wrong");
    figures.add("bytes", bytes as f64);
    figures.add("messages", f64::from(messages));
    figures.add("peak_bytes", memory("VmHWM")?);
    Ok(figures)
}

fn storage(set: &[(u64, [u8; 32])]) -> Result<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::with_capacity(set.len());
    set.iter().try_for_each(|(timestamp, id)| storage.insert(*timestamp, Id::from_byte_array(*id)))?;
    storage.seal()?;
    Ok(storage)
}

/// As few messages as possible.
const NO_LIMIT: u64 = 0;
