//! Subjects without an engine: decoding a message, signing and verifying.

use crate::{data, meter::Meter};
use anyhow::{Result, bail, ensure};
use datafan_core::{
    head::Head,
    identity::{Identity, Strict},
    item::Item,
    message::{Delta, Message, encode_delta},
    time::Timestamp,
};
use std::hint::black_box;

/// Decodes a push with its items.
pub fn decode_push(meter: &mut Meter) -> Result<()> {
    let bytes = Lonely::new(1).push();
    for _ in 0..100 {
        let read = meter.measure(|| read(black_box(&bytes)))?;
        ensure!(read.len() == 1, "a push of one item");
    }
    Ok(())
}

fn read(bytes: &[u8]) -> Result<Vec<Item>> {
    let Message::Push(delta) = Message::decode(bytes)? else { bail!("not a push") };
    Ok(delta.contents()?.0)
}

/// Verifies heads.
pub fn verify(meter: &mut Meter) -> Result<()> {
    let mesh = data::mesh();
    for number in 1..=OPERATIONS {
        let head = Lonely::new(number).head();
        ensure!(meter.measure(|| black_box(&head).verify(&mesh, &Strict)), "a good signature");
    }
    Ok(())
}

/// Signs heads.
pub fn sign(meter: &mut Meter) -> Result<()> {
    let mesh = data::mesh();
    for number in 1..=OPERATIONS {
        let lonely = Lonely::new(number);
        let head = lonely.head();
        let signed = meter.measure(|| black_box(head).signed(&mesh, &lonely.identity));
        ensure!(signed == head, "signing is deterministic");
    }
    Ok(())
}

/// An owner of one item without an engine: its messages are made here.
pub struct Lonely {
    number: u32,
    identity: Identity,
    /// How often it has replaced its item.
    n_commits: u64,
}

impl Lonely {
    /// An owner that has just written its item.
    pub fn new(number: u32) -> Self {
        Self { number, identity: data::identity(number), n_commits: 1 }
    }

    /// Replaces its item.
    pub fn commit(&mut self) {
        self.n_commits += 1;
    }

    /// The push from its previous state.
    pub fn push(&self) -> Vec<u8> {
        let base = if self.n_commits == 1 { Timestamp::ZERO } else { self.timestamp(self.n_commits - 1) };
        let body = encode_delta(base, &[self.item()], &[]);
        Message::Push(Delta::new(self.head(), base, &body)).encode()
    }

    fn head(&self) -> Head {
        let item = self.item();
        // The root of a trie with one leaf is that leaf.
        let (timestamp, bytes, root) = (item.timestamp, item.bytes(), item.leaf_hash());
        Head { owner: self.identity.id(), timestamp, items: 1, bytes, root, signature: [0; 64] }
            .signed(&data::mesh(), &self.identity)
    }

    fn item(&self) -> Item {
        let timestamp = self.timestamp(self.n_commits);
        let value = data::value(timestamp.0).into();
        Item { key: data::key(self.number.into()), timestamp, expiry: None, value }
    }

    fn timestamp(&self, n_commits: u64) -> Timestamp {
        Timestamp(data::WALL.0 + u64::from(self.number) * 1_000 + n_commits)
    }
}

const OPERATIONS: u32 = 20;
