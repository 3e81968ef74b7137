//! Mutated inputs from a number, for ordinary tests on any toolchain, always the same.

use datafan_testkit::rng::Rng;

/// Longest input, in bytes.
pub const INPUT_BYTES_MAX: usize = 4_096;

/// One of `corpus`, which is not empty, with a few changes.
pub fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut bytes = rng.pick(corpus).clone();
    for _ in 0..=rng.below(4) {
        change(&mut bytes, corpus, rng);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.push(rng.next_u64() as u8);
    }
    let at = rng.index(bytes.len());
    match rng.below(9) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next_u64() as u8,
        2 => bytes[at] = *rng.pick(&[0, 1, 2, 0x7f, 0x80, 0xff]),
        3 => bytes.truncate(at),
        4 => bytes.insert(at, rng.next_u64() as u8),
        5 => drop(bytes.drain(at..(at + 1 + rng.index(8)).min(bytes.len()))),
        6 => {
            let part = part(bytes, rng).to_vec();
            drop(bytes.splice(at..at, part));
        }
        7 => {
            let other: &Vec<u8> = rng.pick(corpus);
            let part = part(other, rng).to_vec();
            let end = (at + part.len()).min(bytes.len());
            drop(bytes.splice(at..end, part));
        }
        _ => {
            // A large number, in its encoding.
            let number = (u64::MAX >> rng.below(64)).to_be_bytes();
            let len = 1 + rng.index(8);
            let end = (at + len).min(bytes.len());
            drop(bytes.splice(at..end, number[8 - len..].iter().copied()));
        }
    }
}

/// A piece of at most 64 bytes.
fn part<'a>(bytes: &'a [u8], rng: &mut Rng) -> &'a [u8] {
    if bytes.is_empty() {
        return bytes;
    }
    let from = rng.index(bytes.len());
    &bytes[from..(from + 1 + rng.index(64)).min(bytes.len())]
}
