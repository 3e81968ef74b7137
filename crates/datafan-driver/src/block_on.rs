//! Blocking on a future, for programs without an async runtime.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Blocks the calling thread until a future of a [`crate::Handle`] is done: `handle.put("k",
/// "v").block_on()`.
///
/// Do not call this on a thread of an async runtime: it would block the other tasks there.
pub trait BlockOn: Future + Sized {
    /// Blocks until the future is done.
    fn block_on(self) -> Self::Output {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(self);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                // Returns at once if the wake-up came first; a spurious wake-up only polls again.
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl<F: Future> BlockOn for F {}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
