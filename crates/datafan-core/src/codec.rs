//! Canonical encoding: integers are shortest-form LEB128 varints or fixed big-endian, and lengths precede
//! contents.
//!
//! Each value has exactly one encoding, and the decoder refuses all others. It checks each count and length
//! against its limit and against the remaining bytes before it allocates memory.

use crate::{
    hash::Hash,
    id::{MemberId, Name},
    key::Key,
    limits::NAME_BYTES_MAX,
};
use alloc::vec::Vec;

/// Why bytes cannot be decoded. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("bytes end early")]
    Short,
    /// Bytes follow the last value.
    #[error("bytes are left at the end")]
    Trailing,
    /// A varint has a longer form than needed, or more than 64 bits.
    #[error("varint is not canonical")]
    Varint,
    /// A count or length is over its limit.
    #[error("{what} is {len}, limit {max}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The encoded count or length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// The version byte is not known to this build.
    #[error("version {found}, this build knows {known}")]
    Version {
        /// The byte found.
        found: u8,
        /// The byte that this build writes.
        known: u8,
    },
    /// A value breaks the rules of its format.
    #[error("{what} is malformed")]
    Malformed {
        /// Which value.
        what: &'static str,
    },
}

/// Shorthand for [`DecodeError::Malformed`].
pub(crate) fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed { what }
}

/// Appends values to a buffer.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves room for `bytes` more bytes, to avoid copies while the buffer grows.
    pub fn reserve(&mut self, bytes: usize) -> &mut Self {
        self.0.reserve(bytes);
        self
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// Bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Eight bytes, big-endian.
    pub fn fixed(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// A varint: 1 to 10 bytes.
    pub fn varint(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8)
    }

    /// A length and the bytes.
    pub fn prefixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.varint(bytes.len() as u64).raw(bytes)
    }

    /// An id.
    pub fn id(&mut self, id: &MemberId) -> &mut Self {
        self.raw(&id.0)
    }

    /// A hash.
    pub fn hash(&mut self, hash: &Hash) -> &mut Self {
        self.raw(&hash.0)
    }

    /// An optional value: a byte 0 or 1, then the value.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) -> &mut Self {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// A count and the values.
    pub fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.varint(values.len() as u64);
        values.iter().for_each(|value| write(self, value));
        self
    }
}

/// Takes values from the front of a slice.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Succeeds only if no bytes remain.
    pub fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    /// Number of remaining bytes.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Short)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Eight bytes, big-endian.
    pub fn fixed(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A varint in its shortest form.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err(DecodeError::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::Varint)
    }

    /// A count of at most `max` values, each of which takes at least one byte.
    pub fn count(&mut self, what: &'static str, max: usize) -> Result<usize, DecodeError> {
        let len = self.varint()?;
        if len > max as u64 {
            return Err(DecodeError::Limit { what, len, max: max as u64 });
        }
        if len > self.left() as u64 {
            return Err(DecodeError::Short);
        }
        Ok(len as usize)
    }

    /// A length of at most `max` and that many bytes.
    pub fn prefixed(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.count(what, max)?;
        self.take(len)
    }

    /// A UTF-8 text of at most `max` bytes.
    pub fn text(&mut self, what: &'static str, max: usize) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.prefixed(what, max)?).map_err(|_| malformed(what))
    }

    /// An id.
    pub fn id(&mut self) -> Result<MemberId, DecodeError> {
        self.array().map(MemberId)
    }

    /// A hash.
    pub fn hash(&mut self) -> Result<Hash, DecodeError> {
        self.array().map(Hash)
    }

    /// A name.
    pub fn name(&mut self) -> Result<Name, DecodeError> {
        Name::new(self.text("name", NAME_BYTES_MAX)?).map_err(|_| malformed("name"))
    }

    /// A key.
    pub fn key(&mut self) -> Result<Key, DecodeError> {
        Key::new(self.text("key", crate::limits::KEY_BYTES_MAX)?).map_err(|_| malformed("key"))
    }

    /// A byte that is 0 or 1.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(malformed("flag")),
        }
    }

    /// An optional value.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A count of at most `max` and that many values.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let n = self.count(what, max)?;
        // Reserve for a node's children only. Beyond that the vector grows with the values that are present,
        // so a false count cannot allocate memory.
        let mut values = Vec::with_capacity(n.min(16));
        for _ in 0..n {
            values.push(read(self)?);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Writer::new();
            out.varint(value);
            let bytes = out.finish();
            let mut input = Reader::new(&bytes);
            assert_eq!(input.varint(), Ok(value));
            assert_eq!(input.end(), Ok(()));
        }
        for long in [&[0x80, 0x00][..], &[0xff, 0x00], &[0xff; 11], &[0x80; 10]] {
            assert_eq!(Reader::new(long).varint(), Err(DecodeError::Varint));
        }
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Reader::new(&over).varint(), Err(DecodeError::Varint));
    }

    #[test]
    fn counts_are_checked_before_memory_is_reserved() {
        let mut out = Writer::new();
        out.varint(u64::MAX);
        let bytes = out.finish();
        let error = Reader::new(&bytes).list("items", 10, Reader::byte).unwrap_err();
        assert_eq!(error, DecodeError::Limit { what: "items", len: u64::MAX, max: 10 });
        assert_eq!(Reader::new(&[9, 1]).list("items", 10, Reader::byte), Err(DecodeError::Short));
    }
}
