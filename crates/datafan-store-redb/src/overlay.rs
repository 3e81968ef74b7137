//! Writes that are kept in memory above an unchanged file.

use redb::{StorageBackend, backends::FileBackend};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
};

/// Blocks that differ from those of the file, and the length.
#[derive(Debug)]
pub struct Overlay {
    blocks: BTreeMap<u64, Box<[u8]>>,
    len: u64,
}

impl Overlay {
    /// An overlay without changes to `file`.
    pub fn new(file: &FileBackend) -> io::Result<Self> {
        Ok(Self { blocks: BTreeMap::new(), len: file.len()? })
    }

    /// The length with the writes applied.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Truncates or appends zeros.
    pub fn set_len(&mut self, file: &FileBackend, len: u64) -> io::Result<()> {
        if len < self.len {
            // Truncated bytes read as zeros if the file grows again, so the old bytes must be hidden.
            self.blocks.split_off(&len.div_ceil(BLOCK));
            let hidden = file.len()?.min(self.len).div_ceil(BLOCK);
            self.len = len;
            if !len.is_multiple_of(BLOCK) {
                self.block(file, len / BLOCK)?[(len % BLOCK) as usize..].fill(0);
            }
            for block in len.div_ceil(BLOCK)..hidden {
                self.blocks.insert(block, zeros());
            }
        }
        self.len = len;
        Ok(())
    }

    /// Reads the file with the writes applied.
    pub fn read(&mut self, file: &FileBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let (block, from, n) = part(offset + done as u64, out.len() - done);
            let out = &mut out[done..done + n];
            match self.blocks.get(&block) {
                Some(bytes) => out.copy_from_slice(&bytes[from..from + n]),
                None => read_or_zeros(file, offset + done as u64, out)?,
            }
            done += n;
        }
        Ok(())
    }

    /// Keeps `data`.
    pub fn write(&mut self, file: &FileBackend, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while done < data.len() {
            let (block, from, n) = part(offset + done as u64, data.len() - done);
            self.block(file, block)?[from..from + n].copy_from_slice(&data[done..done + n]);
            done += n;
        }
        self.len = self.len.max(offset + data.len() as u64);
        Ok(())
    }

    /// Writes the blocks that `kept` selects to the file, and forgets all of them.
    pub fn flush(&mut self, file: &FileBackend, mut kept: impl FnMut(u64) -> bool) -> io::Result<()> {
        for (block, bytes) in std::mem::take(&mut self.blocks) {
            let offset = block * BLOCK;
            if offset < self.len && kept(block) {
                let n = (self.len - offset).min(BLOCK) as usize;
                file.write(offset, &bytes[..n])?;
            }
        }
        Ok(())
    }

    fn block(&mut self, file: &FileBackend, block: u64) -> io::Result<&mut [u8]> {
        Ok(match self.blocks.entry(block) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let mut bytes = zeros();
                read_or_zeros(file, block * BLOCK, &mut bytes)?;
                free.insert(bytes)
            }
        })
    }
}

/// For a range at `offset` with `left` bytes: the block, the offset in it, and the number of bytes in it.
fn part(offset: u64, left: usize) -> (u64, usize, usize) {
    let from = offset % BLOCK;
    (offset / BLOCK, from as usize, left.min((BLOCK - from) as usize))
}

fn read_or_zeros(file: &FileBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
    let there = file.len()?.saturating_sub(offset).min(out.len() as u64) as usize;
    out[there..].fill(0);
    if there == 0 { Ok(()) } else { file.read(offset, &mut out[..there]) }
}

fn zeros() -> Box<[u8]> {
    vec![0; BLOCK as usize].into()
}

/// The unit that disks write at least.
const BLOCK: u64 = 4_096;
