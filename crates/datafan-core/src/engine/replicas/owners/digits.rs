//! Digits of a place, and a set of digits.

/// The digit of `place` at `level`, from 0 for the last one.
pub(super) fn digit(place: u64, level: u8) -> usize {
    (place >> (4 * u32::from(level))) as usize & 15
}

/// A bit per digit: which of sixteen cached hashes are valid.
#[derive(Clone, Copy, Default)]
pub(super) struct Fresh(u16);

impl Fresh {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn has(self, digit: usize) -> bool {
        self.0 & (1 << digit) != 0
    }

    pub(super) fn note(&mut self, digit: usize) {
        self.0 |= 1 << digit;
    }

    pub(super) fn forget(&mut self, digit: usize) {
        self.0 &= !(1 << digit);
    }
}
