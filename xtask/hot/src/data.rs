//! Keys, values and members: the same in every run.

use anyhow::Result;
use datafan_core::{
    engine::{Config, Write},
    id::MeshId,
    identity::Identity,
    item::Key,
    time::Timestamp,
};

/// Items of a shard that counts as one of a usual size.
pub const ITEMS: u64 = 10_000;
/// Where the clocks begin: in the year 2025.
pub const WALL: Timestamp = Timestamp(1_750_000_000_000_000);

/// The `n`th item's key, in no order.
pub fn key(n: u64) -> Key {
    Key::new(format!("{:016x}", scattered(n))).expect("16 characters are a key")
}

/// A value of 100 bytes; another one for each `seed`.
pub fn value(seed: u64) -> Vec<u8> {
    (0..13).flat_map(|word| scattered(seed ^ (word << 40)).to_be_bytes()).take(100).collect()
}

/// A put of the `n`th item.
pub fn put(n: u64, seed: u64) -> Write {
    Write::Put { key: key(n), value: value(seed).into(), expiry: None }
}

/// The key pair of member `number`.
pub fn identity(number: u32) -> Identity {
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    Identity::from_secret(&secret)
}

/// The key pair of the mesh.
pub fn authority() -> Identity {
    identity(u32::MAX)
}

/// The one mesh.
pub fn mesh() -> MeshId {
    MeshId(authority().id())
}

/// The settings of member `number`; 0 founds the mesh. Nobody dials.
pub fn config(number: u32) -> Result<Config> {
    let mut config = Config::new(mesh(), identity(number), format!("member-{number}").parse()?);
    (config.links_min, config.links_wanted_max, config.publish_links) = (0, 0, false);
    if number == 0 {
        config.authority = Some(authority());
        config.new_mesh = true;
    }
    Ok(config)
}

/// One of `0..below` for each `n`, without pattern.
pub fn lot(n: u64, below: u64) -> u64 {
    scattered(n) % below
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
fn scattered(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
