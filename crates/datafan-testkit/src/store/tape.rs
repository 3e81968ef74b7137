//! The possible contents of a file after a power cut, given all operations on it.

use crate::rng::Rng;

/// An operation of a store on its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The operation.
    pub operation: Operation,
    /// Whether it failed. A failed write may have got through in part; after a failed sync, the data it
    /// should have made durable may be lost even if a later sync succeeds, as on Linux.
    pub failed: bool,
}

/// A change of the file, or a sync.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Bytes written at an offset.
    Write {
        /// The offset.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// The file was cut off or extended with zeros.
    Length(u64),
    /// Everything before was made durable.
    Sync,
}

/// How much of the unsynced data is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Nothing: only the process ended.
    None,
    /// Everything.
    All,
    /// Everything from a moment on; the operation at that moment is torn.
    Tail(usize),
    /// Each operation with this probability in tenths; the same share of the others is torn.
    Some { lost: u64, torn: u64 },
}

/// A file as a power cut may leave it, which was `base` before `tape`. `rng` chooses among all possibilities.
pub fn cut(base: &[u8], tape: &[Recorded], rng: &mut Rng) -> Vec<u8> {
    let mut file = base.to_vec();
    let mut unsynced = 0;
    for (at, recorded) in tape.iter().enumerate() {
        if recorded.operation == Operation::Sync {
            let loss = if recorded.failed { Loss::any(rng, at - unsynced) } else { Loss::None };
            replay(&mut file, &tape[unsynced..at], loss, rng);
            unsynced = at + 1;
        }
    }
    let rest = &tape[unsynced..];
    let loss = Loss::any(rng, rest.len());
    replay(&mut file, rest, loss, rng);
    file
}

/// The file if only the process ended.
pub fn end(base: &[u8], tape: &[Recorded]) -> Vec<u8> {
    let mut file = base.to_vec();
    let done = tape.iter().filter(|recorded| !recorded.failed);
    done.for_each(|recorded| apply(&mut file, &recorded.operation));
    file
}

impl Loss {
    fn any(rng: &mut Rng, operations: usize) -> Self {
        match rng.below(8) {
            0 => Self::None,
            1 => Self::All,
            2 | 3 => Self::Tail(rng.index(operations + 1)),
            _ => Self::Some { lost: 1 + rng.below(9), torn: rng.below(10) },
        }
    }
}

/// Applies those of `operations`, none of which is a sync, that are not lost.
fn replay(file: &mut Vec<u8>, operations: &[Recorded], loss: Loss, rng: &mut Rng) {
    for (at, recorded) in operations.iter().enumerate() {
        let (lost, torn) = match loss {
            Loss::None => (false, false),
            Loss::All => (true, false),
            Loss::Tail(first) => (at > first, at == first),
            Loss::Some { lost, torn } => (rng.chance(lost, 10), rng.chance(torn, 10)),
        };
        if torn || recorded.failed {
            tear(file, &recorded.operation, rng);
        } else if !lost {
            apply(file, &recorded.operation);
        }
    }
}

fn apply(file: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write { offset, bytes } => write(file, *offset as usize, bytes),
        Operation::Length(len) => file.resize(*len as usize, 0),
        Operation::Sync => {}
    }
}

/// Applies a part: of a write, the bytes before or after some offset, or some sectors; a length completely or
/// not at all.
fn tear(file: &mut Vec<u8>, operation: &Operation, rng: &mut Rng) {
    let Operation::Write { offset, bytes } = operation else {
        if rng.chance(1, 2) {
            apply(file, operation);
        }
        return;
    };
    let (offset, middle) = (*offset as usize, rng.index(bytes.len() + 1));
    match rng.below(3) {
        0 => write(file, offset, &bytes[..middle]),
        1 => write(file, offset + middle, &bytes[middle..]),
        _ => {
            for (n, sector) in bytes.chunks(SECTOR).enumerate() {
                if rng.chance(1, 2) {
                    write(file, offset + n * SECTOR, sector);
                }
            }
        }
    }
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end && !bytes.is_empty() {
        file.resize(end, 0);
    }
    if !bytes.is_empty() {
        file[offset..end].copy_from_slice(bytes);
    }
}

/// The unit that most disks write atomically.
const SECTOR: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn done(operation: Operation) -> Recorded {
        Recorded { operation, failed: false }
    }

    fn tape() -> Vec<Recorded> {
        let write = |offset, bytes: &[u8]| Operation::Write { offset, bytes: bytes.to_vec() };
        [Operation::Length(4), write(0, b"ab"), Operation::Sync, write(1, b"xyz"), write(0, b"q")]
            .map(done)
            .to_vec()
    }

    fn cuts(tape: &[Recorded]) -> BTreeSet<Vec<u8>> {
        (0..500).map(|seed| cut(b"", tape, &mut Rng::new(seed))).collect()
    }

    #[test]
    fn what_was_synced_is_there_and_of_the_rest_any_part() {
        let cuts = cuts(&tape());
        for possible in [&b"ab\0\0"[..], b"axyz", b"qxyz", b"qb\0\0", b"ax\0\0", b"axy\0", b"ab\0z", b"qbyz"]
        {
            assert!(cuts.contains(possible), "{possible:?}");
        }
        assert!(cuts.iter().all(|file| file.len() == 4 && file[0] != 0 && file[1] != 0));
        assert_eq!(end(b"", &tape()), b"qxyz");
    }

    #[test]
    fn what_a_failed_sync_should_have_made_durable_may_be_lost_for_ever() {
        let write = |offset, bytes: &[u8]| done(Operation::Write { offset, bytes: bytes.to_vec() });
        let failed = Recorded { operation: Operation::Sync, failed: true };
        let tape = [write(0, b"a"), failed, write(1, b"b"), done(Operation::Sync)];
        assert!(cuts(&tape).into_iter().eq([b"\0b", b"ab"]));
    }
}
