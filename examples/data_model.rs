//! The data model in 40 lines, on one member that keeps its data in memory.
//!
//! Every member owns a *shard*: items that only it may change. Other members would receive everything that it
//! writes here.

use datafan_core::{engine::Write, item::Key};
use datafan_driver::BlockOn;
use std::{thread, time::Duration};

/// Runs the example.
pub fn main() -> anyhow::Result<()> {
    let member = datafan_examples::lonely_member()?;
    let me = member.id();

    // An item is a key, a value and the timestamp of its last modification: microseconds since 1970, unique
    // and increasing per owner. The timestamp is the item's version and its place in the index.
    let red = member.put("color", "red").block_on()?;
    let blue = member.put("color", "blue").block_on()?;
    let color = member.get(&me, "color")?.expect("it was just put");
    println!("color is {:?} since {}", String::from_utf8_lossy(&color.value), color.timestamp);
    assert!(&*color.value == b"blue" && color.timestamp == blue.timestamp && blue.timestamp > red.timestamp);

    // Putting an unchanged value changes nothing and costs the mesh nothing.
    let again = member.put("color", "blue").block_on()?;
    assert!(again.changed == 0 && again.timestamp == blue.timestamp);

    // A commit is applied as a whole, everywhere: no reader sees a part of it. Each write takes a timestamp.
    let size = Write::Put { key: Key::new("size")?, value: b"XL"[..].into(), expiry: None };
    let both = member.commit(vec![size, Write::Delete { key: Key::new("color")? }]).block_on()?;
    let snapshot = member.snapshot()?;
    let keys: Vec<_> =
        snapshot.items_of(&me).map(|entry| entry.map(|entry| entry.item.key.to_string())).collect();
    println!("a commit of {} writes left the keys {keys:?}", both.changed);
    assert!(both.changed == 2 && keys == [Ok("size".to_owned())]);

    // An item may expire: then every member hides it, by its own clock, and the owner removes it later.
    let lifetime = Duration::from_millis(5);
    member.put_with_ttl("offer", "today only", lifetime).block_on()?;
    thread::sleep(lifetime);
    assert!(member.get(&me, "offer")?.is_none());

    // The head is the owner's signed statement about its shard: last timestamp, sums, and the root of the
    // index, a hash over all items. Members with equal roots hold equal data.
    let head = member.head(&me)?.expect("there were commits");
    println!(
        "head: {} items, {} bytes, timestamp {}, root {}",
        head.items, head.bytes, head.timestamp, head.root
    );
    assert!(head.timestamp > both.timestamp);
    member.stop().block_on()?;
    Ok(())
}
