//! A process that is killed while it writes and receives.

use super::{
    client::{Client, own, read_until_gone},
    common::{Member, PATIENCE, TestDir, api::Api},
};
use datafan_testkit::rng::Rng;
use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// `DATAFAN_KILLS=200` sets the number of kills, `DATAFAN_SEED` their times.
#[test]
fn a32_killed_again_and_again_a_member_loses_no_acknowledged_write() {
    let (kills, seed) = (number("DATAFAN_KILLS", 200), number("DATAFAN_SEED", 1));
    println!("DATAFAN_KILLS={kills} DATAFAN_SEED={seed}");
    let place = TestDir::new();
    let a = place.founder("a");
    let victim = place.invited(&a, "victim", &[]);
    let c = place.invited(&a, "c", &[]);
    let mut clients = ["one", "two"].map(|name| Client::new(&victim.dir, name));
    let mut writers = [Client::new(&a.dir, "a"), Client::new(&c.dir, "c")];
    let stop = AtomicBool::new(false);
    let victim = thread::scope(|scope| {
        for writer in &mut writers {
            scope.spawn(|| writer.write_until(&stop, || {}));
        }
        let stops = Stops(&stop);
        let victim = kill_again_and_again(victim, &mut clients, kills, Rng::new(seed));
        drop(stops);
        victim
    });

    let last = clients.iter().map(|client| client.last).max().unwrap();
    for member in [&a, &victim, &c] {
        let mut api = Api::open(&member.dir).unwrap();
        for (owner, timestamp) in [("a", writers[0].last), ("victim", last), ("c", writers[1].last)] {
            api.waits_for(owner, timestamp, PATIENCE);
        }
    }
    all_equal(&[&a, &victim, &c]);
    for writer in &mut writers {
        assert!(writer.acknowledged >= kills, "the peers wrote all the time");
    }
    writers[0].check(&own(&a.dir));
    writers[1].check(&own(&c.dir));
}

/// Kills the member `kills` times while its clients write, checks its data after each start, and returns the
/// last running process.
fn kill_again_and_again(mut victim: Member, clients: &mut [Client], kills: u64, mut rng: Rng) -> Member {
    let (dir, address) = (victim.dir.clone(), victim.address());
    let (mut early, mut slowest) = (0, Duration::ZERO);
    for _ in 0..kills {
        let seen = write_and_kill(victim, clients, &mut rng);
        while rng.chance(1, 5) {
            // Even before it is ready, because its start writes too.
            let starting = Member::start_on(&address, &dir, &[]);
            thread::sleep(Duration::from_micros(rng.below(60_000)));
            starting.kill();
            early += 1;
        }
        let started = Instant::now();
        victim = Member::run_on(&address, &dir, &[]);
        slowest = slowest.max(started.elapsed());
        let held = own(&dir);
        clients.iter_mut().for_each(|client| client.check(&held));
        for (key, number) in seen {
            // Numbers only increase, so the current data is no older.
            let held = held.get(&key).copied().unwrap_or(0);
            assert!(held >= number, "{key} was read as {number} before the kill, and is {held} after it");
        }
    }
    let acknowledged: u64 = clients.iter().map(|client| client.acknowledged).sum();
    println!(
        "{kills} kills and {early} early ones, {acknowledged} writes acknowledged, slowest start {slowest:?}"
    );
    assert!(acknowledged >= kills);
    victim
}

/// Lets the clients write, and kills the member soon after some writes were acknowledged. Returns what was
/// read last.
fn write_and_kill(victim: Member, clients: &mut [Client], rng: &mut Rng) -> BTreeMap<String, u64> {
    let dir = victim.dir.clone();
    let (acknowledge, acknowledged) = mpsc::channel();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in clients {
            let acknowledge = acknowledge.clone();
            let stop = &stop;
            scope.spawn(move || {
                client.write_until(stop, || {
                    let _ = acknowledge.send(());
                })
            });
        }
        drop(acknowledge);
        let reader = scope.spawn(move || read_until_gone(&dir));
        let stops = Stops(&stop);
        for _ in 0..=rng.below(20) {
            acknowledged.recv_timeout(PATIENCE).expect("writes are acknowledged");
        }
        // Not a wait for an event: the seed draws this time.
        thread::sleep(Duration::from_micros(rng.below(20_000)));
        victim.kill();
        drop(stops);
        reader.join().expect("rows are read as they were written")
    })
}

/// Waits until all hold the same data, by items and by roots. A killed member may have kept an unacknowledged
/// write, whose timestamp nobody knows.
pub fn all_equal(members: &[&Member]) {
    let all_roots = || members.iter().map(|member| member.roots()).collect::<Vec<_>>();
    let export = |dir: &Path| Api::open(dir).unwrap().get("/v1/export?all=true").unwrap().body;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let roots = all_roots();
        let exports: Vec<_> = members.iter().map(|member| export(&member.dir)).collect();
        // Reports of one moment: nothing changed in between.
        if roots.iter().all(|held| *held == roots[0]) && all_roots() == roots {
            assert!(exports[0].lines().count() > 0 && roots[0].len() > members.len());
            for (member, rows) in members.iter().zip(&exports) {
                assert!(*rows == exports[0], "the same items at {}", member.dir.display());
            }
            return;
        }
        assert!(Instant::now() < deadline, "the same roots: {roots:#?}");
    }
}

/// Ends the writers when dropped, so that a failure does not wait for them.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}
