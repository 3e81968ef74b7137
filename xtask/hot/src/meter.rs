//! What is counted, and how often it was done.

use std::hint::black_box;

/// Counts operations.
#[derive(Default)]
pub struct Meter {
    operations: u64,
}

impl Meter {
    /// Does something that is to be counted, as one operation.
    pub fn measure<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        self.operations += 1;
        let (mut operation, mut done) = (Some(operation), None);
        measured(&mut || done = operation.take().map(|operation| operation()));
        done.expect("it was just done")
    }

    /// How many there were.
    pub fn operations(&self) -> u64 {
        self.operations
    }
}

/// Counting is switched on where this is entered and off where it is left, so its name has to stay, and it
/// may neither become part of its caller nor end with a jump.
#[inline(never)]
fn measured(operation: &mut dyn FnMut()) {
    black_box(operation)();
    black_box(());
}
