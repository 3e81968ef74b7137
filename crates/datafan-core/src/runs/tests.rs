//! The history of runs against a naive model: a tree of states in which each knows its parent.

use super::*;
use crate::rng::Rng;
use alloc::{collections::BTreeSet, vec};

fn run(n: u64) -> RunId {
    RunId(n.to_be_bytes())
}

fn history(runs: &[(u64, u64)]) -> RunHistory {
    let mut history = RunHistory::default();
    for (id, began) in runs {
        history.begin(run(*id), Timestamp(*began));
    }
    history
}

fn held(of: Option<u64>, at: u64) -> HeldState {
    HeldState { run: of.map(run), timestamp: Timestamp(at) }
}

#[test]
fn a_state_is_an_ancestor_while_its_run_was_the_last() {
    let new = history(&[(1, 0), (2, 100), (3, 200)]);
    for (state, is_ancestor) in [
        (held(Some(1), 50), true),
        (held(Some(1), 100), true),
        (held(Some(1), 101), false), // a copy of the disk at 100 was put back
        (held(Some(2), 200), true),
        (held(Some(2), 900), false),
        (held(Some(3), 900), true),
        (held(Some(4), 50), false), // lost with the disk
        (held(None, 0), true),
        (held(None, 1), false),
    ] {
        assert_eq!(new.continues(&state), is_ancestor, "{state:?}");
    }
    assert!(history(&[]).continues(&held(None, 5)), "neither names a run");
    assert!(!history(&[]).continues(&held(Some(1), 5)), "its run is not listed any more");
}

#[test]
fn an_earlier_state_of_one_run_lacks_the_later_one() {
    let mut ours = history(&[(1, 0)]);
    let end = Timestamp(100);
    assert!(ours.has_all_of(&held(Some(1), 100), end) && !ours.has_all_of(&held(Some(1), 101), end));
    let branch = history(&[(1, 0)]).branches_since(Timestamp(50), Timestamp(120), Hash::empty());
    branch.into_iter().for_each(|branch| ours.end(branch));
    assert!(ours.has_all_of(&held(Some(1), 120), end), "its owner ended that branch");
}

#[test]
fn states_diverge_at_the_earlier_of_both_continuations() {
    let ours = history(&[(1, 0), (2, 100)]);
    assert_eq!(ours.diverged_at(&history(&[(1, 0)])), Timestamp(100));
    assert_eq!(ours.diverged_at(&history(&[(1, 0), (3, 80)])), Timestamp(80));
    assert_eq!(ours.diverged_at(&history(&[(1, 0), (3, 120)])), Timestamp(100));
    assert_eq!(ours.diverged_at(&history(&[(7, 0)])), Timestamp::ZERO);
}

#[test]
fn an_ended_branch_counts_as_an_ancestor() {
    let mut ours = history(&[(1, 0), (2, 100)]);
    let lost = history(&[(1, 0), (3, 120), (4, 150)]);
    let states = [held(Some(1), 110), held(Some(3), 150), held(Some(4), 170)];
    assert!(states.iter().all(|state| !ours.continues(state)));
    for branch in lost.branches_since(Timestamp(100), Timestamp(170), Hash::empty()) {
        ours.end(branch);
    }
    assert!(states.iter().all(|state| ours.continues(state) && ours.is_ended(state)));
    assert!(!ours.continues(&held(Some(4), 171)), "written after that");
    let again = RunHistory::decode(&ours.encode()).expect("our own bytes");
    assert_eq!(again, ours);
}

#[test]
fn an_abandoned_branch_counts_as_an_ancestor_up_to_its_end() {
    let mut ours = history(&[(9, 500)]);
    ours.abandon(Timestamp(500));
    assert!(ours.continues(&held(Some(1), 500)) && ours.continues(&held(None, 3)));
    assert!(!ours.continues(&held(Some(1), 501)));
}

#[test]
fn limits_drop_the_oldest() {
    let mut ours = RunHistory::default();
    for n in 0..2 * RUNS_MAX as u64 {
        ours.begin(run(n), Timestamp(n));
        ours.end(EndedBranch { run: run(n), timestamp: Timestamp(n), root: Hash::empty() });
    }
    assert_eq!((ours.runs().len(), ours.ended().len()), (RUNS_MAX, ENDED_MAX));
    assert!(!ours.continues(&held(None, 1)), "a dropped run may have followed it");
    let bytes = ours.encode();
    assert!(bytes.len() < 24 << 10, "{} bytes", bytes.len());
    assert_eq!(RunHistory::decode(&bytes).as_ref(), Ok(&ours));
    for at in 0..bytes.len() {
        assert!(RunHistory::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
}

/// A state of the model: its parent, and what a shard in this state says.
struct State {
    parent: Option<usize>,
    timestamp: u64,
    history: RunHistory,
}

/// Writes, restarts and restored copies in random order: the histories alone tell which state
/// descends from which, exactly as in the tree of states.
#[test]
fn reconciliation_is_what_a_tree_of_states_says() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut states = vec![State { parent: None, timestamp: 0, history: RunHistory::default() }];
        let (mut at, mut current) = (0, None);
        let mut n_runs = 0;
        for _ in 0..40 {
            match rng.next() % 5 {
                0 => current = None,
                1 => (at, current) = ((rng.next() % states.len() as u64) as usize, None),
                _ => {
                    let from = &states[at];
                    let (mut history, began) = (from.history.clone(), from.timestamp);
                    // The clock may be anywhere: timestamps of two branches are not comparable.
                    let timestamp = began + 1 + rng.next() % 50;
                    if current.is_none() {
                        n_runs += 1;
                        current = Some(n_runs);
                        history.begin(run(n_runs), Timestamp(began));
                    }
                    states.push(State { parent: Some(at), timestamp, history });
                    at = states.len() - 1;
                }
            }
        }
        for (new_at, new) in states.iter().enumerate().skip(1) {
            let mut ancestors = BTreeSet::new();
            let mut next = Some(new_at);
            while let Some(ancestor) = next {
                ancestors.insert(ancestor);
                next = states[ancestor].parent;
            }
            for (old_at, old) in states.iter().enumerate() {
                let run = old.history.last().map(|run| run.id);
                let told = new.history.continues(&HeldState { run, timestamp: Timestamp(old.timestamp) });
                let same_run = run.is_some() && new.history.last().map(|run| run.id) == run;
                // Within one run the heads themselves are ordered.
                let earlier = !same_run || old.timestamp <= new.timestamp;
                assert_eq!(told && earlier, ancestors.contains(&old_at), "seed {seed}: {old_at} -> {new_at}");
            }
        }
    }
}
