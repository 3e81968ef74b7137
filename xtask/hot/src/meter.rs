//! Marks the code to count, and counts the operations.

use std::hint::black_box;

/// Counts operations.
#[derive(Default)]
pub struct Meter {
    operations: u64,
}

impl Meter {
    /// Runs code that is counted, as one operation.
    pub fn measure<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        self.operations += 1;
        let (mut operation, mut done) = (Some(operation), None);
        measured(&mut || done = operation.take().map(|operation| operation()));
        done.expect("it was just done")
    }

    /// Number of operations.
    pub fn operations(&self) -> u64 {
        self.operations
    }
}

/// Counting starts when this is entered and stops when it is left, so its name must stay, and it must neither
/// be inlined nor end with a tail call.
#[inline(never)]
fn measured(operation: &mut dyn FnMut()) {
    black_box(operation)();
    black_box(());
}
