//! A decoded message.

use crate::checkers::{Purpose, Told};
use std::sync::Arc;

/// The kind that checkers ask for.
pub(super) struct Read {
    pub(super) bytes: Arc<[u8]>,
    pub(super) heads: Vec<Told>,
    pub(super) purpose: Purpose,
    /// It contains items.
    pub(super) has_data: bool,
}
