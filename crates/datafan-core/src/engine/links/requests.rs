//! Pending requests to a peer.

use super::fetch_window::FetchWindow;
use crate::{
    id::MemberId,
    limits::REQUESTS_PENDING_MAX,
    time::{Time, Timestamp},
};
use alloc::collections::BTreeMap;

/// Requests on one link that wait for their answers.
pub(in crate::engine) struct Requests {
    /// Pulls: owner and expected bytes.
    pulls: BTreeMap<MemberId, u64>,
    /// Requests of reconciliations: owner and expected bytes.
    slots: BTreeMap<u32, (MemberId, u64)>,
    /// The fetch window.
    window: FetchWindow,
    /// Pulls that were given up, with their base. Late answers to them can still be used.
    late_pulls: BTreeMap<MemberId, Timestamp>,
}

/// Most owners pulled over one link at once. Fewer than the limit of pending requests.
const PULLS_MAX: usize = 48;

const _: () = assert!(PULLS_MAX < REQUESTS_PENDING_MAX);

impl Requests {
    pub(super) fn new() -> Self {
        let (pulls, slots, late_pulls) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { pulls, slots, window: FetchWindow::new(), late_pulls }
    }

    /// The fetch window.
    pub(in crate::engine) fn window(&self) -> FetchWindow {
        self.window
    }

    /// Bytes that may still be requested; the whole window if nothing is pending.
    pub(in crate::engine) fn window_left(&self) -> u64 {
        self.window.bytes().saturating_sub(self.bytes_expected())
    }

    /// Expected bytes of all pending requests.
    pub(in crate::engine) fn bytes_expected(&self) -> u64 {
        let asked = self.slots.values().map(|(_, bytes)| *bytes);
        self.pulls.values().copied().chain(asked).sum()
    }

    /// Whether two more requests fit into the limit of pending requests.
    pub(in crate::engine) fn has_room(&self) -> bool {
        self.slots.len() + self.pulls.len() + 2 <= REQUESTS_PENDING_MAX
    }

    /// Whether another pull of `bytes` fits beside the pending requests.
    pub(in crate::engine) fn has_pull_room(&self, bytes: u64) -> bool {
        self.pulls.is_empty()
            || self.pulls.len() < PULLS_MAX && self.has_room() && bytes <= self.window_left()
    }

    /// Records a pull.
    pub(in crate::engine) fn begin_pull(&mut self, owner: MemberId, bytes: u64) {
        self.pulls.insert(owner, bytes);
    }

    /// Ends a pull. Returns how many bytes were expected.
    pub(in crate::engine) fn end_pull(&mut self, owner: &MemberId) -> Option<u64> {
        self.pulls.remove(owner)
    }

    /// Gives up a pull. A late answer is still accepted if it applies by then.
    pub(in crate::engine) fn give_up_pull(&mut self, owner: MemberId, since: Timestamp, now: Time) {
        self.window.on_late(now);
        self.late_pulls.insert(owner, since);
        if self.late_pulls.len() > PULLS_MAX {
            // Drop any of them, since most were superseded by now.
            self.late_pulls.pop_first();
        }
    }

    /// Ends a pull with base `since` that was given up, whose answer arrived. Returns whether there was one.
    pub(in crate::engine) fn end_late_pull(&mut self, owner: &MemberId, since: Timestamp) -> bool {
        let is_late = self.late_pulls.get(owner) == Some(&since);
        is_late && self.late_pulls.remove(owner).is_some()
    }

    /// Records a request of a reconciliation.
    pub(in crate::engine) fn begin(&mut self, id: u32, owner: MemberId, bytes: u64) {
        self.slots.insert(id, (owner, bytes));
    }

    /// Ends a request of a reconciliation. Returns its owner; `None` if it is not pending.
    pub(in crate::engine) fn end(&mut self, id: u32) -> Option<MemberId> {
        self.slots.remove(&id).map(|(owner, _)| owner)
    }

    /// Drops the pending requests about `owner`, except those for which `stays` is true.
    pub(in crate::engine) fn drop_about(&mut self, owner: &MemberId, stays: impl Fn(u32) -> bool) {
        self.slots.retain(|id, (asked, _)| asked != owner || stays(*id));
    }

    /// An answer arrived, for which `bytes` were expected.
    pub(in crate::engine) fn on_answer(&mut self, bytes: u64, sent: Time, now: Time) {
        self.window.on_answer(bytes, sent, now);
    }

    /// An answer did not arrive in time.
    pub(in crate::engine) fn on_late(&mut self, now: Time) {
        self.window.on_late(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::owner;

    #[test]
    fn one_pull_always_fits_and_others_share_the_window() {
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
        assert!(!requests.has_pull_room(0), "too many pulls");
    }

    #[test]
    fn a_late_answer_to_an_abandoned_pull_is_accepted_once() {
        let mut requests = Requests::new();
        requests.begin_pull(owner(1), 10);
        requests.end_pull(&owner(1));
        requests.give_up_pull(owner(1), Timestamp(5), Time(9));
        assert!(!requests.end_late_pull(&owner(1), Timestamp(4)), "an answer to another pull");
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
