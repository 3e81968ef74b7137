//! The used part of a store's file: counted rarely if counting takes long, and never less than what was added
//! since.

use std::time::{Duration, Instant};

/// The last count.
#[derive(Default)]
pub(crate) struct Used(Option<Counted>);

struct Counted {
    at: Instant,
    /// How long counting took.
    took: Duration,
    bytes: u64,
    /// Size of the file then.
    file_bytes: u64,
}

/// A count is kept for this many times its duration: counting takes at most a fiftieth of the time, however
/// often it is requested.
const KEPT_TIMES: u32 = 50;
/// At most this long, however long it took.
const KEPT_MAX: Duration = Duration::from_secs(60);

impl Used {
    /// How much of `file_bytes` is used. `count` computes it and returns how long that took.
    pub fn bytes<E>(
        &mut self,
        now: Instant,
        file_bytes: u64,
        count: impl FnOnce() -> Result<(u64, Duration), E>,
    ) -> Result<u64, E> {
        if let Some(counted) = &self.0
            && now.saturating_duration_since(counted.at) < (counted.took * KEPT_TIMES).min(KEPT_MAX)
        {
            // Growth counts as used until the next count, since most of what was written stays.
            let grown = file_bytes.saturating_sub(counted.file_bytes);
            return Ok((counted.bytes + grown).min(file_bytes));
        }
        let (bytes, took) = count()?;
        self.0 = Some(Counted { at: now + took, took, bytes, file_bytes });
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ask(used: &mut Used, now: Instant, file_bytes: u64, count: (u64, Duration)) -> (u64, bool) {
        let mut counted = false;
        let bytes = used.bytes(now, file_bytes, || {
            counted = true;
            Ok::<_, ()>(count)
        });
        (bytes.unwrap(), counted)
    }

    #[test]
    fn what_is_added_after_a_count_is_not_taken_for_free() {
        let (mut used, now) = (Used::default(), Instant::now());
        assert_eq!(ask(&mut used, now, 1_000, (900, 10 * SECOND)), (900, true));
        assert_eq!(ask(&mut used, now + 11 * SECOND, 20_000, (0, SECOND)), (19_900, false));
        // The file has shrunk since: no more is used than there is.
        assert_eq!(ask(&mut used, now + 12 * SECOND, 500, (0, SECOND)), (500, false));
    }

    #[test]
    fn a_count_is_kept_by_what_it_cost() {
        let (mut used, now) = (Used::default(), Instant::now());
        assert_eq!(ask(&mut used, now, 1_000, (1, SECOND / 100)), (1, true));
        assert_eq!(ask(&mut used, now + SECOND / 2, 1_000, (2, SECOND)), (1, false));
        assert_eq!(ask(&mut used, now + SECOND, 1_000, (2, 20 * SECOND)), (2, true));
        assert_eq!(ask(&mut used, now + 80 * SECOND, 1_000, (3, SECOND)), (2, false));
        assert_eq!(ask(&mut used, now + 82 * SECOND, 1_000, (3, SECOND)), (3, true));
    }
}
