//! The items of datafan's own benchmarks, made in the same way: see `xtask/bench/src/data.rs`.

/// Bytes of a key.
pub const KEY_BYTES: u64 = 16;
/// Bytes of a value.
pub const VALUE_BYTES: u64 = 100;

/// Which of the common items one side has overwritten.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Overwritten {
    /// The last ones written.
    Newest,
    /// Random ones.
    Random,
}

/// The key of the `n`th item: in no order, like keys of users.
pub fn key(n: u64) -> String {
    format!("{:016x}", scattered(n))
}

/// The `n`th item's value.
pub fn value(n: u64) -> Vec<u8> {
    let words = (0..).map(|word| scattered(n ^ (word << 40)).to_be_bytes());
    words.flatten().take(VALUE_BYTES as usize).collect()
}

/// The numbers of the items that are overwritten, ascending.
pub fn overwritten(items: u64, changed: u64, place: Overwritten) -> Vec<u64> {
    match place {
        Overwritten::Newest => (items - changed..items).collect(),
        Overwritten::Random => {
            let mut all: Vec<u64> = (0..items).collect();
            all.sort_unstable_by_key(|n| scattered(!n));
            all.truncate(changed as usize);
            all.sort_unstable();
            all
        }
    }
}

/// An element of a set: the time when the item was written, and 32 bytes that stand for its content.
pub type Element = (u64, [u8; 32]);

/// The set of a member that was away while `changed` items were overwritten, and that of the others. An item
/// is placed by its last write, so overwritten ones are at the end.
pub fn sets(items: u64, changed: u64, place: Overwritten) -> [Vec<Element>; 2] {
    let element = |n: u64, at: u64| (START + at, id(n, at));
    let old: Vec<Element> = (0..items).map(|n| element(n, n)).collect();
    let overwritten = overwritten(items, changed, place);
    let mut new = old.clone();
    let mut gone = overwritten.iter().copied().peekable();
    let mut n = 0;
    new.retain(|_| {
        let stays = gone.next_if_eq(&n).is_none();
        n += 1;
        stays
    });
    new.extend(overwritten.iter().zip(items + AWAY..).map(|(n, at)| element(*n, at)));
    [old, new]
}

fn id(n: u64, at: u64) -> [u8; 32] {
    let mut id = [0; 32];
    for (word, bytes) in (0u64..).zip(id.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&scattered(scattered(n) ^ at ^ (word << 56)).to_be_bytes());
    }
    id
}

/// A number for each number, without a pattern: the finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn scattered(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Microseconds since 1970, a time in 2026.
const START: u64 = 1_780_000_000_000_000;
/// Microseconds between the last common write and the first that one side missed: a second.
const AWAY: u64 = 1_000_000;
