//! Building the program that has the subjects, and running it in callgrind.

use crate::process::{command, executable, outcome, output};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

/// The program that has the subjects.
pub struct Hot(PathBuf);

/// What it can run.
pub struct Subject {
    /// What it is called.
    pub name: String,
    /// What one operation is.
    pub operation: String,
}

/// Whether there is a valgrind.
pub fn is_there() -> bool {
    let said = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    said.is_ok_and(|status| status.success())
}

impl Hot {
    /// Builds it as what is shipped is built.
    ///
    /// # Errors
    /// If it does not build, or there is nothing to run it in.
    pub fn build() -> Result<Self> {
        ensure!(
            is_there(),
            "there is no valgrind, which counts the instructions: install it, \
             as with `apt-get install valgrind`"
        );
        let said = output("cargo", "build --profile profiling -p datafan-hot --message-format json")?;
        executable(&said).map(Self)
    }

    /// All that it can run.
    ///
    /// # Errors
    /// If it does not say so.
    pub fn subjects(&self) -> Result<Vec<Subject>> {
        let said = output(&self.0.to_string_lossy(), "")?;
        let subject = |line: &str| {
            let (name, operation) =
                line.split_once('\t').with_context(|| format!("{line:?} is not a subject"))?;
            Ok(Subject { name: name.into(), operation: operation.into() })
        };
        said.lines().map(subject).collect()
    }

    /// The instructions of one operation of each; as many at once as there are processors, which a count does
    /// not notice.
    ///
    /// # Errors
    /// Names the first that could not be counted.
    pub fn count(&self, subjects: Vec<Subject>) -> Result<Vec<(Subject, u64)>> {
        let directory = tempfile::tempdir()?;
        let (waiting, n_subjects) =
            (Mutex::new(subjects.into_iter().enumerate()), thread::available_parallelism()?);
        let work = || {
            let mut counted = Vec::new();
            // A lock that is held while the next one is taken out, and not while it is run.
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
        // The environment lies on the stack, and what is copied there takes more or less by where it lies.
        valgrind
            .arg(&self.0)
            .arg(&subject.name)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        let said = outcome(&mut valgrind)?.stdout;
        let operations: u64 =
            String::from_utf8_lossy(&said).trim().parse().context("it told no number of operations")?;
        let total = total(&fs::read_to_string(&out)?)?;
        ensure!(operations > 0 && total > 0, "nothing was counted: is there a function {MEASURED}?");
        Ok((total + operations / 2) / operations)
    }
}

/// The instructions in a file of callgrind: the only event that it counts unless it is asked for more.
fn total(text: &str) -> Result<u64> {
    let value = |name: &str| text.lines().rev().find_map(|line| line.strip_prefix(name)).map(str::trim);
    ensure!(value("events:") == Some("Ir"), "callgrind has counted other events than instructions");
    let total = value("totals:").context("callgrind told no total")?;
    total.parse().with_context(|| format!("callgrind told the total {total:?}"))
}

/// The function that is counted, whatever its name is mangled to.
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
