//! The measurements of a child: all those that need a separate process.

use crate::{
    bare_quic, beside_bulk, copy,
    cpu::Stopwatch,
    crowd,
    data::Overwritten,
    figures::{Figures, memory as resident},
    flood, growth, hops, idle_cpu, ingest, join, memory, million, reconcile,
    trace::Deltas,
};
use anyhow::Result;
use std::{hint::black_box, net::SocketAddr, path::PathBuf};

/// One measurement in a separate process.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    subject: Subject,
}

/// The measurements of a child.
#[derive(clap::Subcommand)]
enum Subject {
    /// See [`copy::copy`], twice
    Copy { items: u64 },
    /// See [`million::fill`]
    FillFile { items: u64, directory: PathBuf },
    /// See [`million::copy`]
    CopyOnFile { last: u64, directory: PathBuf },
    /// See [`ingest::in_memory`], twice
    Ingest { items: u64 },
    /// See [`ingest::on_file`]
    IngestOnFile { items: u64, directory: PathBuf },
    /// See [`hops::one_hop`]
    Hop { writes: u32 },
    /// See [`beside_bulk::pushes`]
    BesideBulk { items: u64, writes: u32 },
    /// See [`crowd::spread`]
    Spread { members: u32, writes: u32 },
    /// See [`join::in_memory`]
    Join { shards: u32, keys: u64 },
    /// See [`join::on_file`]
    JoinOnFile { shards: u32, keys: u64, directory: PathBuf },
    /// See [`memory::bytes_per_item`]
    Memory { items: u64 },
    /// See [`reconcile::reconcile`]: by a delta
    Delta { items: u64, changed: u64, place: Overwritten },
    /// See [`reconcile::reconcile`]: by reconciliation
    Reconciliation { items: u64, changed: u64, place: Overwritten },
    /// See [`idle_cpu::peers`]
    IdlePeers { shards: u32, keys: u64, directory: PathBuf },
    /// See [`idle_cpu::idle`]
    IdleMember { shards: u32, seconds: u32, addresses: Vec<String> },
    /// See [`bare_quic::peers`]
    BarePeers,
    /// See [`bare_quic::member`]
    BareMember { seconds: u32, certificate: String, addresses: Vec<SocketAddr> },
    /// See [`flood::in_memory`]
    Flood { rate: u32, seconds: u32 },
    /// See [`flood::on_file`]
    FloodOnFile { rate: u32, seconds: u32, directory: PathBuf },
    /// See [`growth::items::writes`]
    GrowthWrites { items: u64 },
    /// See [`growth::items::opening`]
    GrowthOpening { items: u64, directory: PathBuf },
    /// See [`growth::owners::at_rest`]
    GrowthOwners { owners: u32 },
    /// See [`growth::owners::memory_of_each`]
    GrowthOwnersMemory { owners: u32 },
    /// See [`growth::members::simulated`]
    GrowthMembers { members: u32, seconds: u32, initial: u64, seed: u64 },
    /// See [`growth::values::carried`]
    GrowthValues { bytes: u64 },
    /// Writes to this many MiB of new memory
    Touch { mib: u64 },
}

/// Runs as that child: prints its figures.
///
/// # Errors
/// If the measurement did not finish.
pub fn run(arguments: &Arguments) -> Result<()> {
    let figures = match &arguments.subject {
        Subject::Copy { items } => twice(|| copy::copy(*items))?,
        Subject::FillFile { items, directory } => million::fill(*items, directory)?,
        Subject::CopyOnFile { last, directory } => million::copy(*last, directory)?,
        Subject::Ingest { items } => twice(|| ingest::in_memory(*items))?,
        Subject::IngestOnFile { items, directory } => ingest::on_file(*items, directory)?,
        Subject::Hop { writes } => hops::one_hop(*writes)?,
        Subject::BesideBulk { items, writes } => beside_bulk::pushes(*items, *writes)?,
        Subject::Spread { members, writes } => crowd::spread(*members, *writes)?,
        Subject::Join { shards, keys } => join::in_memory(*shards, *keys)?,
        Subject::JoinOnFile { shards, keys, directory } => join::on_file(*shards, *keys, directory)?,
        Subject::Memory { items } => memory::bytes_per_item(*items)?,
        Subject::Delta { items, changed, place } => {
            reconcile::reconcile(*items, *changed, *place, Deltas::Carried)?
        }
        Subject::Reconciliation { items, changed, place } => {
            reconcile::reconcile(*items, *changed, *place, Deltas::Withheld)?
        }
        // These print their output themselves, and keep running.
        Subject::IdlePeers { shards, keys, directory } => return idle_cpu::peers(*shards, *keys, directory),
        Subject::BarePeers => return bare_quic::peers(),
        Subject::IdleMember { shards, seconds, addresses } => idle_cpu::idle(*shards, *seconds, addresses)?,
        Subject::BareMember { seconds, certificate, addresses } => {
            bare_quic::member(*seconds, certificate, addresses)?
        }
        Subject::Flood { rate, seconds } => flood::in_memory(*rate, *seconds)?,
        Subject::FloodOnFile { rate, seconds, directory } => flood::on_file(*rate, *seconds, directory)?,
        Subject::GrowthWrites { items } => growth::items::writes(*items)?,
        Subject::GrowthOpening { items, directory } => growth::items::opening(*items, directory)?,
        Subject::GrowthOwners { owners } => growth::owners::at_rest(*owners)?,
        Subject::GrowthOwnersMemory { owners } => growth::owners::memory_of_each(*owners)?,
        Subject::GrowthMembers { members, seconds, initial, seed } => {
            growth::members::simulated(*members, *seconds, *initial, *seed)?
        }
        Subject::GrowthValues { bytes } => growth::values::carried(*bytes)?,
        Subject::Touch { mib } => touch(*mib),
    };
    println!("{}", figures.to_json());
    Ok(())
}

/// The figures of the second run, with those of the first, on memory that is new to the process, as
/// `cold_cpu_s` and `cold_peak_bytes`.
fn twice(measure: impl Fn() -> Result<Figures>) -> Result<Figures> {
    let cold = measure()?;
    let peak = resident("VmHWM")?;
    let mut figures = measure()?;
    figures.add("cold_cpu_s", cold.get("cpu_s")?);
    figures.add("cold_peak_bytes", peak as f64);
    Ok(figures)
}

/// Nanoseconds per page.
fn touch(mib: u64) -> Figures {
    const PAGE: usize = 4_096;
    let mut memory: Vec<u8> = Vec::with_capacity((mib as usize) << 20);
    let watch = Stopwatch::start();
    let n = memory.capacity() / PAGE;
    for _ in 0..n {
        // Every byte is written once, so every page is touched.
        memory.extend_from_slice(black_box(&[1; PAGE]));
    }
    let taken = watch.worked().as_secs_f64();
    black_box(&memory);
    let mut figures = Figures::default();
    figures.add("page_ns", taken * 1e9 / n as f64);
    figures
}
