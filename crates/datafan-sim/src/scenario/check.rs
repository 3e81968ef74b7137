//! The limits of scenarios.

use super::{Scenario, error::ScenarioError, network::Latency};
use datafan_core::limits::{MEMBERS_MAX, PUSH_BYTES_MAX, VALUE_BYTES_MAX};

/// A field, its value, its minimum and maximum, and the remedy.
type Bound = (&'static str, u64, u64, u64, &'static str);

const DAY: u64 = 86_400;

impl Scenario {
    /// Checks every limit.
    ///
    /// # Errors
    /// Names the first field that violates a limit, the limit, and the remedy.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let Self { workload, faults, engine, .. } = self;
        let few = "set the number of members";
        let bounds: Vec<Bound> = vec![
            ("members", self.members as u64, 2, MEMBERS_MAX as u64, few),
            ("start_ms", self.start_ms, 0, DAY * 1_000, "start all members within a day"),
            ("seconds", self.seconds, 0, DAY, "simulate a day at most, with several seeds for more"),
            (
                "bound_seconds",
                self.bound_seconds,
                1,
                DAY,
                "set a time within which the mesh must become equal",
            ),
            ("delivered_seconds", self.delivered_seconds, 0, DAY, "take at most a day"),
            ("idle_rounds", self.idle_rounds, 0, 100_000, "watch it for a shorter time"),
            ("engine.round_ms", engine.round_ms, 10, 3_600_000, "take 10 ms to an hour"),
            ("engine.handling_micros", engine.handling_micros, 0, 1_000_000, "take at most a second"),
            ("engine.sync_micros", engine.sync_micros, 0, 10_000_000, "take at most ten seconds"),
            ("workload.initial_items", workload.initial_items[0], 0, workload.initial_items[1], LEAST_FIRST),
            ("workload.initial_items", workload.initial_items[1], 0, 4_096, "one commit takes no more"),
            ("workload.initial_ms", workload.initial_ms, 0, DAY * 1_000, "write them within a day"),
            (
                "workload.updates_per_minute",
                workload.updates_per_minute,
                0,
                60_000_000,
                "take at most a million per second",
            ),
            ("workload.keys", workload.keys, 1, 1_000_000, "take at least one key name"),
            ("workload.writes", workload.writes[0], 1, workload.writes[1], LEAST_FIRST),
            ("workload.writes", workload.writes[1], 1, 4_096, "one commit takes no more"),
            ("workload.value_bytes", workload.value_bytes[0], 16, workload.value_bytes[1], VALUES),
            ("workload.value_bytes", workload.value_bytes[1], 16, VALUE_BYTES_MAX as u64, VALUES),
            ("workload.deletes_per_mille", u64::from(workload.deletes_per_mille), 0, 1_000, PER_MILLE),
            ("workload.large_per_mille", u64::from(workload.large_per_mille), 0, 1_000, PER_MILLE),
            ("workload.expiring_per_mille", u64::from(workload.expiring_per_mille), 0, 1_000, PER_MILLE),
            ("faults.loss_per_mille", u64::from(faults.loss_per_mille), 0, 500, "leave half of them"),
            ("faults.twice_per_mille", u64::from(faults.twice_per_mille), 0, 500, PER_MILLE),
            ("faults.late_per_mille", u64::from(faults.late_per_mille), 0, 500, PER_MILLE),
            ("faults.violations_per_mille", u64::from(faults.violations_per_mille), 0, 1_000, PER_MILLE),
            ("faults.late_ms", faults.late_ms, 0, 600_000, "take at most ten minutes"),
            ("faults.down_ms", faults.down_ms[0], 0, faults.down_ms[1], LEAST_FIRST),
            ("faults.cut_ms", faults.cut_ms[0], 0, faults.cut_ms[1], LEAST_FIRST),
            ("faults.clock_jump_seconds", faults.clock_jump_seconds, 0, 3_000, CLOCKS),
        ];
        bounds.into_iter().try_for_each(within)?;
        self.check_counts()?;
        self.check_discovery()?;
        self.check_latency()?;
        self.check_rates()?;
        self.topology.check(self.members)
    }

    fn check_counts(&self) -> Result<(), ScenarioError> {
        let faults = &self.faults;
        let happenings = [
            ("faults.crashes", faults.crashes),
            ("faults.stops", faults.stops),
            ("faults.cuts", faults.cuts),
            ("faults.one_way_cuts", faults.one_way_cuts),
            ("faults.partitions", faults.partitions),
            ("faults.flaps", faults.flaps),
            ("faults.disk_failures", faults.disk_failures),
            ("faults.disks_full", faults.disks_full),
            ("faults.slow_disks", faults.slow_disks),
            ("faults.clock_jumps", faults.clock_jumps),
        ];
        for (field, n) in happenings {
            within((field, n, 0, 1_000_000, "take a longer time or several seeds for more"))?;
        }
        // Member 0 holds the authority key and keeps its role.
        let others = self.members as u64 - 1;
        let parts = [
            ("faults.drifting_clocks", faults.drifting_clocks),
            ("faults.restores", faults.restores),
            ("faults.joins", faults.joins),
            ("faults.leaves", faults.leaves),
            ("faults.misbehaving", faults.misbehaving),
            ("faults.deaths", faults.deaths),
        ];
        for (field, n) in parts {
            within((field, n, 0, others, "only members other than the first count"))?;
        }
        let special = faults.restores + faults.joins + faults.leaves + faults.misbehaving + faults.deaths;
        within((
            "faults: restores, joins, leaves, misbehaving and deaths",
            special,
            0,
            others,
            "each needs a member of its own",
        ))
    }

    fn check_discovery(&self) -> Result<(), ScenarioError> {
        let islands = self.faults.islands.iter().sum();
        within((
            "faults.islands: members",
            islands,
            0,
            self.members as u64,
            "the mesh has only this many members",
        ))?;
        within(("faults.islands", self.faults.islands.len() as u64, 0, 8, "take fewer islands"))?;
        let Some(discovery) = &self.discovery else {
            let remedy = "moves need discovery = true";
            return within(("faults.moves", self.faults.moves, 0, 0, remedy));
        };
        let least = discovery.links_min as u64;
        let bounds: [Bound; 7] = [
            ("discovery.links_min", least, 1, 32, "take 1 to 32"),
            ("discovery.links_wanted", discovery.links_wanted as u64, least, 48, "take links_min to 48"),
            ("discovery.dial_only_per_mille", discovery.dial_only_per_mille.into(), 0, 1_000, PER_MILLE),
            ("discovery.dial_ms", discovery.dial_ms, 0, 60_000, "take at most a minute"),
            ("discovery.idle_ms", discovery.idle_ms, 0, 600_000, "take at most ten minutes"),
            ("faults.moves", self.faults.moves, 0, 1_000_000, "take several seeds for more"),
            ("discovery.joined_seconds", discovery.joined_seconds, 0, DAY, "take at most a day"),
        ];
        bounds.into_iter().try_for_each(within)
    }

    fn check_latency(&self) -> Result<(), ScenarioError> {
        let minute = 60_000_000;
        let (field, remedy) = ("network.latency", "take at most a minute");
        match &self.network.latency {
            Latency::Lan => Ok(()),
            Latency::Wan { regions } => within((
                "network.latency.regions",
                regions.len() as u64,
                1,
                1_000,
                "name at least one region",
            )),
            Latency::Constant { micros } => within((field, *micros, 1, minute, remedy)),
            Latency::Uniform { least_micros, most_micros } => {
                within((field, *least_micros, 1, *most_micros, LEAST_FIRST))?;
                within((field, *most_micros, 1, minute, remedy))
            }
            Latency::LongTail { micros, tail_per_mille } => {
                within((field, *micros, 1, minute / 1_000, remedy))?;
                within(("network.latency.tail_per_mille", u64::from(*tail_per_mille), 0, 1_000, PER_MILLE))
            }
        }
    }

    fn check_rates(&self) -> Result<(), ScenarioError> {
        let (rate, least) = (self.network.bytes_per_second, 1_000);
        if rate > 0 {
            within(("network.bytes_per_second", rate, least, u64::MAX, "use 0 for a link without a limit"))?;
        }
        if self.workload.large_per_mille > 0 {
            // A large value is up to twice the size that is pushed.
            const { assert!(2 * PUSH_BYTES_MAX < VALUE_BYTES_MAX) };
        }
        Ok(())
    }
}

fn within((field, found, least, most, remedy): Bound) -> Result<(), ScenarioError> {
    if found < least {
        return Err(ScenarioError::Least { field, found, least, remedy });
    }
    if found > most {
        return Err(ScenarioError::Most { field, found, most, remedy });
    }
    Ok(())
}

const LEAST_FIRST: &str = "put the smaller number first";
const PER_MILLE: &str = "it is a number per thousand";
const VALUES: &str = "a value starts with 16 bytes that identify its commit";
const CLOCKS: &str = "a larger offset stops the member from writing, which needs a scenario of its own";
