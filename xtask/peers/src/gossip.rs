//! chitchat: nodes in one process, over its in-memory channels, with its compressed digests.
//!
//! Differences from datafan: nothing is signed or verified, and nothing would survive a restart. Values are
//! text there, so hexadecimal digits of the same length are used.

use crate::{
    data,
    figures::{Figures, Stopwatch, memory},
};
use anyhow::{Context, Result, ensure};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ProtocolVersion,
    spawn_chitchat, transport::ChannelTransport,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, sync::mpsc, time};

/// Number of nodes, and how they gossip.
#[derive(Clone, Copy, clap::Args)]
pub struct Shape {
    /// Nodes
    nodes: u16,
    /// Milliseconds between a node's gossip rounds
    interval_ms: u64,
}

/// The time from a write on one node until all others have it; before that, the cost of all nodes while
/// nothing is written.
///
/// # Errors
/// If a write does not arrive.
pub fn spread(shape: Shape, writes: u32) -> Result<Figures> {
    runtime()?.block_on(async {
        let transport = ChannelTransport::default();
        let nodes = cluster(shape, &transport, 0).await?;
        let mut figures = Figures::default();
        idle(shape, &transport, &mut figures).await?;
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let missing = Arc::new(AtomicUsize::new(0));
        for node in &nodes {
            let (arrived, missing) = (arrived.clone(), missing.clone());
            let heard = move |_: chitchat::KeyChangeEvent<'_>| {
                if missing.fetch_sub(1, SeqCst) == 1 {
                    // After the last write nobody listens any more.
                    arrived.send(Instant::now()).unwrap_or_default();
                }
            };
            node.with_chitchat(|chitchat| chitchat.subscribe_event("bench-", heard.clone()).forever()).await;
        }
        let mut times = Vec::new();
        for n in 0..u64::from(writes) {
            // Not synchronised with anybody's rounds.
            time::sleep(Duration::from_millis(n * 37 % shape.interval_ms)).await;
            missing.store(nodes.len(), SeqCst);
            let (writer, key, value) = (&nodes[n as usize % nodes.len()], format!("bench-{n}"), text(n));
            let began = Instant::now();
            writer.with_chitchat(|chitchat| chitchat.self_node_state().set(&key, &value)).await;
            let ended = time::timeout(PATIENCE, arrivals.recv()).await?.context("all listeners are gone")?;
            times.push(ended.duration_since(began).as_secs_f64() * 1_000.0);
        }
        figures.add_percentiles("", &mut times);
        Ok(figures)
    })
}

/// The time until a new node has everything: `keys` of each of the nodes.
///
/// # Errors
/// If it does not get them.
pub fn join(shape: Shape, keys: u64) -> Result<Figures> {
    runtime()?.block_on(async {
        let transport = ChannelTransport::default();
        let nodes = cluster(shape, &transport, keys).await?;
        let before = transport.statistics().num_bytes_total;
        let watch = Stopwatch::start()?;
        let new = node(shape.nodes, shape, &transport, Vec::new()).await?;
        until(|| async { n_keys(&new).await == keys * nodes.len() as u64 }).await?;
        let mut figures = Figures::default();
        figures.add_times("", &watch)?;
        figures.add("bytes", (transport.statistics().num_bytes_total - before) as f64);
        Ok(figures)
    })
}

/// Memory of a node per own item, beyond key and value.
///
/// # Errors
/// If the system does not report memory.
pub fn memory_of(items: u64) -> Result<Figures> {
    runtime()?.block_on(async {
        let node = node(0, Shape { nodes: 1, interval_ms: 60_000 }, &ChannelTransport::default(), Vec::new())
            .await?;
        let before = memory("VmRSS")?;
        node.with_chitchat(|chitchat| {
            (0..items).for_each(|n| chitchat.self_node_state().set(data::key(n), text(n)));
        })
        .await;
        let taken = memory("VmRSS")? - before;
        let mut figures = Figures::default();
        figures.add("bytes_per_item", taken / items as f64 - (data::KEY_BYTES + data::VALUE_BYTES) as f64);
        Ok(figures)
    })
}

/// Bytes and processor time per node and second.
async fn idle(shape: Shape, transport: &ChannelTransport, figures: &mut Figures) -> Result<()> {
    let (before, began, watch) =
        (transport.statistics().num_bytes_total, Instant::now(), Stopwatch::start()?);
    time::sleep(IDLE).await;
    let per = f64::from(shape.nodes) * began.elapsed().as_secs_f64();
    figures.add("idle_bytes", (transport.statistics().num_bytes_total - before) as f64 / per);
    figures.add("idle_cpu_ms", watch.worked()?.as_secs_f64() * 1_000.0 / per);
    Ok(())
}

/// Nodes that all know each other, and have the initial keys of all.
async fn cluster(shape: Shape, transport: &ChannelTransport, keys: u64) -> Result<Vec<ChitchatHandle>> {
    let mut nodes = Vec::new();
    for number in 0..shape.nodes {
        let first = u64::from(number) * keys;
        let own = (first..first + keys).map(|n| (data::key(n), text(n))).collect();
        nodes.push(node(number, shape, transport, own).await?);
    }
    for node in &nodes {
        let n = nodes.len();
        until(|| async { node.with_chitchat(|it| it.live_nodes().count()).await == n }).await?;
        until(|| async { n_keys(node).await == keys * n as u64 }).await?;
    }
    Ok(nodes)
}

async fn node(
    number: u16,
    shape: Shape,
    transport: &ChannelTransport,
    own: Vec<(String, String)>,
) -> Result<ChitchatHandle> {
    let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + number));
    let config = ChitchatConfig {
        chitchat_id: ChitchatId::new(format!("node-{number}"), 0, address),
        cluster_id: "bench".to_owned(),
        gossip_interval: Duration::from_millis(shape.interval_ms),
        listen_addr: address,
        seed_nodes: vec![SocketAddr::from(([127, 0, 0, 1], FIRST_PORT)).to_string()],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(3_600),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ProtocolVersion::V1,
    };
    spawn_chitchat(config, own, transport).await
}

async fn n_keys(node: &ChitchatHandle) -> u64 {
    let count =
        |it: &mut Chitchat| it.node_states().values().map(|state| state.num_key_values() as u64).sum();
    node.with_chitchat(count).await
}

async fn until<F: Future<Output = bool>>(done: impl Fn() -> F) -> Result<()> {
    let began = Instant::now();
    while !done().await {
        ensure!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A value as text, of the same length as those of the others.
fn text(n: u64) -> String {
    let digits =
        data::value(n).into_iter().take(data::VALUE_BYTES as usize / 2).map(|byte| format!("{byte:02x}"));
    digits.collect()
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

const FIRST_PORT: u16 = 10_000;
const IDLE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);
