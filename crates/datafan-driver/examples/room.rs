//! What a store on disk takes, step by step: `cargo run --release -p datafan-driver --example room --
//! 1000000`.
//!
//! One member writes items of 16 B keys and 100 B values, another copies them. Each step prints what both
//! files take on disk, what the present state needs of that, and both as multiples of the keys and values
//! that are held. A second number says how often all is overwritten before it is deleted; default 2.

use datafan_conn_chan::ChanMesh;
use datafan_core::{
    engine::Config,
    id::MeshId,
    identity::Identity,
    item::Key,
    store::{Store, StoreReader},
};
use datafan_driver::{BlockOn, Handle, Write, start};
use datafan_store_redb::{Options, RedbReader, RedbStore};
use std::{convert::Infallible, error::Error, path::Path, time::Instant};

type Done<T> = Result<T, Box<dyn Error>>;
type Member = Handle<RedbReader>;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 100;
const WRITES: usize = 4_096;

fn main() -> Done<()> {
    let items = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let rounds = std::env::args().nth(2).map_or(Ok(2), |text| text.parse())?;
    let (directory, switch) = (tempfile::tempdir()?, ChanMesh::default());
    let owner = member(&switch, 0, &directory.path().join("owner.redb"))?;
    owner.admit(owner.id(), "member-0".parse()?).block_on()?;
    let copier = member(&switch, 1, &directory.path().join("copier.redb"))?;
    owner.admit(copier.id(), "member-1".parse()?).block_on()?;

    let began = Instant::now();
    put(&owner, 0..items, 0)?;
    println!("{items} items, {} MB of keys and values", items * (KEY_BYTES + VALUE_BYTES) / 1_000_000);
    show("written", &owner, None, items, began)?;
    let began = Instant::now();
    copier.connect("member-0", None).block_on()?;
    follow(&copier, &owner)?;
    show("copied", &owner, Some(&copier), items, began)?;
    for round in 1..=rounds {
        let began = Instant::now();
        put(&owner, 0..items, round)?;
        follow(&copier, &owner)?;
        show("overwritten", &owner, Some(&copier), items, began)?;
    }
    owner.stop().block_on()?;
    tables(&directory.path().join("owner.redb"), items)?;
    let owner = member(&switch, 0, &directory.path().join("owner.redb"))?;
    copier.connect("member-0", None).block_on()?;
    let began = Instant::now();
    delete(&owner, (0..items).filter(|n| n % 2 == 0))?;
    follow(&copier, &owner)?;
    show("half deleted", &owner, Some(&copier), items / 2, began)?;
    let began = Instant::now();
    let (one, other) = (owner.compact().block_on(), copier.compact().block_on());
    show("compacted", &owner, Some(&copier), items / 2, began)?;
    println!("  {one:?} {other:?}");
    let began = Instant::now();
    delete(&owner, (0..items).filter(|n| n % 2 == 1))?;
    follow(&copier, &owner)?;
    show("all deleted", &owner, Some(&copier), 0, began)?;
    let began = Instant::now();
    let (one, other) = (owner.compact().block_on(), copier.compact().block_on());
    show("compacted", &owner, Some(&copier), 0, began)?;
    println!("  {one:?} {other:?}");
    copier.stop().block_on()?;
    owner.stop().block_on()?;
    println!("stopped: {} kB", std::fs::metadata(directory.path().join("owner.redb"))?.len() / 1_000);
    Ok(())
}

fn member(switch: &ChanMesh, number: u8, path: &Path) -> Done<Member> {
    let authority = Identity::from_secret(&[255; 32]);
    let identity = Identity::from_secret(&[number + 1; 32]);
    let id = identity.id();
    let mut config = Config::new(MeshId(authority.id()), identity, format!("member-{number}").parse()?);
    config.new_mesh = number == 0;
    config.authority = (number == 0).then_some(authority);
    let connect = |inbox| Ok::<_, Infallible>(switch.connector(id, &format!("member-{number}"), inbox));
    Ok(start(config, u64::from(number), RedbStore::open(path, Options::default())?, connect)?)
}

fn key(n: usize) -> Done<Key> {
    // Not in the order of writing, as most keys are not.
    let scattered = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Ok(Key::new(format!("{scattered:016x}"))?)
}

fn put(member: &Member, range: std::ops::Range<usize>, round: u8) -> Done<()> {
    let numbers: Vec<usize> = range.collect();
    for part in numbers.chunks(WRITES) {
        let mut writes = Vec::with_capacity(part.len());
        for n in part {
            let value: Vec<u8> = (0..VALUE_BYTES).map(|at| (n >> (at % 8)) as u8 ^ round).collect();
            writes.push(Write::Put { key: key(*n)?, value: value.into(), expiry: None });
        }
        member.commit(writes).block_on()?;
    }
    Ok(())
}

fn delete(member: &Member, numbers: impl Iterator<Item = usize>) -> Done<()> {
    let numbers: Vec<usize> = numbers.collect();
    for part in numbers.chunks(WRITES) {
        let mut writes = Vec::with_capacity(part.len());
        for n in part {
            writes.push(Write::Delete { key: key(*n)? });
        }
        member.commit(writes).block_on()?;
    }
    Ok(())
}

/// Waits until `copier` has what `owner` wrote.
fn follow(copier: &Member, owner: &Member) -> Done<()> {
    let head = owner.head(&owner.id())?.ok_or("nothing is written")?;
    Ok(copier.wait_for(owner.id(), head.timestamp).block_on()?)
}

fn show(step: &str, owner: &Member, copier: Option<&Member>, items: usize, began: Instant) -> Done<()> {
    let seconds = began.elapsed().as_secs_f64();
    // The file is looked at once a second.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let payload = (items * (KEY_BYTES + VALUE_BYTES)).max(1) as f64;
    let mut line = format!("{step:<13}");
    for member in [Some(owner), copier].into_iter().flatten() {
        let usage = member.usage()?;
        let (file, used) = (usage.file_bytes as f64, used(member)?);
        let (file_mb, used_mb) = (file / 1e6, used / 1e6);
        line += &format!(
            "  file {file_mb:8.1} MB = {:5.2} x, used {used_mb:8.1} MB = {:5.2} x",
            file / payload,
            used / payload
        );
    }
    println!("{line}  {seconds:6.1} s");
    Ok(())
}

/// What each table takes, for each item.
fn tables(path: &Path, items: usize) -> Done<()> {
    let store = RedbStore::open(path, Options::default())?;
    println!("  bytes per item      rows   stored   inner pages   not full");
    for table in store.reader().snapshot()?.tables()? {
        let per_item = |bytes: u64| bytes as f64 / items as f64;
        println!(
            "  {:<10} {:>13} {:8.1} {:13.1} {:10.1}",
            table.name,
            table.rows,
            per_item(table.stored_bytes),
            per_item(table.metadata_bytes),
            per_item(table.unused_bytes)
        );
    }
    Ok(store.close()?)
}

fn used(member: &Member) -> Done<f64> {
    Ok(member.snapshot()?.used_bytes()? as f64)
}
