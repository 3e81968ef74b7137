//! The phases of the demo; each ends when all members are equal.

use super::{
    changes::{BULK, Changes, LIVE, Piece},
    expected::Expected,
    input::{Input, Owners},
    line::Line,
};
use crate::cli::failure::Failure;
use datafan_core::{engine::Write, item::Key};
use indicatif::ProgressBar;
use serde::Serialize;
use std::time::Instant;

/// A finished phase.
#[derive(Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Number of writes.
    pub items: u64,
    /// Bytes of their keys and values.
    pub data_bytes: u64,
    /// Bytes of UDP payload that all members together sent during the phase.
    pub link_bytes: u64,
    /// Time from the first write until all members were equal.
    pub seconds: f64,
}

/// One in this many keys is deleted.
const DELETED_EVERY: usize = 100;
/// One in this many keys is overwritten while a member is down.
const OVERWRITTEN_EVERY: usize = 50;

/// Runs all phases.
pub async fn run(
    mesh: &mut Line,
    expected: &mut Expected,
    data: Input,
    updates: Input,
    progress: &ProgressBar,
) -> Result<Vec<Phase>, Failure> {
    let mut owners = Owners::new(mesh.len());
    let mut phases = vec![rows("load", mesh, expected, data, &mut owners, BULK, progress).await?];
    phases.push(rows("update", mesh, expected, updates, &mut owners, LIVE, progress).await?);
    phases.push(delete(mesh, expected, progress).await?);
    phases.push(crash(mesh, expected, progress).await?);
    Ok(phases)
}

/// A running phase.
struct Timer {
    name: &'static str,
    since: Instant,
    sent: u64,
}

impl Timer {
    fn start(name: &'static str, mesh: &Line) -> Self {
        Self { name, since: Instant::now(), sent: mesh.sent() }
    }

    /// Waits until all members are equal.
    async fn equal(self, mesh: &Line, changes: &Changes, progress: &ProgressBar) -> Result<Phase, Failure> {
        progress.set_message(format!("{}: {} items, waiting until all are equal", self.name, changes.items));
        mesh.equal().await?;
        Ok(Phase {
            name: self.name,
            items: changes.items,
            data_bytes: changes.bytes,
            link_bytes: mesh.sent() - self.sent,
            seconds: self.since.elapsed().as_secs_f64(),
        })
    }
}

/// Writes the rows of an input.
async fn rows(
    name: &'static str,
    mesh: &Line,
    expected: &mut Expected,
    mut input: Input,
    owners: &mut Owners,
    piece: Piece,
    progress: &ProgressBar,
) -> Result<Phase, Failure> {
    let timer = Timer::start(name, mesh);
    let mut changes = Changes::new(mesh.len(), piece);
    while let Some((member, write)) = input.next(owners)? {
        changes.add(mesh, expected, member, write).await?;
        if changes.items.is_multiple_of(256) {
            progress.set_message(format!("{name}: {} rows", changes.items));
        }
    }
    changes.finish(mesh).await?;
    timer.equal(mesh, &changes, progress).await
}

/// Deletes every 100th key of each member.
async fn delete(mesh: &Line, expected: &mut Expected, progress: &ProgressBar) -> Result<Phase, Failure> {
    let timer = Timer::start("delete", mesh);
    let mut changes = Changes::new(mesh.len(), LIVE);
    for member in 0..mesh.len() {
        let keys = expected.keys(member).skip(DELETED_EVERY - 1).step_by(DELETED_EVERY);
        for key in keys.cloned().collect::<Vec<_>>() {
            changes.add(mesh, expected, member, Write::Delete { key }).await?;
        }
    }
    changes.finish(mesh).await?;
    timer.equal(mesh, &changes, progress).await
}

/// Cuts the power of an inner member in the middle of changes, continues them, and restarts it.
async fn crash(mesh: &mut Line, expected: &mut Expected, progress: &ProgressBar) -> Result<Phase, Failure> {
    let inner = mesh.len() / 2;
    let timer = Timer::start("crash", mesh);
    let mut changes = Changes::new(mesh.len(), LIVE);
    overwrite(mesh, expected, &mut changes, inner, "before the crash").await?;
    progress.set_message(format!("crash: m{inner} loses power"));
    mesh.cut(inner).await;
    overwrite(mesh, expected, &mut changes, inner, "after the crash").await?;
    mesh.reopen(inner).await?;
    timer.equal(mesh, &changes, progress).await
}

/// Overwrites every 50th key of all members but one, and adds a new one to each of them.
async fn overwrite(
    mesh: &Line,
    expected: &mut Expected,
    changes: &mut Changes,
    spared: usize,
    when: &str,
) -> Result<(), Failure> {
    for member in (0..mesh.len()).filter(|member| *member != spared) {
        let fresh = Key::new(format!("demo/{when}")).map_err(Failure::new)?;
        let keys = expected.keys(member).step_by(OVERWRITTEN_EVERY).cloned();
        for key in keys.chain([fresh]).collect::<Vec<_>>() {
            let value = format!("{{\"changed\":\"{when}\",\"key\":{:?}}}", key.as_str());
            let write = Write::Put { key, value: value.into_bytes().into(), expiry: None };
            changes.add(mesh, expected, member, write).await?;
        }
    }
    changes.finish(mesh).await
}
