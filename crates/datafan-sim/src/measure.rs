//! What is measured while a simulation goes on.

use datafan_core::time::Time;

/// How long something took, many times: counts by size, each size known to a sixteenth.
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
    /// Counts one.
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.n += 1;
        self.most = self.most.max(value);
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The greatest.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The value that so many of a thousand do not exceed, rounded up to a sixteenth.
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

/// How much of the mesh was where it must end, over time.
#[derive(Clone, Default)]
pub struct Progress {
    /// Time in microseconds since the beginning, pairs of members and owners, and how many of them are there.
    pub samples: Vec<(u64, u64, u64)>,
}

impl Progress {
    /// Notes a sample; of too many, every second one goes.
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

/// Samples that are kept: as many as a picture shows.
const SAMPLES_MAX: usize = 1_200;

/// When, after some moment, a half, 99 % and all pairs were where they must end, in microseconds since it.
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
    /// Takes in how it stands `micros` after that moment. Shares that are lost again count anew.
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

/// The most memory that this process had so far, in bytes, where the system says so. It is the machine's, not
/// the seed's: two runs of one seed may differ.
pub fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

/// How long this thread has computed so far, in microseconds, where the system says so.
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
