//! Side by side: the same work by datafan and by a peer, each in a separate process, one after the other, run
//! by run.

use crate::{child, figures::Figures};
use anyhow::{Context, Result, ensure};
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The program that measures peers.
pub struct Peers(PathBuf);

/// Figures of datafan and of a peer, run by run.
pub type Pairs = Vec<(Figures, Figures)>;

impl Peers {
    /// Builds it, in its own workspace and below the current target directory.
    ///
    /// # Errors
    /// If it does not build.
    pub fn build() -> Result<Self> {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        eprintln!("bench: building the peers; the first time takes minutes");
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let target = root.join(target).join("peers");
        let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(root.join("xtask/peers/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .stdout(Stdio::null())
            .status()
            .context("starting cargo")?;
        ensure!(built.success(), "the peers do not build");
        Ok(Self(target.join("release").join(format!("datafan-peers{}", env::consts::EXE_SUFFIX))))
    }

    /// The figures of one subject of a peer.
    ///
    /// # Errors
    /// If it did not finish.
    pub fn measured(&self, arguments: &[&str]) -> Result<Figures> {
        child::measured(&mut Command::new(&self.0), arguments)
    }

    /// Runs of datafan and of a peer, alternating.
    ///
    /// # Errors
    /// If one did not finish.
    pub fn beside(&self, runs: u32, own: &[&str], theirs: &[&str]) -> Result<Pairs> {
        (0..runs).map(|_| Ok((child::own(own)?, self.measured(theirs)?))).collect()
    }
}

/// One figure of both, run by run.
///
/// # Errors
/// If a run has no figure with this name.
pub fn values(pairs: &Pairs, own: &str, theirs: &str) -> Result<Vec<(f64, f64)>> {
    pairs.iter().map(|(ours, peers)| Ok((ours.get(own)?, peers.get(theirs)?))).collect()
}
