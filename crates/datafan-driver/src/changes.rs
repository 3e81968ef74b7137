//! Noticing that data changed.

use crate::{board::Board, board::Shared, error::WaitError};
use datafan_core::id::MemberId;
use std::sync::Arc;

/// A look at the heads that are visible here, of all owners or of one. Each clone goes on from where it is.
///
/// Level-triggered: [`Changes::changed`] compares what is now with what was at the last look. However many
/// commits came between, it resolves once, and never not. What changed is read from a snapshot taken
/// afterwards. It does not keep the member running.
#[derive(Clone)]
pub struct Changes {
    shared: Arc<Shared>,
    of: Option<MemberId>,
    seen: u64,
}

impl Changes {
    pub(crate) fn new(shared: Arc<Shared>, of: Option<MemberId>) -> Self {
        let seen = look(of, &shared.board());
        Self { shared, of, seen }
    }

    /// Resolves when a head moved since the last look; the first look was when this was made.
    ///
    /// Dropping the future loses nothing: the next one resolves for the same change.
    ///
    /// # Errors
    /// When the member stopped and nothing moved since the last look.
    pub async fn changed(&mut self) -> Result<(), WaitError> {
        let (of, seen) = (self.of, self.seen);
        self.shared.until(|board| look(of, board) != seen).await?;
        self.seen = look(of, &self.shared.board());
        Ok(())
    }
}

/// A number that is another one after a head in question moved.
fn look(of: Option<MemberId>, board: &Board) -> u64 {
    match of {
        None => board.n_changes(),
        Some(owner) => board.head(&owner).0,
    }
}
