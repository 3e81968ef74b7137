//! A message that was read.

use crate::checkers::{Purpose, Told};
use std::sync::Arc;

/// What checkers ask of it.
pub(super) struct Read {
    pub(super) bytes: Arc<[u8]>,
    pub(super) heads: Vec<Told>,
    pub(super) purpose: Purpose,
    /// It brings items.
    pub(super) has_data: bool,
}
