//! A56 with a reading process: `datafan export`, whose output is read slowly, from an owner that overwrites
//! everything.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod common;

use common::{PATIENCE, TestDir, prepared, text};
use datafan_core::item::Key;
use datafan_node::{
    Bootstrap, Home, Node,
    driver::Write,
    http::{Facts, Server, socket},
};
use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const KEYS: usize = 800;
const KEYS_PER_COMMIT: usize = 50;
const VALUE_BYTES: usize = 8_192;
const ROUNDS: usize = 6;
/// Bytes that the reader takes at a time.
const SIP_BYTES: usize = 1_024;
const SIP_PERIOD: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a56_an_export_that_is_read_at_a_trickle_does_not_make_the_file_grow() {
    let without = {
        let place = TestDir::new();
        let member = Served::new(&place.path("a")).await;
        member.overwrite(0..1).await;
        member.overwrite(1..ROUNDS).await
    };
    let place = TestDir::new();
    let member = Served::new(&place.path("a")).await;
    member.overwrite(0..1).await;
    let reader = Reader::start(&place.path("a"));
    let with = member.overwrite(1..ROUNDS).await;
    let (taken, child) = reader.takes_the_rest();
    let output = child.wait_with_output().unwrap();
    println!("without {without}, with {with} bytes; {} bytes taken meanwhile", taken.slowly);
    assert!(taken.slowly >= 2 * SIP_BYTES, "it was read all the time");
    assert!(with <= without * 3 / 2, "{with} bytes with the reader, {without} without");

    // What it got is part of one state, and it is told where to continue.
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the store grew") && error.contains("continue after it"), "{error}");
    let rows: Vec<serde_json::Value> =
        taken.all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!rows.is_empty() && rows.len() < KEYS, "{} rows", rows.len());
    assert!(rows.iter().all(|row| row["value"] == *value(0)), "all of the state in which it began");
    member.stop().await;
}

fn value(round: usize) -> String {
    char::from(b'a' + round as u8).to_string().repeat(VALUE_BYTES)
}

/// A member in this process whose reads end after little growth, with its API on the socket.
struct Served {
    node: Node,
    server: Server,
}

impl Served {
    async fn new(dir: &Path) -> Self {
        let begins = Bootstrap::NewMesh { name: "a".parse().unwrap() };
        let builder = Node::builder(dir).bootstrap(begins).listen("127.0.0.1:0".parse().unwrap());
        let node = builder
            .configure(|config| {
                config.read_growth_bytes = 1 << 20;
                // Old states that younger reads hold depend on the speed of the disk: few here.
                config.read_age_micros = 2_000;
            })
            .start()
            .await
            .unwrap();
        let facts = Facts {
            name: "a".into(),
            listen: node.local_addrs().to_vec(),
            advertised: node.advertised().clone(),
            api: None,
        };
        let bound = socket::bind(dir).await.unwrap();
        let server = Server::start(node.handle().clone(), facts, bound, None);
        Self { node, server }
    }

    /// Overwrites everything once per round; returns the maximum size of the file.
    async fn overwrite(&self, rounds: std::ops::Range<usize>) -> u64 {
        let path = Home::new(self.node.home().path()).store_path();
        let mut most = 0;
        for round in rounds {
            for first in (0..KEYS).step_by(KEYS_PER_COMMIT) {
                let put = |n: usize| {
                    let key = Key::new(format!("key/{n}")).unwrap();
                    Write::Put { key, value: value(round).into_bytes().into(), expiry: None }
                };
                self.node.commit((first..first + KEYS_PER_COMMIT).map(put).collect()).await.unwrap();
                // The file has holes, so its length is not its size.
                most = most.max(fs::metadata(&path).unwrap().blocks() * 512);
            }
        }
        most
    }

    async fn stop(self) {
        self.server.stop().await;
        self.node.stop().await.unwrap();
    }
}

/// `datafan export` and the reader of its output.
struct Reader {
    thread: thread::JoinHandle<(Taken, Child)>,
    hurries: Arc<AtomicBool>,
}

struct Taken {
    all: String,
    /// Bytes read before it hurried.
    slowly: usize,
}

impl Reader {
    /// Returns when the first bytes are there.
    fn start(dir: &Path) -> Self {
        let args = ["export", "--data-dir", &text(dir)];
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_datafan")), &args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let hurries = Arc::new(AtomicBool::new(false));
        let (told, (begins, begun)) = (hurries.clone(), std::sync::mpsc::channel());
        let thread = thread::spawn(move || {
            let (mut from, mut all) = (child.stdout.take().unwrap(), Vec::new());
            while !told.load(Ordering::Relaxed) {
                (&mut from).take(SIP_BYTES as u64).read_to_end(&mut all).unwrap();
                let _ = begins.send(());
                thread::sleep(SIP_PERIOD);
            }
            let slowly = all.len();
            from.read_to_end(&mut all).unwrap();
            (Taken { all: String::from_utf8(all).unwrap(), slowly }, child)
        });
        begun.recv_timeout(PATIENCE).unwrap();
        Self { thread, hurries }
    }

    fn takes_the_rest(self) -> (Taken, Child) {
        self.hurries.store(true, Ordering::Relaxed);
        let until = Instant::now() + PATIENCE;
        while !self.thread.is_finished() {
            assert!(Instant::now() < until, "the export does not end");
            thread::sleep(Duration::from_millis(10));
        }
        self.thread.join().unwrap()
    }
}
