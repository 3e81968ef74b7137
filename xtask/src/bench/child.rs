//! Measurements in a process of their own: each begins with the memory and the allocator of a new process, whatever was
//! measured before it. So large and small ones compare.

use super::{copy, cpu::Stopwatch, ingest, memory};
use anyhow::{Context, Result, ensure};
use std::{env, hint::black_box, process::Command};

/// What a child can measure.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Subject {
    /// See [`copy::copy`], twice: seconds and bytes of the second one, then the seconds of the first.
    Copy,
    /// See [`ingest::in_memory`], twice: the seconds of the second one, then of the first.
    Ingest,
    /// See [`memory::bytes_per_item`].
    Memory,
    /// Writes to so many MiB of new memory: nanoseconds for a page of 4 KiB.
    Touch,
}

/// Medians of the seconds that something takes.
pub struct Cost {
    /// In memory that the process has used before.
    pub warm: f64,
    /// In memory that is new to the process.
    pub cold: f64,
}

/// Lets the allocator keep what was freed: its first touch costs what the kernel makes of it.
const KEEP_MEMORY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "-1");

/// What a process before the measured one writes to. A virtual machine gives idle memory back to its host within seconds and
/// pays to get it again, unless the run before has just done so: so what is measured finds it there, be it large or small.
const READY_MIB: u64 = 2_048;

/// One measurement in a process of its own.
#[derive(clap::Args)]
pub struct Arguments {
    subject: Subject,
    /// How many items
    items: u64,
}

/// Measures in a child, and reads what it found. Where memory that is new to the process counts, the machine has it ready.
///
/// # Errors
/// If the child fails.
pub fn measured<const N: usize>(subject: Subject, items: u64) -> Result<[f64; N]> {
    if matches!(subject, Subject::Copy | Subject::Ingest) {
        let [_] = child(Subject::Touch, READY_MIB)?;
    }
    child(subject, items)
}

fn child<const N: usize>(subject: Subject, items: u64) -> Result<[f64; N]> {
    let name = clap::ValueEnum::to_possible_value(&subject).context("each subject has a name")?;
    let child = Command::new(env::current_exe()?)
        .args(["bench-child", name.get_name(), &items.to_string()])
        .envs(matches!(subject, Subject::Copy | Subject::Ingest).then_some(KEEP_MEMORY))
        .output()
        .context("starting another process")?;
    ensure!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let said = String::from_utf8(child.stdout)?;
    let figures: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    figures.try_into().ok().with_context(|| format!("{N} figures were expected: {said}"))
}

/// Is that child: prints its figures.
///
/// # Errors
/// If the measurement did not come to its end.
pub fn run(arguments: &Arguments) -> Result<()> {
    let figures: Vec<f64> = match arguments.subject {
        Subject::Copy => {
            let [on_new_memory, _] = copy::copy(arguments.items)?;
            let [seconds, bytes] = copy::copy(arguments.items)?;
            vec![seconds, bytes, on_new_memory]
        }
        Subject::Ingest => {
            let on_new_memory = ingest::in_memory(arguments.items)?;
            vec![ingest::in_memory(arguments.items)?, on_new_memory]
        }
        Subject::Memory => vec![memory::bytes_per_item(arguments.items)?],
        Subject::Touch => vec![touch(arguments.items)],
    };
    println!("{}", figures.iter().map(f64::to_string).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// Nanoseconds for a page.
fn touch(mib: u64) -> f64 {
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
    taken * 1e9 / n as f64
}
