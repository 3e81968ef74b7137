//! Notifications that data changed.

use crate::{board::Board, board::Shared, error::WaitError};
use datafan_core::id::MemberId;
use std::sync::Arc;

/// Watches the heads that are visible here, of all owners or of one. Each clone continues from its own
/// position.
///
/// Level-triggered: [`Changes::changed`] compares the current heads with those of the last call. It resolves
/// exactly once, however many commits came in between. Read what changed from a snapshot taken afterwards. A
/// watch does not keep the member running.
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

    /// Resolves when a head has moved since the last call, or since the watch was created.
    ///
    /// Dropping the future loses nothing: the next one resolves for the same change.
    ///
    /// # Errors
    /// If the member stopped and no head moved since the last call.
    pub async fn changed(&mut self) -> Result<(), WaitError> {
        let (of, seen) = (self.of, self.seen);
        self.shared.until(|board| look(of, board) != seen).await?;
        self.seen = look(of, &self.shared.board());
        Ok(())
    }
}

/// Changes whenever a watched head moves.
fn look(of: Option<MemberId>, board: &Board) -> u64 {
    match of {
        None => board.n_changes(),
        Some(owner) => board.head(&owner).0,
    }
}
