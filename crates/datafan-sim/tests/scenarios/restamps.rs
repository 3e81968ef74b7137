//! A54: clocks that were slightly ahead, far ahead or behind, in any order, with restarts and `restamp`s in
//! between: acknowledged writes are visible at all members, and nothing beyond the bound is ever
//! acknowledged.

use crate::common::{Mesh, SEEDS};
use datafan_core::{
    engine::{Answer, CommandError, Committed, NotWritable, OwnChange, WriteError},
    time::SECOND,
};
use datafan_sim::world::{delete, put, uses_no_timestamp_twice};
use datafan_testkit::rng::Rng;
use std::collections::BTreeMap;

const MINUTE: i64 = 60 * SECOND as i64;
const HOUR: i64 = 60 * MINUTE;
const TWO_YEARS: i64 = 2 * 365 * 24 * HOUR;

#[test]
fn a54_55_minutes_ahead_then_65() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        puts_at(&mut world, &[55 * MINUTE, 65 * MINUTE]);
        world.set_clock(0, 0);
        let done = restamp(&mut world);
        assert_eq!(done.changed, 1, "only what nobody took");
        writes_are_shown(&mut world, "after");
        // Soon after, and when the clock gets there.
        for ahead in [54 * MINUTE, 56 * MINUTE, 66 * MINUTE] {
            set_clocks(&mut world, ahead);
            writes_are_shown(&mut world, &format!("after {ahead}"));
        }
    }
}

#[test]
fn a54_30_minutes_ahead_then_two_years() {
    for seed in SEEDS {
        for restarts in [false, true] {
            let mut world = Mesh::line(3, seed);
            world.guard(uses_no_timestamp_twice());
            puts_at(&mut world, &[30 * MINUTE, TWO_YEARS]);
            world.set_clock(0, 0);
            if restarts {
                world.crash(0);
                world.start(0);
            }
            assert_eq!(restamp(&mut world).changed, 1, "only what nobody took");
            writes_are_shown(&mut world, "after");
            for ahead in [31 * MINUTE, 24 * HOUR, TWO_YEARS - SECOND as i64, TWO_YEARS + MINUTE] {
                set_clocks(&mut world, ahead);
                writes_are_shown(&mut world, &format!("after {ahead}"));
            }
        }
    }
}

#[test]
fn a54_a_little_ahead_again_and_again_then_far() {
    for seed in SEEDS {
        for writes in [Writes::OneKey, Writes::Deletes] {
            let mut world = Mesh::line(3, seed);
            world.guard(uses_no_timestamp_twice());
            // The later states contain nothing of the earlier ones that would say when they were made.
            let little = [40 * SECOND as i64, 5 * MINUTE, 9 * MINUTE];
            for ahead in little.into_iter().chain([TWO_YEARS]) {
                world.set_clock(0, ahead);
                world.put(0, "k", format!("at {ahead}"));
                if writes == Writes::Deletes {
                    world.delete(0, "k");
                }
                world.run_for(5 * SECOND);
            }
            world.set_clock(0, 0);
            restamp(&mut world);
            world.run_for(10 * SECOND);
            assert!(world.alarms(0).is_empty(), "nobody has stolen the key: {:?}", world.alarms(0));
            writes_are_shown(&mut world, "after");
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    OneKey,
    Deletes,
}

#[test]
fn a54_a_timestamp_beyond_the_bound_is_refused_before_it_is_acknowledged() {
    let mut world = Mesh::line(2, 1);
    let hour = world.config(0).clock_ahead_micros;
    world.set_clock(0, HOUR + 30 * SECOND as i64);
    world.put(0, "k", "ahead");
    world.set_clock(0, 0);
    let error = world.refused(0, vec![put("k", "again")]);
    assert!(
        matches!(
            error,
            WriteError::NotWritable(NotWritable::ClockBehind {
                limit_seconds: 3_600,
                ahead_seconds: 3_629..=3_631
            })
        ),
        "{error}"
    );
    // So little is not restamped: others accept it before they learn of anything else.
    assert_eq!(restamp(&mut world).changed, 0);
    world.run_for(31 * SECOND);
    let put = world.put(0, "k", "again");
    assert!(put.timestamp.0 <= world.wall(0).0 + hour);
    world.run_until("shown", 10 * SECOND, |world| world.all_read(0, "k", Some(b"again")));
}

#[test]
fn a54_where_no_pause_is_known_the_bound_itself_decides() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        // A clock that runs too fast passes the bound without a jump.
        for step in 0..200 {
            world.set_clock(0, 58 * MINUTE + step * 2 * SECOND as i64);
            world.put(0, &format!("k{}", step % 50), format!("{step}"));
            world.run_for(SECOND);
        }
        world.run_for(5 * SECOND);
        world.set_clock(0, 0);
        assert!(restamp(&mut world).changed > 0);
        writes_are_shown(&mut world, "after");
        assert!(world.all_read(0, "k49", Some(b"199")), "what was written last is there");
    }
}

#[test]
fn a54_a_second_restamp_keeps_clear_of_the_first() {
    for seed in SEEDS {
        let mut world = Mesh::line(3, seed);
        let mut ahead = 0;
        // Each time the clock reaches the previous error, and goes wrong again.
        for n in 1..=24 {
            let far = ahead + 48 * HOUR;
            for step in 0..3 {
                world.set_clock(0, far + step * 20 * MINUTE);
                world.put(0, "k", format!("far {n} {step}"));
            }
            world.set_clock(0, ahead);
            restamp(&mut world);
            writes_are_shown(&mut world, &format!("after {n}"));
            ahead = far + 45 * MINUTE;
            set_clocks(&mut world, ahead);
            world.run_for(SECOND);
        }
    }
}

/// Member 0, with its clock this far ahead, writes a new key each time, and everybody has time to take it.
fn puts_at(world: &mut Mesh, ahead: &[i64]) {
    for ahead in ahead {
        world.set_clock(0, *ahead);
        world.put(0, &format!("at {ahead}"), "v");
        world.run_for(5 * SECOND);
    }
}

fn set_clocks(world: &mut Mesh, ahead: i64) {
    (0..world.n_members()).for_each(|member| world.set_clock(member, ahead));
}

fn restamp(world: &mut Mesh) -> Committed {
    match world.done(0, OwnChange::Restamp) {
        Answer::Committed(done) => done,
        Answer::Refused(error) => panic!("{error}"),
    }
}

/// A write acknowledged now is within the bound, and soon visible everywhere, together with everything
/// acknowledged before.
fn writes_are_shown(world: &mut Mesh, key: &str) {
    let done = world.put(0, key, "shown");
    assert!(done.timestamp.0 <= world.wall(0).0 + world.config(0).clock_ahead_micros, "beyond the bound");
    world.run_until("shown", 30 * SECOND, |world| world.all_read(0, key, Some(b"shown")) && world.equal());
}

/// One member whose clock jumps arbitrarily; the others' are right, or off by seconds.
#[test]
fn a54_random_sequences_of_jumps_restarts_and_restamps() {
    for seed in 1..=RANDOM_SEEDS {
        Sequence::new(seed).run();
    }
}

/// Number of random sequences in the test; a sweep takes more.
const RANDOM_SEEDS: u64 = 60;
const STEPS: u64 = 40;

struct Sequence {
    world: Mesh,
    rng: Rng,
    /// The true time of the mesh, and the offset of member 0's clock.
    shift: i64,
    off: i64,
    /// The last acknowledged value of each key.
    acknowledged: BTreeMap<String, Option<Vec<u8>>>,
    n_values: u64,
    n_acknowledged: u64,
    said: String,
}

impl Sequence {
    fn new(seed: u64) -> Self {
        let mut world = Mesh::line(3, seed);
        world.guard(uses_no_timestamp_twice());
        let (rng, acknowledged) = (Rng::new(seed), BTreeMap::new());
        Self {
            world,
            rng,
            shift: 0,
            off: 0,
            acknowledged,
            n_values: 0,
            n_acknowledged: 0,
            said: format!("seed {seed}"),
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            match self.rng.below(10) {
                0 => self.set_off(0),
                1 => {
                    let off = self.rng.below(HOUR as u64) as i64;
                    self.set_off(off);
                }
                2 => {
                    let off = HOUR + self.rng.below(40 * 24 * HOUR as u64) as i64;
                    self.set_off(off);
                }
                3 => {
                    let off = -(self.rng.below(2 * HOUR as u64) as i64);
                    self.set_off(off);
                }
                4 => self.restart(),
                5 => {
                    self.say("restamp");
                    self.world.done(0, OwnChange::Restamp);
                }
                6 => {
                    let pause = self.rng.below(30 * SECOND);
                    self.world.run_for(pause);
                }
                7 if self.rng.chance(1, 3) => {
                    // Everybody's time advances to where the clock was wrong before.
                    self.shift += self.rng.below(3 * 24 * HOUR as u64) as i64;
                    self.set_clocks();
                }
                _ => self.write(),
            }
        }
        self.check();
    }

    fn say(&mut self, what: &str) {
        self.said += "; ";
        self.said += what;
    }

    fn set_off(&mut self, off: i64) {
        self.say(&format!("off {} s", off / SECOND as i64));
        self.off = off;
        self.set_clocks();
    }

    fn set_clocks(&mut self) {
        self.world.set_clock(0, self.shift + self.off);
        for other in 1..3 {
            self.world.set_clock(other, self.shift + other as i64 * SECOND as i64 - 2 * SECOND as i64);
        }
    }

    fn restart(&mut self) {
        let clean = self.rng.chance(1, 2);
        self.say(if clean { "stop" } else { "crash" });
        if clean {
            self.world.stop(0);
        } else {
            self.world.crash(0);
        }
        self.world.start(0);
        self.world.run_for(SECOND);
    }

    fn write(&mut self) {
        let key = format!("k{}", self.rng.below(4));
        self.n_values += 1;
        let value = format!("{}", self.n_values).into_bytes();
        let (write, now) = match self.rng.chance(1, 4) {
            true => (delete(&key), None),
            false => (put(&key, value.clone()), Some(value)),
        };
        match self.world.done(0, OwnChange::Commit(vec![write])) {
            Answer::Committed(done) => {
                self.say(&format!("write {key}"));
                let bound = self.world.wall(0).0 + self.world.config(0).clock_ahead_micros;
                assert!(done.timestamp.0 <= bound, "acknowledged beyond the bound; {}", self.said);
                self.acknowledged.insert(key, now);
                self.n_acknowledged += 1;
            }
            Answer::Refused(CommandError::Write(WriteError::NotWritable(NotWritable::ClockBehind {
                ahead_seconds,
                ..
            }))) => {
                self.say(&format!("refused, {ahead_seconds} s ahead"));
            }
            Answer::Refused(error) => panic!("{error}; {}", self.said),
        }
    }

    /// The clock is right, and `restamp` was called: everybody shows the last acknowledged values.
    fn check(&mut self) {
        self.set_off(0);
        self.say("restamp");
        let restamped = self.world.done(0, OwnChange::Restamp);
        let said = self.said.clone();
        assert!(matches!(restamped, Answer::Committed(_)), "{restamped:?}; {said}");
        assert!(self.world.alarms(0).is_empty(), "{:?}; {said}", self.world.alarms(0));
        let last = self.world.heads(0).get(&self.world.id(0)).map_or(0, |head| head.0.0);
        let wait = last.saturating_sub(self.world.wall(0).0 + self.world.config(0).clock_ahead_micros);
        self.world.run_for(wait.min(2 * HOUR as u64) + 10 * SECOND);
        let n_written = self.n_acknowledged;
        self.write();
        assert!(self.n_acknowledged > n_written, "writes go on; {}", self.said);
        self.world.run_for(10 * SECOND);
        let acknowledged = &self.acknowledged;
        for member in 0..3 {
            for (key, value) in acknowledged {
                let shown = self.world.get(member, 0, key);
                assert_eq!(shown.as_deref(), value.as_deref(), "m{member} {key}; {said}");
            }
        }
    }
}
