//! Measurements during a simulation.

use datafan_core::time::Time;

/// A histogram of durations, with a resolution of one sixteenth of the value.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    n: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; 64 * 16], n: 0, most: 0 }
    }
}

impl Histogram {
    /// Adds a value.
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.n += 1;
        self.most = self.most.max(value);
    }

    /// Number of values.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The greatest value.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The value that this many of a thousand do not exceed, rounded up to a sixteenth.
    pub fn per_mille(&self, per_mille: u64) -> u64 {
        let wanted = (self.n * per_mille).div_ceil(1_000).max(1);
        let mut n = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            n += count;
            if n >= wanted {
                return end(bucket).min(self.most);
            }
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    if value < 16 {
        return value as usize;
    }
    let level = 63 - value.leading_zeros() as usize;
    (level - 3) * 16 + ((value >> (level - 4)) & 15) as usize
}

fn end(bucket: usize) -> u64 {
    if bucket < 16 {
        return bucket as u64;
    }
    let (level, part) = (bucket / 16 + 3, bucket as u64 % 16);
    ((16 + part + 1) << (level - 4)) - 1
}

/// The share of the mesh that has converged, over time.
#[derive(Clone, Default)]
pub struct Progress {
    /// Time in microseconds since the start, pairs of members and owners, and how many of them have
    /// converged.
    pub samples: Vec<(u64, u64, u64)>,
}

impl Progress {
    /// Adds a sample; if there are too many, every second one is removed.
    pub fn note(&mut self, time: Time, (pairs, there): (u64, u64)) {
        self.samples.push((time.0, pairs, there));
        if self.samples.len() > SAMPLES_MAX {
            let mut n = 0;
            self.samples.retain(|_| {
                n += 1;
                n % 2 == 1
            });
        }
    }
}

/// Maximum number of samples: as many as a chart shows.
const SAMPLES_MAX: usize = 1_200;

/// When, after a given moment, half, 99 % and all of the pairs had converged, in microseconds since then.
#[derive(Clone, Copy, Default, Debug)]
pub struct Converged {
    /// Half of them.
    pub p50: Option<u64>,
    /// 99 %.
    pub p99: Option<u64>,
    /// All.
    pub all: Option<u64>,
}

impl Converged {
    /// Records the state `micros` after that moment. A share that is lost again counts anew.
    pub fn note(&mut self, micros: u64, (pairs, there): (u64, u64), all: bool) {
        let set = |slot: &mut Option<u64>, reached: bool| match (reached, *slot) {
            (true, None) => *slot = Some(micros),
            (true, Some(_)) => {}
            (false, _) => *slot = None,
        };
        set(&mut self.p50, there * 2 >= pairs);
        set(&mut self.p99, there * 100 >= pairs * 99);
        set(&mut self.all, all);
    }
}

/// Peak memory of this process so far, in bytes, if the system reports it. It belongs to the machine, not the
/// seed: two runs of one seed may differ.
pub fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// Processor time of this thread so far, in microseconds, if the system reports it.
pub fn computed() -> Option<u64> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(schedule.split(' ').next()?.parse::<u64>().ok()? / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_knows_sizes_to_a_sixteenth() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|value| histogram.add(value));
        for (per_mille, exact) in [(500, 5_000), (990, 9_900), (1_000, 10_000)] {
            let found = histogram.per_mille(per_mille);
            assert!(found >= exact && found <= exact + exact / 16, "{per_mille}: {found}");
        }
        assert!((0..64).all(|level| end(bucket(1 << level)) >= 1 << level));
    }
}
