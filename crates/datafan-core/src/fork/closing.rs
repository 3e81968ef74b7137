//! Forks that are closed: their owner has signed that it goes on from both states, or the authority says that
//! it does not matter any more. The evidence stays, and a later fork is open again.

use super::Evidence;
use crate::{
    codec::{DecodeError, Reader, Writer},
    id::MemberId,
    item::Key,
    runs::{HeldState, RunHistory},
    time::Timestamp,
};
use alloc::{format, vec::Vec};

/// What keys of closings begin with, in the authority's shard: the id of the owner follows.
pub const CLOSING_PREFIX: &str = "_sys/forks/";

const CLOSING_VERSION: u8 = 1;

/// What the authority says of an owner's forks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closing {
    /// Forks are closed whose later head has this timestamp, or an earlier one.
    pub until: Timestamp,
}

/// Who closed a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedBy {
    /// Its owner: it has taken in, or given up, the branch that the others replaced.
    Owner,
    /// The authority.
    Authority,
}

impl Closing {
    /// The key of the closing of `owner`'s forks.
    pub fn key(owner: &MemberId) -> Key {
        Key::new(format!("{CLOSING_PREFIX}{owner}")).expect("63 bytes are a key")
    }

    /// Whose forks `key` closes; `None` for another key.
    pub fn owner_of(key: &str) -> Option<MemberId> {
        key.strip_prefix(CLOSING_PREFIX)?.parse().ok()
    }

    /// The value of the item.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(CLOSING_VERSION).fixed(self.until.0);
        out.finish()
    }

    /// Reads what [`Closing::encode`] wrote.
    ///
    /// # Errors
    /// If it is malformed, or of a newer build.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let found = input.byte()?;
        if found != CLOSING_VERSION {
            return Err(DecodeError::Version { found, known: CLOSING_VERSION });
        }
        let until = Timestamp(input.fixed()?);
        input.end()?;
        Ok(Self { until })
    }
}

impl Evidence {
    /// Who has closed this fork; `None` if it is open. `history` is what the owner's shard names by now,
    /// `closing` what the authority says.
    pub fn closed_by(&self, history: &RunHistory, closing: Option<Closing>) -> Option<ClosedBy> {
        // The state that was replaced lies on a branch that the owner has ended.
        let replaced = self.first.timestamp.min(self.second.timestamp);
        let given_up = history.is_ended(&HeldState { run: None, timestamp: replaced });
        if given_up || history.ended().iter().any(|branch| replaced <= branch.timestamp) {
            return Some(ClosedBy::Owner);
        }
        let last = self.first.timestamp.max(self.second.timestamp);
        closing.is_some_and(|closing| last <= closing.until).then_some(ClosedBy::Authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hash::Hash,
        head::Head,
        id::MeshId,
        runs::{EndedBranch, RunId},
    };

    fn evidence(first: u64, second: u64) -> Evidence {
        let owner = MemberId([2; 32]);
        let head = |timestamp| Head {
            owner,
            timestamp: Timestamp(timestamp),
            items: 0,
            bytes: 0,
            root: Hash::empty(),
            signature: [0; 64],
        };
        Evidence { mesh: MeshId(MemberId([1; 32])), first: head(first), second: head(second), item: None }
    }

    #[test]
    fn a_fork_is_closed_by_its_owner_or_the_authority_and_a_later_one_is_open() {
        let none = RunHistory::default();
        assert_eq!(evidence(10, 20).closed_by(&none, None), None);
        let closing = Some(Closing { until: Timestamp(20) });
        assert_eq!(evidence(10, 20).closed_by(&none, closing), Some(ClosedBy::Authority));
        assert_eq!(evidence(10, 21).closed_by(&none, closing), None, "a later one");
        let mut ended = RunHistory::default();
        ended.end(EndedBranch { run: RunId([7; 8]), timestamp: Timestamp(15), root: Hash::empty() });
        assert_eq!(evidence(15, 20).closed_by(&ended, None), Some(ClosedBy::Owner), "its tip");
        assert_eq!(evidence(12, 20).closed_by(&ended, None), Some(ClosedBy::Owner), "a state before it");
        assert_eq!(evidence(16, 20).closed_by(&ended, None), None, "a state of another branch");
        assert_eq!(evidence(16, 20).closed_by(&ended, closing), Some(ClosedBy::Authority));
    }

    #[test]
    fn a_closing_survives_its_bytes() {
        let (closing, owner) = (Closing { until: Timestamp(7) }, MemberId([3; 32]));
        assert_eq!(Closing::decode(&closing.encode()), Ok(closing));
        assert_eq!(closing.encode(), [1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert!(Closing::decode(&[2, 0, 0, 0, 0, 0, 0, 0, 7]).is_err());
        assert_eq!(Closing::owner_of(Closing::key(&owner).as_str()), Some(owner));
        assert_eq!(Closing::owner_of("_sys/forks/me"), None);
    }
}
