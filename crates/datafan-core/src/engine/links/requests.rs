//! What a peer was asked for and has not sent yet.

use super::fetch_window::FetchWindow;
use crate::{
    id::MemberId,
    limits::REQUESTS_PENDING_MAX,
    time::{Time, Timestamp},
};
use alloc::collections::BTreeMap;

/// Requests over one link that wait for their answers.
pub(in crate::engine) struct Requests {
    /// Pulls: owner and expected bytes.
    pulls: BTreeMap<MemberId, u64>,
    /// Requests of comparisons: whose shard they are about, and expected bytes.
    slots: BTreeMap<u32, (MemberId, u64)>,
    /// How much may be on its way.
    window: FetchWindow,
    /// Pulls that were given up, and after which timestamp they asked: what answers them is still good.
    late_pulls: BTreeMap<MemberId, Timestamp>,
}

/// Most owners pulled over one link at once. Fewer than a peer may owe.
const PULLS_MAX: usize = 48;

const _: () = assert!(PULLS_MAX < REQUESTS_PENDING_MAX);

impl Requests {
    pub(super) fn new() -> Self {
        let (pulls, slots, late_pulls) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { pulls, slots, window: FetchWindow::new(), late_pulls }
    }

    /// How much may be on its way, and what is known of the line.
    pub(in crate::engine) fn window(&self) -> FetchWindow {
        self.window
    }

    /// How much more may be asked for; all there is where nothing is on its way.
    pub(in crate::engine) fn window_left(&self) -> u64 {
        self.window.bytes().saturating_sub(self.bytes_expected())
    }

    /// Bytes that the peer was asked for and has not sent yet.
    pub(in crate::engine) fn bytes_expected(&self) -> u64 {
        let asked = self.slots.values().map(|(_, bytes)| *bytes);
        self.pulls.values().copied().chain(asked).sum()
    }

    /// Whether two more requests fit into what the peer may owe us.
    pub(in crate::engine) fn has_room(&self) -> bool {
        self.slots.len() + self.pulls.len() + 2 <= REQUESTS_PENDING_MAX
    }

    /// Whether another pull of `bytes` fits beside those under way.
    pub(in crate::engine) fn has_pull_room(&self, bytes: u64) -> bool {
        self.pulls.is_empty()
            || self.pulls.len() < PULLS_MAX && self.has_room() && bytes <= self.window_left()
    }

    /// A pull is under way.
    pub(in crate::engine) fn begin_pull(&mut self, owner: MemberId, bytes: u64) {
        self.pulls.insert(owner, bytes);
    }

    /// A pull is over, or not waited for any more. How many bytes were expected.
    pub(in crate::engine) fn end_pull(&mut self, owner: &MemberId) -> Option<u64> {
        self.pulls.remove(owner)
    }

    /// A pull is given up. What answers it is taken all the same, if it fits by then.
    pub(in crate::engine) fn give_up_pull(&mut self, owner: MemberId, since: Timestamp, now: Time) {
        self.window.on_late(now);
        self.late_pulls.insert(owner, since);
        if self.late_pulls.len() > PULLS_MAX {
            // Any of them: most are answered by something else by now.
            self.late_pulls.pop_first();
        }
    }

    /// Whether a pull after `since` was given up; its answer has come.
    pub(in crate::engine) fn end_late_pull(&mut self, owner: &MemberId, since: Timestamp) -> bool {
        let is_late = self.late_pulls.get(owner) == Some(&since);
        is_late && self.late_pulls.remove(owner).is_some()
    }

    /// A request of a comparison is under way.
    pub(in crate::engine) fn begin(&mut self, id: u32, owner: MemberId, bytes: u64) {
        self.slots.insert(id, (owner, bytes));
    }

    /// A request was answered. Whose shard it was about; `None` if it is not waited for.
    pub(in crate::engine) fn end(&mut self, id: u32) -> Option<MemberId> {
        self.slots.remove(&id).map(|(owner, _)| owner)
    }

    /// No answer about `owner` is waited for, but those that `stays` names.
    pub(in crate::engine) fn drop_about(&mut self, owner: &MemberId, stays: impl Fn(u32) -> bool) {
        self.slots.retain(|id, (asked, _)| asked != owner || stays(*id));
    }

    /// An answer came, for which so many bytes were expected.
    pub(in crate::engine) fn on_answer(&mut self, bytes: u64, sent: Time, now: Time) {
        self.window.on_answer(bytes, sent, now);
    }

    /// An answer did not come in time.
    pub(in crate::engine) fn on_late(&mut self, now: Time) {
        self.window.on_late(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::owner;

    #[test]
    fn one_pull_always_fits_and_others_within_what_the_line_brings() {
        let mut requests = Requests::new();
        let all = requests.window_left();
        assert!(requests.has_pull_room(u64::MAX));
        requests.begin_pull(owner(1), all - 10);
        assert!(requests.has_pull_room(10) && !requests.has_pull_room(11));
        requests.begin(7, owner(2), 4);
        assert_eq!((requests.bytes_expected(), requests.window_left()), (all - 6, 6));
        assert_eq!((requests.end_pull(&owner(1)), requests.end_pull(&owner(1))), (Some(all - 10), None));
        assert_eq!((requests.end(7), requests.end(7)), (Some(owner(2)), None));
        (0..PULLS_MAX as u8).for_each(|n| requests.begin_pull(owner(n), 0));
        assert!(!requests.has_pull_room(0), "they are too many");
    }

    #[test]
    fn what_answers_a_pull_that_was_given_up_is_taken_once() {
        let mut requests = Requests::new();
        requests.begin_pull(owner(1), 10);
        requests.end_pull(&owner(1));
        requests.give_up_pull(owner(1), Timestamp(5), Time(9));
        assert!(!requests.end_late_pull(&owner(1), Timestamp(4)), "another one");
        assert!(requests.end_late_pull(&owner(1), Timestamp(5)));
        assert!(!requests.end_late_pull(&owner(1), Timestamp(5)));
        (0..=PULLS_MAX as u8).for_each(|n| requests.give_up_pull(owner(n), Timestamp(5), Time(9)));
        assert_eq!(requests.late_pulls.len(), PULLS_MAX);
    }

    #[test]
    fn requests_about_one_owner_are_dropped_together() {
        let mut requests = Requests::new();
        (0..4).for_each(|id| requests.begin(id, owner(1 + id as u8 % 2), 1));
        requests.drop_about(&owner(1), |id| id == 2);
        let left: alloc::vec::Vec<u32> = requests.slots.keys().copied().collect();
        assert_eq!(left, [1, 2, 3]);
    }
}
