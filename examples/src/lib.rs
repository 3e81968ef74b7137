//! Small programs that show datafan at work; each asserts what it prints.
//!
//! Run one with `cargo run -p datafan-examples --example NAME`, in this order:
//!
//! - `data_model`: what one member owns - items, timestamps, commits, expiry, the head;
//! - `two_members`: two members in one process, over channels and with data in memory;
//! - `embed`: members with a disk and a network inside a program of your own.

use datafan_conn_chan::ChanMesh;
use datafan_core::{engine::Config, id::MeshId, identity::Identity};
use datafan_driver::{BlockOn, Handle};
use datafan_store_mem::{MemReader, MemStore};
use std::convert::Infallible;

/// A new mesh of one member, which keeps its data in memory. `two_members` shows the individual steps.
pub fn lonely_member() -> anyhow::Result<Handle<MemReader>> {
    let (member, authority) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
    let id = member.id();
    let mut config = Config::new(MeshId(authority.id()), member, "lonely".parse()?);
    config.authority = Some(authority);
    config.new_mesh = true;
    let handle = datafan_driver::start(config, 0, MemStore::new(), |inbox| {
        Ok::<_, Infallible>(ChanMesh::new().connector(id, "lonely", inbox))
    })?;
    handle.admit(id, "lonely".parse()?).block_on()?;
    Ok(handle)
}
