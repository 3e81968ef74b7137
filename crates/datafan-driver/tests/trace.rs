//! The log lines of the driver. One test, because a subscriber is global to the process.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{Mesh, address, id};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing_subscriber::fmt::MakeWriter;

#[tokio::test]
async fn spans_and_lines_name_what_happens_and_show_no_value() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    subscriber.with_writer(lines.clone()).init();
    let mesh = Mesh::default();
    let (one, _) = mesh.founder().await;
    one.admit(id(1), "member-1".parse().unwrap()).await.unwrap();
    let other = mesh.joiner(1);
    other.connect(address(0), None).await.unwrap();
    let done = one.put("color", "ultramarine").await.unwrap();
    let limit = Duration::from_secs(20);
    other.timeout(limit, other.wait_for(one.id(), done.timestamp)).await.unwrap();
    other.stop().await.unwrap();
    one.stop().await.unwrap();

    let said = lines.text();
    for span in ["commit{", "apply{", "link{"] {
        assert!(said.contains(span), "no span {span} in\n{said}");
    }
    for line in
        ["member started", "link up", "command: commit", "message", "send", "applied", "member stopped"]
    {
        assert!(said.contains(line), "no line {line:?} in\n{said}");
    }
    assert!(!said.contains("ultramarine"), "a value is shown in\n{said}");
    assert!(!said.contains(&id(0).to_string()), "a long id is shown in\n{said}");
}

/// Lines kept in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
