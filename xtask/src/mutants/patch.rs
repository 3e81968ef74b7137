//! Mutants as files: a description, the expected checkers, and the patch.

use crate::process::output;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directory of mutants and their scenarios.
pub const DIRECTORY: &str = "crates/datafan-sim/mutants";

/// A deliberate defect.
pub struct Mutant {
    /// Its file name without the extension.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The checkers that should notice.
    pub checkers: Vec<String>,
    /// The scenarios to run in order, as files beside it.
    pub scenarios: Vec<String>,
}

/// All mutants, by name.
///
/// # Errors
/// If one has no header.
pub fn all(root: &Path) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(root.join(DIRECTORY)).with_context(|| format!("reading {DIRECTORY}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            let mutant = read(path.clone()).with_context(|| path.display().to_string())?;
            mutants.push(mutant);
        }
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

/// Checks that a patch still applies.
///
/// # Errors
/// If not, with the output of git.
pub fn check_applies(root: &Path, mutant: &Mutant) -> Result<()> {
    let path = mutant.path.strip_prefix(root).unwrap_or(&mutant.path);
    output("git", &format!("apply --check {}", path.display()))
        .map(drop)
        .with_context(|| format!("{} no longer applies: make it again", path.display()))
}

fn read(path: PathBuf) -> Result<Mutant> {
    let text = fs::read_to_string(&path)?;
    let header = text.split("\n--- ").next().unwrap_or_default();
    let listed = |label: &str| -> Result<Vec<String>> {
        let line = header.lines().find_map(|line| line.strip_prefix(label));
        let line = line.with_context(|| format!("the header has no line that starts with {label:?}"))?;
        Ok(line.split(',').map(|name| name.trim().to_owned()).collect())
    };
    let (checkers, scenarios) = (listed("Caught by:")?, listed("Scenario:")?);
    ensure!(!header.starts_with("Caught by:"), "the header must start with a description of the defect");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Mutant { name, path, checkers, scenarios })
}
