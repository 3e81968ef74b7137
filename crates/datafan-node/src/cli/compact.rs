//! `compact`: shrinks the store file to the size of its content.

use super::{
    client::Client,
    failure::{Exit, Failure},
    notes::note,
    output::{Effect, Output},
    repair::not_opened,
    text::size,
};
use datafan_core::store::{Compacted, Store};
use datafan_node::{Home, http::wire::CompactAnswer};
use datafan_store_redb::{Options, RedbStore};
use std::path::Path;

/// `datafan compact`: asks the running member; if none runs, compacts the store here.
pub fn compact(dir: &Path, mut client: Client, out: &mut Output) -> Result<(), Failure> {
    let answer = match client.post::<CompactAnswer>("/v1/compact", &serde_json::json!({})) {
        Err(Failure::Said(Exit::NoMember, _)) if client.is_of_directory() => offline(dir)?,
        done => done?,
    };
    let text = format!("the store takes {}, {} before", size(answer.after), size(answer.before));
    let effect = if answer.after == answer.before { Effect::None } else { Effect::Changed };
    Ok(out.answer(effect, &answer, &text)?)
}

fn offline(dir: &Path) -> Result<CompactAnswer, Failure> {
    let path = Home::new(dir).store_path();
    if !path.exists() {
        return Err(Failure::new(format!("{} is missing: there is no store to compact", path.display())));
    }
    let mut store = RedbStore::open(&path, Options::default()).map_err(not_opened)?;
    let bytes = store.file_bytes().map_err(Failure::new)?;
    note(&format!("compacting {} ({}); it is safe to interrupt this", path.display(), size(bytes)));
    let done = store.compact().map_err(Failure::new)?;
    store.close().map_err(Failure::new)?;
    let Compacted { before, after, .. } = done.ok_or_else(|| Failure::new("the store is in use"))?;
    Ok(CompactAnswer { before, after })
}
