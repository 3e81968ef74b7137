//! Builds the program with the subjects, and runs it in callgrind.

use crate::process::{command, executable, outcome, output};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

/// The program with the subjects.
pub struct Hot(PathBuf);

/// A subject.
pub struct Subject {
    /// Its name.
    pub name: String,
    /// A description of one operation.
    pub operation: String,
}

/// Whether valgrind is installed.
pub fn is_there() -> bool {
    let said = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    said.is_ok_and(|status| status.success())
}

impl Hot {
    /// Builds it like a release.
    ///
    /// # Errors
    /// If it does not build, or valgrind is missing.
    pub fn build() -> Result<Self> {
        ensure!(
            is_there(),
            "valgrind, which counts the instructions, is missing: install it, for example with `apt-get \
             install valgrind`"
        );
        let said = output("cargo", "build --profile profiling -p datafan-hot --message-format json")?;
        executable(&said).map(Self)
    }

    /// All subjects.
    ///
    /// # Errors
    /// If the program does not list them.
    pub fn subjects(&self) -> Result<Vec<Subject>> {
        let said = output(&self.0.to_string_lossy(), "")?;
        let subject = |line: &str| {
            let (name, operation) =
                line.split_once('\t').with_context(|| format!("{line:?} is not a subject"))?;
            Ok(Subject { name: name.into(), operation: operation.into() })
        };
        said.lines().map(subject).collect()
    }

    /// The instructions per operation of each subject; as many run at once as there are processors, which
    /// does not affect the counts.
    ///
    /// # Errors
    /// Names the first that could not be counted.
    pub fn count(&self, subjects: Vec<Subject>) -> Result<Vec<(Subject, u64)>> {
        let directory = tempfile::tempdir()?;
        let (waiting, n_subjects) =
            (Mutex::new(subjects.into_iter().enumerate()), thread::available_parallelism()?);
        let work = || {
            let mut counted = Vec::new();
            // The lock is held while the next subject is taken, but not while it runs.
            while let Some((at, subject)) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) {
                let instructions = self.count_one(&subject, directory.path());
                counted
                    .push((at, instructions.with_context(|| subject.name.clone()).map(|it| (subject, it))));
            }
            counted
        };
        let mut counted = thread::scope(|scope| {
            let workers: Vec<_> = (0..n_subjects.get()).map(|_| scope.spawn(work)).collect();
            let done = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic"));
            done.flatten().collect::<Vec<_>>()
        });
        counted.sort_by_key(|(at, _)| *at);
        counted.into_iter().map(|(_, counted)| counted).collect()
    }

    fn count_one(&self, subject: &Subject, directory: &Path) -> Result<u64> {
        let out = directory.join(&subject.name);
        let mut valgrind = command("valgrind", "--tool=callgrind --collect-atstart=no");
        valgrind
            .arg(format!("--toggle-collect={MEASURED}"))
            .arg(format!("--callgrind-out-file={}", out.display()));
        // The environment lies on the stack, and the cost of copying from there depends on its address.
        valgrind
            .arg(&self.0)
            .arg(&subject.name)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let said = outcome(&mut valgrind)?.stdout;
        let operations: u64 =
            String::from_utf8_lossy(&said).trim().parse().context("it printed no number of operations")?;
        let total = total(&fs::read_to_string(&out)?)?;
        ensure!(
            operations > 0 && total > 0,
            "nothing was counted: check that the function {MEASURED} exists"
        );
        Ok((total + operations / 2) / operations)
    }
}

/// The instructions in an output file of callgrind, which counts no other event by default.
fn total(text: &str) -> Result<u64> {
    let value = |name: &str| text.lines().rev().find_map(|line| line.strip_prefix(name)).map(str::trim);
    ensure!(value("events:") == Some("Ir"), "callgrind has counted other events than instructions");
    let total = value("totals:").context("callgrind reported no total")?;
    total.parse().with_context(|| format!("callgrind reported the total {total:?}"))
}

/// The function that is counted, whatever its mangled name.
const MEASURED: &str = "*datafan_hot*meter*measured*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_found() {
        let file = "# callgrind format\nversion: 1\npositions: line\nevents: Ir\nsummary: 12\n\n\
                    fn=(1) x\n3 12\n\ntotals: 34\n";
        assert_eq!(total(file).unwrap(), 34);
        for bad in ["", "events: Ir\n", "events: Ir Dr\ntotals: 3 4\n", "events: Ir\ntotals: x\n"] {
            assert!(total(bad).is_err(), "{bad:?}");
        }
    }
}
