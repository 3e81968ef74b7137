//! Mutants as files: what is broken, who should notice, and the patch.

use crate::process::output;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where mutants and their scenarios are.
pub const DIRECTORY: &str = "crates/datafan-sim/mutants";

/// One deliberate breakage.
pub struct Mutant {
    /// Its file's name without the ending.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The checkers that should notice.
    pub checkers: Vec<String>,
    /// The scenarios to play, one after another: files beside it.
    pub scenarios: Vec<String>,
}

/// All of them, by name.
///
/// # Errors
/// If one lacks its header.
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

/// Whether a patch still applies.
///
/// # Errors
/// If not, with what git says.
pub fn check_applies(root: &Path, mutant: &Mutant) -> Result<()> {
    let path = mutant.path.strip_prefix(root).unwrap_or(&mutant.path);
    output("git", &format!("apply --check {}", path.display()))
        .map(drop)
        .with_context(|| format!("{} does not apply any more: make it anew", path.display()))
}

fn read(path: PathBuf) -> Result<Mutant> {
    let text = fs::read_to_string(&path)?;
    let header = text.split("\n--- ").next().unwrap_or_default();
    let listed = |label: &str| -> Result<Vec<String>> {
        let line = header.lines().find_map(|line| line.strip_prefix(label));
        let line = line.with_context(|| format!("the header has no line {label:?}"))?;
        Ok(line.split(',').map(|name| name.trim().to_owned()).collect())
    };
    let (checkers, scenarios) = (listed("Caught by:")?, listed("Scenario:")?);
    ensure!(!header.starts_with("Caught by:"), "the header begins with what is broken");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Mutant { name, path, checkers, scenarios })
}
