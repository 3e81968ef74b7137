//! The copy of the working tree that is broken.

use super::patch::{DIRECTORY, Mutant};
use crate::process::{command, outcome, output};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeSet,
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A copy of all files that git tracks or would add, as in the working tree.
pub struct Tree {
    directory: PathBuf,
    build: PathBuf,
}

/// The original content of files that a patch changed.
pub struct Changed(Vec<(PathBuf, Vec<u8>)>);

/// The program that runs the seeds, and its profile.
const PLAYER: &str = "seeds";
const PROFILE: &str = "mutants";

impl Tree {
    /// Copies what differs from the last copy, so that as little as possible is built again.
    pub fn new(root: &Path) -> Result<Self> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let tree = Self {
            directory: target.join("mutants").join("tree"),
            build: target.join("mutants").join("build"),
        };
        let listed = output("git", "ls-files --cached --others --exclude-standard")?;
        let mut wanted = BTreeSet::new();
        for name in listed.lines() {
            // A file that was removed but not yet committed is skipped.
            let Ok(bytes) = fs::read(root.join(name)) else { continue };
            let copy = tree.directory.join(name);
            if fs::read(&copy).ok().as_ref() != Some(&bytes) {
                fs::create_dir_all(copy.parent().context("a file has a directory")?)?;
                fs::write(&copy, bytes)?;
            }
            wanted.insert(copy);
        }
        remove_others(&tree.directory, &wanted)?;
        Ok(tree)
    }

    /// Builds the program that runs the seeds.
    ///
    /// # Errors
    /// If it does not build.
    pub fn build(&self) -> Result<()> {
        let arguments = format!("build --quiet --profile {PROFILE} -p datafan-sim --example {PLAYER}");
        let mut cargo = command("cargo", &arguments);
        cargo.current_dir(&self.directory).env("CARGO_TARGET_DIR", &self.build);
        outcome(&mut cargo).map(drop)
    }

    /// Applies a mutant to the copy.
    ///
    /// # Errors
    /// If the patch does not apply.
    pub fn apply(&self, mutant: &Mutant) -> Result<Changed> {
        let git = || {
            let mut git = Command::new("git");
            // The copy may lie in a repository, which must not affect the patch.
            let above = self.directory.parent().unwrap_or(&self.directory);
            git.arg("apply").current_dir(&self.directory).env("GIT_CEILING_DIRECTORIES", above);
            git
        };
        let stated = outcome(git().arg("--numstat").arg(&mutant.path))?;
        let stated = String::from_utf8(stated.stdout).context("names of files are text")?;
        let mut before = Vec::new();
        for name in stated.lines().filter_map(|line| line.split('\t').nth(2)) {
            let path = self.directory.join(name);
            let bytes = fs::read(&path).with_context(|| format!("reading {name}"))?;
            before.push((path, bytes));
        }
        outcome(git().arg(&mutant.path))
            .with_context(|| format!("{} no longer applies: make it again", mutant.path.display()))?;
        Ok(Changed(before))
    }

    /// The output of the program for the seeds of a scenario; `None` if it took too long.
    ///
    /// # Errors
    /// If it cannot be started, or fails.
    pub fn play(
        &self,
        scenario: &str,
        (first, last): (u64, u64),
        longest: Duration,
    ) -> Result<Option<String>> {
        let program = self.build.join(PROFILE).join("examples").join(PLAYER);
        let mut child = Command::new(&program)
            .arg(self.directory.join(DIRECTORY).join(scenario))
            .args([first.to_string(), last.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let began = Instant::now();
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if began.elapsed() > longest => {
                    child.kill()?;
                    child.wait()?;
                    return Ok(None);
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        // It prints one line, which the pipe holds until it is read.
        let mut said = String::new();
        child.stdout.take().context("its output is piped")?.read_to_string(&mut said)?;
        if !status.success() {
            bail!("running {scenario} ended with {status}");
        }
        Ok(Some(said))
    }
}

impl Changed {
    /// Restores the original files.
    pub fn restore(self) -> Result<()> {
        for (path, bytes) in self.0 {
            fs::write(path, bytes)?;
        }
        Ok(())
    }
}

/// Removes files of an earlier copy.
fn remove_others(directory: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_others(&entry.path(), wanted)?;
        } else if !wanted.contains(&entry.path()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
