//! riblt: two sets of 32 bytes each, until the side that was away knows which elements each side lacks.
//!
//! Differences from datafan: nothing is signed or verified, no items are sent, and the ids have no
//! timestamps. The number of coded symbols that suffice is assumed to be known: it is found in advance, and
//! only the last attempt is counted. The count of a coded symbol is taken as one byte, as in the paper (Yang,
//! Gilad, Alizadeh 2024); the crate's own form has eight.

use crate::{
    data::{Element, Overwritten, sets},
    figures::{Figures, Stopwatch, memory},
};
use anyhow::{Result, ensure};
use riblt::{RatelessIBLT, Symbol, UnmanagedRatelessIBLT};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Id([u8; 32]);

impl Symbol for Id {
    const BYTE_ARRAY_LENGTH: usize = 32;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(bytes);
        Self(id)
    }
}

/// Bytes of coded symbols, and the time of both sides.
///
/// # Errors
/// If the result is wrong.
pub fn reconcile(items: u64, changed: u64, place: Overwritten) -> Result<Figures> {
    let [old, new] = sets(items, changed, place).map(|set| ids(&set));
    let symbols = enough(&old, &new, 2 * changed as usize);
    let watch = Stopwatch::start()?;
    let sent = encode(&new, symbols);
    let encoded = watch.worked()?;
    let mut difference = RatelessIBLT::new(old).collapse(&sent);
    let found = difference.peel_all_symbols().len() as u64;
    let mut figures = Figures::default();
    figures.add_times("", &watch)?;
    ensure!(found == 2 * changed && difference.is_empty(), "the result is wrong");
    figures.add("encode_cpu_s", encoded.as_secs_f64());
    figures.add("bytes", (symbols * SYMBOL_BYTES) as f64);
    figures.add("messages", 2.0);
    figures.add("peak_bytes", memory("VmHWM")?);
    Ok(figures)
}

fn ids(set: &[Element]) -> Vec<Id> {
    set.iter().map(|(_, id)| Id(*id)).collect()
}

/// The first `symbols` coded symbols.
fn encode(set: &[Id], symbols: usize) -> UnmanagedRatelessIBLT<Id> {
    let mut all = RatelessIBLT::new(set.to_vec());
    all.extend_coded_symbols(symbols - 1);
    let mut sent = UnmanagedRatelessIBLT::new();
    all.coded_symbols.iter().take(symbols).for_each(|symbol| sent.add_coded_symbol(symbol));
    sent
}

/// Enough coded symbols to decode all `differing` ids: the minimum, or up to 2 % more.
fn enough(old: &[Id], new: &[Id], differing: usize) -> usize {
    // The same coded symbols, made only from the differing elements: the others cancel out.
    let lost: std::collections::BTreeSet<&[u8; 32]> = new.iter().map(|id| &id.0).collect();
    let held: std::collections::BTreeSet<&[u8; 32]> = old.iter().map(|id| &id.0).collect();
    let only = |set: &[Id], other: &std::collections::BTreeSet<&[u8; 32]>| -> Vec<Id> {
        set.iter().filter(|id| !other.contains(&id.0)).cloned().collect()
    };
    let (old, new) = (only(old, &lost), only(new, &held));
    // Fewer than 1.25 times as many hardly ever suffice, except for small numbers.
    let mut symbols = if differing < 1_000 { differing } else { differing * 5 / 4 };
    loop {
        let mut difference = RatelessIBLT::new(old.clone()).collapse(&encode(&new, symbols));
        difference.peel_all_symbols();
        if difference.is_empty() {
            return symbols;
        }
        symbols += (symbols / 50).max(1);
    }
}

/// The id, its hash and a count.
const SYMBOL_BYTES: usize = 32 + 8 + 1;
