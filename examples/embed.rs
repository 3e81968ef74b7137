//! Members with a disk and a network inside your own program: the library `datafan-node`, here with the
//! features `redb` and `quic` and without HTTP and the command line. The two members could as well be two
//! programs.

use datafan_node::{Bootstrap, Node, driver::TimedOut};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Reading {
    celsius: f64,
    place: String,
}

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;

    // The first start creates the member in the directory; later ones find its keys and data there. Port 0
    // picks a free port; without `listen`, the member uses the default port on all addresses of the machine.
    let sensor = Node::builder(directory.path().join("sensor"))
        .bootstrap(Bootstrap::NewMesh { name: "sensor".parse()? })
        .listen("127.0.0.1:0".parse()?)
        .start()
        .await?;

    // The second member knows the id of the mesh and one address. It waits until it is admitted.
    let display = Node::builder(directory.path().join("display"))
        .bootstrap(Bootstrap::Join { mesh: sensor.mesh(), name: "display".parse()? })
        .listen("127.0.0.1:0".parse()?)
        .connect(sensor.local_addrs()[0].to_string(), Some(sensor.id()))
        .start()
        .await?;
    sensor.admit(display.id(), "display".parse()?).await?;
    soon(&display, display.wait_links(1)).await?;

    // Typed values go through serde. A put returns when it is on this member's disk, ...
    let reading = Reading { celsius: 21.5, place: "attic".into() };
    let done = sensor.put_json("reading", &reading).await?;
    // ... and can be read elsewhere once the head of its owner has reached its timestamp.
    soon(&display, display.wait_for(sensor.id(), done.timestamp)).await?;
    let seen: Option<Reading> = display.get_json(&sensor.id(), "reading")?;
    println!("the display shows {seen:?}");
    assert_eq!(seen, Some(reading));

    // To follow changes, read, wait, and read again: no change is missed, however fast they come.
    let mut changes = display.changes_of(sensor.id());
    for celsius in [22.0, 22.5, 23.0] {
        sensor.put_json("reading", &Reading { celsius, place: "attic".into() }).await?;
    }
    loop {
        soon(&display, changes.changed()).await?;
        let reading: Option<Reading> = display.get_json(&sensor.id(), "reading")?;
        println!("changed: {reading:?}");
        if reading.is_some_and(|reading| reading.celsius == 23.0) {
            break;
        }
    }

    // Stopping closes links and store. Everything written is there at the next start, without any peer.
    sensor.stop().await?;
    display.stop().await?;
    let display =
        Node::builder(directory.path().join("display")).listen("127.0.0.1:0".parse()?).start().await?;
    let kept: Option<Reading> = display.get_json(&sensor.id(), "reading")?;
    println!("after a restart the display still has {kept:?}");
    assert_eq!(kept.map(|reading| reading.celsius), Some(23.0));
    display.stop().await?;
    Ok(())
}

/// Waits with a timeout.
async fn soon<T, E: From<TimedOut>>(
    member: &Node,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    member.timeout(Duration::from_secs(20), future).await
}
