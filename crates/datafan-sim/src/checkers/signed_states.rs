//! Only states that an owner signed are ever visible.

use super::checker::{Checked, Checker, Scene, Violation, must};
use crate::ledger::Applied;

/// Every head that a member shows is, byte for byte, one that became visible at its owner first.
#[derive(Default)]
pub struct SignedStates;

impl Checker for SignedStates {
    fn name(&self) -> &'static str {
        "signed_states"
    }

    fn on_applied(&mut self, scene: &Scene<'_>, applied: &Applied<'_>) -> Checked {
        let Some(head) =
            applied.state.and_then(|state| state.record()).and_then(|record| record.head().copied())
        else {
            return Ok(());
        };
        let made = scene.ledger.made(applied.owner, applied.now);
        must(made.is_some_and(|made| made.head == head), || {
            format!("m{} shows {head:?}, which differs from what its owner signed", applied.member)
        })
    }

    fn on_unknown(&mut self, _: &Scene<'_>, member: usize, what: &str) -> Checked {
        Err(Violation(format!("m{member} shows {what}, which its owner never made")))
    }
}
