//! The items that all measurements use, and meshes to put them in.

use anyhow::Result;
use datafan_core::{
    engine::{Config, Write},
    id::MeshId,
    identity::Identity,
    item::Key,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which of the common items were overwritten.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// Those that were written last.
    Newest,
    /// Any.
    Random,
}

/// Bytes of a value.
pub const VALUE_BYTES: u64 = 100;
/// Bytes of a key: short, so that what is beside key and value shows.
pub const KEY_BYTES: u64 = 16;
/// Writes of a commit, where many items are written one commit after the other.
pub const COMMIT_WRITES: u64 = 1_000;

/// The `n`th item's key: in no order, as keys of users.
pub fn key(n: u64) -> String {
    format!("{:016x}", scattered(n))
}

/// The `n`th item's value.
pub fn value(n: u64) -> Vec<u8> {
    let words = (0..).map(|word| scattered(n ^ (word << 40)).to_be_bytes());
    words.flatten().take(VALUE_BYTES as usize).collect()
}

/// A put of the `n`th item.
pub fn write(n: u64) -> Write {
    let key = Key::new(key(n)).expect("16 characters are a key");
    Write::Put { key, value: value(n).into(), expiry: None }
}

/// A put of the `n`th item with another value.
pub fn rewrite(n: u64) -> Write {
    let key = Key::new(key(n)).expect("16 characters are a key");
    Write::Put { key, value: value(!n).into(), expiry: None }
}

/// The numbers of the items that are overwritten, ascending. The peers' measurements choose the same.
pub fn overwritten(items: u64, changed: u64, place: Place) -> Vec<u64> {
    match place {
        Place::Newest => (items - changed..items).collect(),
        Place::Random => {
            let mut all: Vec<u64> = (0..items).collect();
            all.sort_unstable_by_key(|n| scattered(!n));
            all.truncate(changed as usize);
            all.sort_unstable();
            all
        }
    }
}

/// The puts of `items` items, in commits.
pub fn commits(items: u64, writes: u64) -> impl Iterator<Item = Vec<Write>> {
    (0..items).step_by(writes as usize).map(move |from| (from..items.min(from + writes)).map(write).collect())
}

/// Bytes of keys and values of `items` items.
pub fn data_bytes(items: u64) -> u64 {
    items * (KEY_BYTES + VALUE_BYTES)
}

/// The settings of member `number`; 0 founds the mesh. Nobody dials by itself.
pub fn config(number: u32) -> Result<Config> {
    let authority = Identity::from_secret(&secret(u32::MAX));
    let name = format!("member-{number}").parse()?;
    let mut config = Config::new(MeshId(authority.id()), Identity::from_secret(&secret(number)), name);
    (config.links_min, config.links_wanted_max, config.publish_links) = (0, 0, false);
    if number == 0 {
        config.authority = Some(authority);
        config.new_mesh = true;
    }
    Ok(config)
}

/// Microseconds since 1970.
pub fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn secret(number: u32) -> [u8; 32] {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    secret
}

/// A number for each number, without pattern: the finalizer of splitmix64 (Steele, Lea, Flood 2014).
pub fn scattered(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
