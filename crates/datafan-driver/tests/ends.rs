//! However the driver's thread ends, everybody is told. One test, because a subscriber is global to the
//! process.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::Mesh;
use datafan_driver::{CommitError, StopReason, WaitError};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

/// Timeout of what should happen at once.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a57_a_thread_that_ends_with_its_log_says_so_to_all_who_wait() {
    let log = Trap::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    subscriber.with_writer(log.clone()).init();
    let mesh = Mesh::default();

    // In the middle of its work: writers, waiters and questions are answered with the reason.
    let (member, _) = mesh.founder().await;
    let waiter = {
        let member = member.clone();
        tokio::spawn(async move { member.wait_links(1).await })
    };
    log.breaks_at("command: commit");
    let error = soon(member.put("k", "v")).await.unwrap_err();
    assert!(matches!(error, CommitError::Stopped { reason: StopReason::Panicked { .. }, .. }), "{error}");
    assert!(matches!(waiter.await.unwrap(), Err(WaitError::Stopped { .. })));
    assert!(matches!(member.status().await, Err(WaitError::Stopped { .. })));
    let StopReason::Panicked { what } = soon(member.stopped()).await else { panic!("no panic") };
    assert!(what.contains("no place for a line"), "{what}");

    // At its first log line, and at its last one.
    let mesh = Mesh::default();
    log.breaks_at("member started");
    let (member, _) = mesh.founder_on(&datafan_store_mem::MemDisk::new());
    assert!(matches!(soon(member.stopped()).await, StopReason::Panicked { .. }));
    log.breaks_at("member stopped");
    let (member, _) = Mesh::default().founder().await;
    assert_eq!(soon(member.stop()).await, Ok(()));
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it comes at once")
}

/// A log that panics at a given line.
#[derive(Clone, Default)]
struct Trap(Arc<Mutex<Option<&'static str>>>);

impl Trap {
    fn breaks_at(&self, text: &'static str) {
        *self.0.lock().unwrap() = Some(text);
    }
}

impl io::Write for Trap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let breaks = self.0.lock().unwrap().take_if(|at| text.contains(*at)).is_some();
        assert!(!breaks, "no place for a line");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Trap {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
