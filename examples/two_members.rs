//! Two members in one process, built from parts: the driver, stores in memory, links over channels. No disk,
//! no network, no async runtime, and the same engine as everywhere.

use datafan_conn_chan::ChanMesh;
use datafan_core::{
    engine::Config,
    id::{MeshId, Name},
    identity::Identity,
};
use datafan_driver::{BlockOn, Handle, start};
use datafan_store_mem::{MemReader, MemStore};
use std::{convert::Infallible, time::Duration};

/// Runs the example.
pub fn main() -> anyhow::Result<()> {
    // A mesh is identified by its authority key, and a member by its own key. Real keys come from the
    // system's random source.
    let authority = Identity::from_secret(&[9; 32]);
    let (alpha, beta): (Name, Name) = ("alpha".parse()?, "beta".parse()?);
    let mesh = MeshId(authority.id());
    let switch = ChanMesh::new();

    // Alpha founds the mesh: it holds the authority key, and admits itself and beta to the roster.
    let mut config = Config::new(mesh, Identity::from_secret(&[1; 32]), alpha.clone());
    config.authority = Some(authority);
    config.new_mesh = true;
    let one = member(config, "address of alpha", &switch)?;
    one.admit(one.id(), alpha).block_on()?;

    // Beta knows the mesh, its own key and an address; it learns everything else, and checks signatures.
    let config = Config::new(mesh, Identity::from_secret(&[2; 32]), beta.clone());
    let other = member(config, "address of beta", &switch)?;
    one.admit(other.id(), beta).block_on()?;
    other.connect("address of alpha", Some(one.id())).block_on()?;
    within(&other, other.wait_links(1))?;

    // Each writes its own shard and reads both. The timestamp of a commit is what other members wait for.
    let red = one.put("color", "red").block_on()?;
    within(&other, other.wait_for(one.id(), red.timestamp))?;
    let blue = within(&other, other.put("color", "blue"))?;
    within(&one, one.wait_for(other.id(), blue.timestamp))?;
    let snapshot = one.snapshot()?;
    for entry in snapshot.get_all("color") {
        let entry = entry?;
        let name = snapshot.name_of(&entry.owner)?.expect("both are in the roster");
        println!("alpha reads: color at {name} is {}", String::from_utf8_lossy(&entry.item.value));
    }
    assert_eq!(&*one.get(&other.id(), "color")?.expect("it has arrived").value, b"blue");
    assert_eq!(&*other.get(&one.id(), "color")?.expect("it has arrived").value, b"red");

    // Equal heads mean equal data, down to the last byte.
    for owner in [one.id(), other.id()] {
        assert_eq!(one.head(&owner)?, other.head(&owner)?);
    }
    println!("both hold the same heads");
    other.stop().block_on()?;
    one.stop().block_on()?;
    Ok(())
}

/// A member with an empty store in memory, at an address of the switch.
fn member(config: Config, address: &str, switch: &ChanMesh) -> anyhow::Result<Handle<MemReader>> {
    let id = config.member.id();
    let connect = |inbox| Ok::<_, Infallible>(switch.connector(id, address, inbox));
    // The seed affects only random choices, such as the pauses between rounds.
    Ok(start(config, 1, MemStore::new(), connect)?)
}

/// Waits with a timeout.
fn within<T, E>(member: &Handle<MemReader>, future: impl Future<Output = Result<T, E>>) -> anyhow::Result<T>
where
    E: From<datafan_driver::TimedOut> + std::error::Error + Send + Sync + 'static,
{
    Ok(member.timeout(Duration::from_secs(20), future).block_on()?)
}
