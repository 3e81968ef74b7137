//! The runs of a shard, which tell whether one state of it is an ancestor of another.
//!
//! A run is what one process writes between two starts, beginning at one head. A shard lists its runs under
//! [`RUNS_KEY`], so the owner's signature covers them. From this list alone, a member that holds a state can
//! tell whether a new state descends from it or from an older copy. No clocks are compared, and no other
//! knowledge of the past is needed.

use crate::{
    codec::{DecodeError, Reader, Writer},
    hash::Hash,
    time::Timestamp,
};
use alloc::vec::Vec;

/// The key under which a shard lists its runs.
pub const RUNS_KEY: &str = "_sys/runs";

const RUNS_VERSION: u8 = 1;
/// Most runs that a shard lists; beyond that, the oldest are dropped.
pub const RUNS_MAX: usize = 1_024;
/// Most ended branches that a shard lists; beyond that, the oldest are dropped.
pub const ENDED_MAX: usize = 64;

/// The random id of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct RunId(pub [u8; 8]);

/// A run and where it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The id of the run.
    pub id: RunId,
    /// The timestamp of the head that it found on disk, or recovered, before its first write; 0 if there was
    /// none.
    pub began: Timestamp,
}

/// A branch that the owner took back or gave up: the states of `run` up to `timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedBranch {
    /// The run that wrote its last head.
    pub run: RunId,
    /// The timestamp of its last head.
    pub timestamp: Timestamp,
    /// The root of that head.
    pub root: Hash,
}

/// What identifies a state of a shard in a run history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldState {
    /// The last run that the state lists; `None` if it lists none.
    pub run: Option<RunId>,
    /// The timestamp of its head.
    pub timestamp: Timestamp,
}

/// The value of [`RUNS_KEY`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RunHistory {
    runs: Vec<Run>,
    /// Whether an older run was ever dropped.
    dropped: bool,
    ended: Vec<EndedBranch>,
    /// States up to this timestamp that no listed run wrote were given up by `--abandon`.
    abandoned: Timestamp,
}

impl RunHistory {
    /// The runs, oldest first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The last run.
    pub fn last(&self) -> Option<Run> {
        self.runs.last().copied()
    }

    /// The branches that were taken back or given up, oldest first.
    pub fn ended(&self) -> &[EndedBranch] {
        &self.ended
    }

    /// Whether a run is listed.
    pub fn names(&self, run: RunId) -> bool {
        self.index(run).is_some()
    }

    /// Whether a state is an ancestor of the state with this history, or on a branch that this history ended.
    /// If so, nothing is lost when the new state replaces it.
    pub fn continues(&self, held: &HeldState) -> bool {
        let next_began = |at: usize| self.runs.get(at + 1).map_or(Timestamp::MAX, |next| next.began);
        let ancestor = match held.run {
            Some(run) => self.index(run).is_some_and(|at| held.timestamp <= next_began(at)),
            // The state was written before runs were listed.
            None => {
                let oldest = self.runs.first().map_or(Timestamp::MAX, |oldest| oldest.began);
                held.timestamp <= oldest && !self.dropped
            }
        };
        ancestor || self.is_ended(held)
    }

    /// Whether the state with this history, which ends at `end`, loses nothing of a held state: it descends
    /// from the held state, or the owner took it back or gave it up. Within one run, a later state is not an
    /// ancestor of an earlier one.
    pub fn has_all_of(&self, held: &HeldState, end: Timestamp) -> bool {
        held.timestamp <= end && self.continues(held) || self.is_ended(held)
    }

    /// Whether the owner took back or gave up a state.
    pub fn is_ended(&self, held: &HeldState) -> bool {
        let ends = |branch: &EndedBranch| Some(branch.run) == held.run && held.timestamp <= branch.timestamp;
        held.timestamp <= self.abandoned && !held.run.is_some_and(|run| self.names(run))
            || self.ended.iter().any(ends)
    }

    /// The timestamp up to which a state that is not an ancestor shares its past with the state that has this
    /// history; 0 if they share no run.
    pub fn diverged_at(&self, held: &Self) -> Timestamp {
        let common = held.runs.iter().enumerate().rev().find_map(|(theirs, run)| {
            let ours = self.index(run.id)?;
            Some((ours, theirs))
        });
        let Some((ours, theirs)) = common else { return Timestamp::ZERO };
        let began = |runs: &[Run], at: usize| runs.get(at + 1).map_or(Timestamp::MAX, |next| next.began);
        began(&self.runs, ours).min(began(&held.runs, theirs))
    }

    /// The branches from `diverged` to the state with this history, its timestamp `end` and its root `root`.
    /// The owner lists them when it takes that state back or gives it up.
    pub fn branches_since(&self, diverged: Timestamp, end: Timestamp, root: Hash) -> Vec<EndedBranch> {
        let next = self.runs.iter().skip(1).map(|next| next.began).chain([end]);
        let spans =
            self.runs.iter().zip(next).filter(|(run, until)| run.began >= diverged || *until > diverged);
        spans.map(|(run, timestamp)| EndedBranch { run: run.id, timestamp, root }).collect()
    }

    /// Adds a run that continues from the head at `began`.
    pub fn begin(&mut self, run: RunId, began: Timestamp) {
        if self.runs.len() >= RUNS_MAX {
            self.runs.drain(..=self.runs.len() - RUNS_MAX);
            self.dropped = true;
        }
        self.runs.push(Run { id: run, began });
    }

    /// Records that a branch was taken back or given up.
    pub fn end(&mut self, branch: EndedBranch) {
        self.ended.retain(|known| known.run != branch.run || known.timestamp > branch.timestamp);
        if self.ended.len() >= ENDED_MAX {
            self.ended.remove(0);
        }
        self.ended.push(branch);
    }

    /// Gives up what other members hold of the shard up to `at`.
    pub fn abandon(&mut self, at: Timestamp) {
        self.abandoned = self.abandoned.max(at);
    }

    fn index(&self, run: RunId) -> Option<usize> {
        self.runs.iter().rposition(|named| named.id == run)
    }

    /// The encoded value.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.byte(RUNS_VERSION).byte(u8::from(self.dropped)).fixed(self.abandoned.0);
        out.list(&self.runs, |out, run| {
            out.raw(&run.id.0).fixed(run.began.0);
        });
        out.list(&self.ended, |out, branch| {
            out.raw(&branch.run.0).fixed(branch.timestamp.0).hash(&branch.root);
        });
        out.finish()
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// If the bytes are malformed, exceed a limit, or have another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let found = input.byte()?;
        if found != RUNS_VERSION {
            return Err(DecodeError::Version { found, known: RUNS_VERSION });
        }
        let (dropped, abandoned) = (input.flag()?, Timestamp(input.fixed()?));
        let runs = input.list("runs", RUNS_MAX, |input| {
            Ok(Run { id: RunId(input.array()?), began: Timestamp(input.fixed()?) })
        })?;
        let ended = input.list("ended branches", ENDED_MAX, |input| {
            Ok(EndedBranch {
                run: RunId(input.array()?),
                timestamp: Timestamp(input.fixed()?),
                root: input.hash()?,
            })
        })?;
        input.end()?;
        Ok(Self { runs, dropped, ended, abandoned })
    }
}

#[cfg(test)]
mod tests;
