//! No member is blamed without a reason.

use super::checker::{Checked, Checker, Scene, must};
use datafan_core::time::Time;

/// No member penalizes an honest neighbour, and none calls an honest owner's head invalid: here only relays
/// misbehave, so an invalid head means that a false message was accepted.
#[derive(Default)]
pub struct FairBlame {
    /// The member to check next.
    next: usize,
}

/// The violations that only misbehaving members cause.
const VIOLATIONS: [&str; 5] = ["malformed", "signature", "wrong_answer", "node", "range"];

impl Checker for FairBlame {
    fn name(&self) -> &'static str {
        "fair_blame"
    }

    fn on_tick(&mut self, scene: &Scene<'_>) -> Checked {
        self.next = (self.next + 1) % scene.world.n_members();
        check(scene, self.next)
    }

    fn on_settled(&mut self, scene: &Scene<'_>, _: Time) -> Checked {
        (0..scene.world.n_members()).try_for_each(|member| check(scene, member))
    }
}

fn check(scene: &Scene<'_>, member: usize) -> Checked {
    if !scene.world.runs(member) {
        return Ok(());
    }
    let refusals = &scene.world.stats(member).refusals;
    let invalid = refusals.get("invalid_head").copied().unwrap_or(0);
    must(invalid == 0, || format!("m{member} called {invalid} heads invalid that are not"))?;
    let violations = VIOLATIONS.into_iter().filter(|_| scene.misbehaving.is_empty());
    let blamed: Vec<_> = violations.filter_map(|violation| refusals.get_key_value(violation)).collect();
    must(blamed.is_empty(), || format!("m{member} blames honest neighbours: {blamed:?}"))
}
