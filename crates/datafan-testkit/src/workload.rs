//! The members and items of measurements, the same in every run.

use crate::rng::Rng;
use datafan_core::{
    engine::{Config, Write},
    id::{MeshId, NameError},
    identity::Identity,
    item::Key,
};

/// Bytes of a value.
pub const VALUE_BYTES: u64 = 100;
/// Bytes of a key: short, so that the overhead per item shows.
pub const KEY_BYTES: u64 = 16;

/// The key of the `n`th item: in no particular order, like keys of users.
pub fn key(n: u64) -> Key {
    Key::new(format!("{:016x}", scattered(n))).expect("16 characters are a key")
}

/// A value; different for each `seed`.
pub fn value(seed: u64) -> Vec<u8> {
    let words = (0..).map(|word| scattered(seed ^ (word << 40)).to_be_bytes());
    words.flatten().take(VALUE_BYTES as usize).collect()
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

/// The settings of member `number`; 0 founds the mesh. No member dials on its own.
///
/// # Errors
/// Never: every number makes a valid name.
pub fn config(number: u32) -> Result<Config, NameError> {
    let mut config = Config::new(mesh(), identity(number), format!("member-{number}").parse()?);
    (config.links_min, config.links_wanted_max, config.publish_links) = (0, 0, false);
    if number == 0 {
        config.authority = Some(authority());
        config.new_mesh = true;
    }
    Ok(config)
}

/// A number for each number, without a pattern.
pub fn scattered(n: u64) -> u64 {
    Rng::new(n).next_u64()
}
