//! Texts with their first bytes at hand: most comparisons need not follow a pointer, which is a cache miss in
//! a large table.

use equivalent::{Comparable, Equivalent};
use std::{cmp::Ordering, sync::Arc};

/// The first bytes of a text as a number, so that numbers order like texts, as far as they go.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Begin(u128);

/// A text to look up.
pub struct Probe<'a> {
    pub begin: Begin,
    pub text: &'a str,
}

/// The start of a page.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    begin: Begin,
    text: Arc<str>,
}

impl Begin {
    pub fn of(text: &[u8]) -> Self {
        let mut begin = [0; size_of::<u128>()];
        let n = text.len().min(begin.len());
        begin[..n].copy_from_slice(&text[..n]);
        Self(u128::from_be_bytes(begin))
    }
}

impl<'a> Probe<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { begin: Begin::of(text.as_bytes()), text }
    }

    pub fn is_before(&self, fence: &Fence) -> bool {
        self.compare(fence) == Ordering::Less
    }
}

impl Fence {
    pub fn new(text: &str) -> Self {
        Self { begin: Begin::of(text.as_bytes()), text: text.into() }
    }

    pub fn probe(&self) -> Probe<'_> {
        Probe { begin: self.begin, text: &self.text }
    }

    #[cfg(test)]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Comparable<Fence> for Probe<'_> {
    fn compare(&self, fence: &Fence) -> Ordering {
        self.begin.cmp(&fence.begin).then_with(|| self.text.cmp(&fence.text))
    }
}

impl Equivalent<Fence> for Probe<'_> {
    fn equivalent(&self, fence: &Fence) -> bool {
        self.compare(fence) == Ordering::Equal
    }
}
