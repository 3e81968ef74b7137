//! Power cuts at every write, with any part of the unsynced data lost or torn, compared with a model.
//!
//! A scenario consists of a few runs of a store; each starts from what a power cut left of the previous run.
//! Everything that a run does to its file is recorded on a tape, from which the file after a power cut at any
//! moment is made. Each of these files is opened and must hold one of the states since the last sync. That is
//! a thousand times faster than writing again for each.

use super::{
    generate::Generator,
    medium::Medium,
    model::{Model, Places},
    tape::{Recorded, cut, end},
};
use crate::rng::Rng;
use datafan_core::store::{Durability, Store, StoreReader};
use std::{fmt, mem};

/// A medium that is a file, with all operations recorded on a tape.
pub trait Taped: Medium {
    /// Starts a tape.
    fn record(&self);
    /// Number of operations on it.
    fn n_recorded(&self) -> usize;
    /// Takes it and ends the recording.
    fn take_tape(&self) -> Vec<Recorded>;
    /// Lets one write fail after `writes` more, and later ones succeed, until [`Medium::heal`].
    fn fail_once_after(&self, writes: u64);
    /// Sets the content of the file; its store is not open.
    fn lay(&self, file: &[u8], place: FilePath);
}

/// The paths of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilePath {
    /// The path of the store.
    There,
    /// Where a store is built while it is created; the store does not exist yet.
    BeingCreated,
}

/// What was tried.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Files after a power cut at some moment, each opened and compared with the model.
    pub points: u64,
    /// Of these, files with more than the last state acknowledged as synced.
    pub newer: u64,
    /// Runs of a store.
    pub runs: u64,
    /// Of these, runs with a failed write.
    pub failed: u64,
    /// Writes, changes of length and syncs on all tapes.
    pub operations: u64,
}

/// Runs scenarios, starting with that of `seed`, until this many points were tried.
pub fn check_crashes<M: Taped>(fresh: impl Fn() -> M, seed: u64, points: u64) -> Tally {
    let mut tally = Tally::default();
    for scenario in seed.. {
        if tally.points >= points {
            break;
        }
        let played =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&fresh(), scenario, &mut tally)));
        if let Err(panic) = played {
            eprintln!("the scenario of seed {scenario} failed, after {tally}");
            std::panic::resume_unwind(panic);
        }
    }
    tally
}

/// One scenario: three runs.
fn play<M: Taped>(medium: &M, seed: u64, tally: &mut Tally) {
    let mut rng = Rng::new(seed);
    let mut base = None;
    let (mut model, mut places) = (Model::default(), Places::new());
    for _ in 0..RUNS {
        let run = Run::new(medium, base.take(), mem::take(&mut model), mem::take(&mut places), &mut rng);
        tally.runs += 1;
        tally.failed += u64::from(run.tape.iter().any(|recorded| recorded.failed));
        tally.operations += run.tape.len() as u64;
        for at in 0..=run.tape.len() {
            run.check(medium, at, &mut rng, tally);
        }
        if !run.is_created() {
            continue;
        }
        // The next run continues from one of the files that were just found good.
        let at = run.opened + rng.index(run.tape.len() + 1 - run.opened);
        let file = cut(&run.base, &run.tape[..at], &mut rng);
        model = run.found(medium, at, &file, FilePath::There);
        places = run.places;
        base = Some(file);
    }
}

const RUNS: usize = 3;

/// A run of a store, from opening to its end.
struct Run {
    base: Vec<u8>,
    tape: Vec<Recorded>,
    /// Operations on the tape when the store was open; in the first run, those of its creation.
    opened: usize,
    is_first: bool,
    /// The states of the store; the first is that before all writes.
    states: Vec<Model>,
    steps: Vec<Step>,
    places: Places,
}

/// A call of the store.
struct Step {
    /// Operations on the tape before.
    begun: usize,
    /// Operations afterwards, if it was acknowledged as synced.
    synced: Option<usize>,
    /// The state after it.
    state: usize,
}

impl Run {
    /// Runs a store on `base`, which holds `model`; creates a new one without a base.
    fn new<M: Taped>(medium: &M, base: Option<Vec<u8>>, model: Model, places: Places, rng: &mut Rng) -> Self {
        let is_first = base.is_none();
        match &base {
            Some(file) => medium.lay(file, FilePath::There),
            None => medium.lay(&[], FilePath::BeingCreated),
        }
        medium.record();
        match rng.below(4) {
            0 => medium.fail_after(rng.below(100)),
            1 => medium.fail_once_after(rng.below(100)),
            _ => {}
        }
        let mut run = Self {
            base: base.unwrap_or_default(),
            tape: Vec::new(),
            opened: 0,
            is_first,
            states: vec![model],
            steps: Vec::new(),
            places,
        };
        run.opened = match medium.open() {
            Ok(store) => {
                let opened = medium.n_recorded();
                run.write(medium, store, rng);
                opened
            }
            Err(_) => medium.n_recorded(),
        };
        run.tape = medium.take_tape();
        medium.heal();
        run
    }

    /// Writes until something fails, or to the end, clean or not.
    fn write<M: Taped>(&mut self, medium: &M, mut store: M::Store, rng: &mut Rng) {
        let mut generator = Generator { rng: rng.fork() };
        for _ in 0..2 + rng.below(8) {
            let (begun, is_sync) = (medium.n_recorded(), rng.chance(1, 8));
            let is_synced = is_sync || rng.chance(1, 3);
            let outcome = if is_sync {
                store.sync()
            } else {
                let mut model = self.states.last().expect("begins with one").clone();
                let batch = generator.batch(&model);
                model.apply(&batch);
                self.places.extend(model.places());
                self.states.push(model);
                store.commit(batch, if is_synced { Durability::Synced } else { Durability::Lazy })
            };
            let is_over = outcome.is_err();
            self.step(begun, (is_synced && !is_over).then(|| medium.n_recorded()));
            if is_over {
                return super::durability::refuses_everything(&mut store);
            }
        }
        if rng.chance(1, 2) {
            let begun = medium.n_recorded();
            let closed = store.close();
            self.step(begun, closed.is_ok().then(|| medium.n_recorded()));
        }
    }

    fn step(&mut self, begun: usize, synced: Option<usize>) {
        self.steps.push(Step { begun, synced, state: self.states.len() - 1 });
    }

    /// Cuts the power after the first `at` operations, opens the file, and compares.
    fn check<M: Taped>(&self, medium: &M, at: usize, rng: &mut Rng, tally: &mut Tally) {
        // A file is not put in its place until it is complete.
        let is_complete = !self.is_first || (self.is_created() && at >= self.opened);
        let place = if is_complete { FilePath::There } else { FilePath::BeingCreated };
        let file = if at == self.tape.len() && rng.chance(1, 4) {
            end(&self.base, &self.tape)
        } else {
            cut(&self.base, &self.tape[..at], rng)
        };
        let found = self.found(medium, at, &file, place);
        tally.points += 1;
        tally.newer += u64::from(found != self.states[self.synced(at)]);
    }

    /// Checks `file`, a possible result of a power cut after the first `at` operations.
    fn found<M: Taped>(&self, medium: &M, at: usize, file: &[u8], place: FilePath) -> Model {
        medium.lay(file, place);
        let store = medium.open().unwrap_or_else(|error| {
            panic!("cut after {at} of {} operations: {error}", self.tape.len());
        });
        let found = Model::read(&store.reader().snapshot().unwrap(), &self.places, 100);
        let attempted = self.steps.iter().filter(|step| step.begun < at).map(|step| step.state).max();
        let may_be = &self.states[self.synced(at)..=attempted.unwrap_or(0)];
        assert!(
            may_be.contains(&found),
            "cut after {at} of {} operations: none of the {} states that it may be in; an older one: {}",
            self.tape.len(),
            may_be.len(),
            self.states.contains(&found)
        );
        found
    }

    /// The last state acknowledged as synced within the first `at` operations.
    fn synced(&self, at: usize) -> usize {
        let steps = self.steps.iter().filter(|step| step.synced.is_some_and(|done| done <= at));
        steps.map(|step| step.state).max().unwrap_or(0)
    }

    /// Whether there is a file in the store's place at the end.
    fn is_created(&self) -> bool {
        !self.is_first || !self.steps.is_empty()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crash points of {} writes in {} runs, {} with a failing write; {} held more than was \
             acknowledged",
            self.points, self.operations, self.runs, self.failed, self.newer
        )
    }
}
