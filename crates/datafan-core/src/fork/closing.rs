//! Closed forks: the owner signed that it continues from both states, or the authority declared the fork
//! closed. The evidence is kept, and a later fork is open again.

use super::evidence::Evidence;
use crate::{
    codec::{DecodeError, Reader, Writer},
    head::Head,
    id::MemberId,
    item::Key,
    limits::{EVIDENCE_BYTES_MAX, EVIDENCE_PER_OWNER_MAX, MEMBERS_MAX},
    runs::{HeldState, RunHistory, RunId},
    time::Timestamp,
};
use alloc::{format, vec::Vec};

/// The prefix of keys of closings in the authority's shard. The owner's id follows it.
pub const CLOSING_PREFIX: &str = "_sys/forks/";

const CLOSING_VERSION: u8 = 1;

/// The authority's closing of an owner's forks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closing {
    /// Closes forks whose later head has this timestamp or an earlier one.
    pub until: Timestamp,
}

/// Who closed a fork.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedBy {
    /// The owner: it took back or gave up the replaced branch.
    Owner,
    /// The authority.
    Authority,
}

impl Closing {
    /// The key of the closing of `owner`'s forks.
    pub fn key(owner: &MemberId) -> Key {
        Key::new(format!("{CLOSING_PREFIX}{owner}")).expect("63 bytes are a key")
    }

    /// The owner whose forks `key` closes; `None` if it is not the key of a closing.
    pub fn owner_of(key: &str) -> Option<MemberId> {
        key.strip_prefix(CLOSING_PREFIX)?.parse().ok()
    }

    /// The encoded value of the item.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(CLOSING_VERSION).fixed(self.until.0);
        out.finish()
    }

    /// Decodes what [`Closing::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are malformed or were written by a newer build.
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
    /// Who closed this fork; `None` if it is open. `runs` wrote the two states, `history` is the run history
    /// that the owner's shard has now, and `closing` is the authority's closing.
    pub fn closed_by(
        &self,
        runs: ForkRuns,
        history: &RunHistory,
        closing: Option<Closing>,
    ) -> Option<ClosedBy> {
        let states = [(&self.first, runs.first), (&self.second, runs.second)];
        let [first, second] = states.map(|(head, run)| Side::of(head, run, history));
        // The owner continues from both states: it ended the branch of one, and the other is not on a third
        // branch.
        let goes_on = match (first, second) {
            (Side::Ended, other) | (other, Side::Ended) => other != Side::Foreign,
            _ => false,
        };
        if goes_on {
            return Some(ClosedBy::Owner);
        }
        let last = self.first.timestamp.max(self.second.timestamp);
        closing.is_some_and(|closing| last <= closing.until).then_some(ClosedBy::Authority)
    }
}

/// Evidence as a member keeps it, with the runs that the member has seen. Only the evidence proves the fork
/// to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptFork {
    /// The proof of the fork.
    pub evidence: Evidence,
    /// The runs that wrote the two states.
    pub runs: ForkRuns,
}

impl KeptFork {
    /// Who closed this fork; see [`Evidence::closed_by`].
    pub fn closed_by(&self, history: &RunHistory, closing: Option<Closing>) -> Option<ClosedBy> {
        self.evidence.closed_by(self.runs, history, closing)
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.prefixed(&self.evidence.encode());
        for run in [self.runs.first, self.runs.second] {
            out.option(run.as_ref(), |out, run| {
                out.raw(&run.0);
            });
        }
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let evidence = Evidence::decode(input.prefixed("evidence", EVIDENCE_BYTES_MAX)?)?;
        let run = |input: &mut Reader<'_>| input.option(|input| Ok(RunId(input.array()?)));
        let runs = ForkRuns { first: run(input)?, second: run(input)? };
        Ok(Self { evidence, runs })
    }
}

/// The runs that wrote the two states of a fork, as far as the member that keeps the evidence has seen them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ForkRuns {
    /// The last run of the first state; `None` if the state has none, or was not held.
    pub first: Option<RunId>,
    /// The last run of the second state.
    pub second: Option<RunId>,
}

/// How a state of a fork relates to the owner's current state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Its branch was taken back or given up.
    Ended,
    /// It is an ancestor of the current state, or its run is not known.
    MayBeAncestor,
    /// It is on a branch that the owner's history does not mention.
    Foreign,
}

impl Side {
    fn of(head: &Head, run: Option<RunId>, history: &RunHistory) -> Self {
        let state = HeldState { run, timestamp: head.timestamp };
        let is_tip = history.ended().iter().any(|branch| (branch.timestamp, branch.root) == head.order());
        match run {
            _ if is_tip || history.is_ended(&state) => Self::Ended,
            Some(_) if !history.continues(&state) => Self::Foreign,
            Some(_) | None => Self::MayBeAncestor,
        }
    }
}

/// Decodes the pieces of evidence that a store keeps.
pub(crate) fn pieces(bytes: &[u8]) -> Result<Vec<KeptFork>, DecodeError> {
    let mut input = Reader::new(bytes);
    let pieces = input.list("evidence", EVIDENCE_PER_OWNER_MAX * MEMBERS_MAX, KeptFork::decode)?;
    input.end()?;
    Ok(pieces)
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

    fn run(n: u8) -> RunId {
        RunId([n; 8])
    }

    fn runs(first: u8, second: u8) -> ForkRuns {
        ForkRuns { first: Some(run(first)), second: Some(run(second)) }
    }

    /// A shard whose last run began at 5, and which has ended a branch.
    fn history(branch: u8, timestamp: u64) -> RunHistory {
        let mut history = RunHistory::default();
        history.begin(run(1), Timestamp(0));
        history.begin(run(2), Timestamp(5));
        history.end(EndedBranch { run: run(branch), timestamp: Timestamp(timestamp), root: Hash([9; 32]) });
        history
    }

    #[test]
    fn a_fork_is_closed_by_the_authority_and_a_later_one_is_open() {
        let (none, closing) = (RunHistory::default(), Some(Closing { until: Timestamp(20) }));
        let closed =
            |first, second, closing| evidence(first, second).closed_by(ForkRuns::default(), &none, closing);
        assert_eq!(closed(10, 20, None), None);
        assert_eq!(closed(10, 20, closing), Some(ClosedBy::Authority));
        assert_eq!(closed(10, 21, closing), None, "a later fork");
    }

    #[test]
    fn a_fork_is_closed_by_its_owner_if_that_ended_the_branch() {
        let closed = |runs, history: RunHistory| evidence(10, 20).closed_by(runs, &history, None);
        let owner = Some(ClosedBy::Owner);
        assert_eq!(closed(runs(7, 2), history(7, 15)), owner, "it ended the branch of the first state");
        assert_eq!(closed(runs(2, 7), history(7, 20)), owner, "or of the second");
        assert_eq!(closed(runs(7, 7), history(7, 20)), owner, "or of both");
        assert_eq!(closed(runs(7, 2), history(8, 99)), None, "another branch that ended later");
        assert_eq!(closed(runs(7, 2), history(7, 9)), None, "a state after the end of the branch");
        assert_eq!(closed(runs(7, 6), history(7, 15)), None, "the second is on a third branch");
        assert_eq!(closed(ForkRuns::default(), history(8, 99)), None, "its runs are unknown");
    }

    #[test]
    fn the_end_of_an_ended_branch_needs_no_run() {
        let mut ended = RunHistory::default();
        ended.end(EndedBranch { run: run(7), timestamp: Timestamp(10), root: Hash::empty() });
        assert_eq!(evidence(10, 20).closed_by(ForkRuns::default(), &ended, None), Some(ClosedBy::Owner));
        let mut other = RunHistory::default();
        other.end(EndedBranch { run: run(7), timestamp: Timestamp(10), root: Hash([9; 32]) });
        assert_eq!(evidence(10, 20).closed_by(ForkRuns::default(), &other, None), None, "another root");
        let mut given_up = RunHistory::default();
        given_up.abandon(Timestamp(15));
        assert_eq!(evidence(10, 20).closed_by(ForkRuns::default(), &given_up, None), Some(ClosedBy::Owner));
    }

    #[test]
    fn a_closing_decodes_to_itself() {
        let (closing, owner) = (Closing { until: Timestamp(7) }, MemberId([3; 32]));
        assert_eq!(Closing::decode(&closing.encode()), Ok(closing));
        assert_eq!(closing.encode(), [1, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert!(Closing::decode(&[2, 0, 0, 0, 0, 0, 0, 0, 7]).is_err());
        assert_eq!(Closing::owner_of(Closing::key(&owner).as_str()), Some(owner));
        assert_eq!(Closing::owner_of("_sys/forks/me"), None);
    }
}
