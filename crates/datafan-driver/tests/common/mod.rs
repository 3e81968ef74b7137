//! Members in one process, over stores in memory whose writes can be blocked.

#![allow(dead_code, reason = "each test file uses its part")]

use datafan_conn_chan::ChanMesh;
use datafan_core::{
    engine::Config,
    id::{MemberId, MeshId},
    identity::Identity,
    store::{Batch, Durability, Room, ShardNumber, Store, StoreError},
};
use datafan_driver::{Handle, start};
use datafan_store_mem::{MemDisk, MemReader, MemStore};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    task::{Context, Poll, Waker},
};

/// A handle of a member under test.
pub type Member = Handle<MemReader>;

/// A switch, and the keys of the members.
#[derive(Default)]
pub struct Mesh {
    pub switch: ChanMesh,
}

impl Mesh {
    /// The first member: it holds the authority key, is admitted, and may write at once.
    pub async fn founder(&self) -> (Member, Arc<Gate>) {
        let (member, gate) = self.founder_on(&MemDisk::new());
        member.admit(member.id(), "founder".parse().unwrap()).await.unwrap();
        (member, gate)
    }

    /// The first member on a given disk, not admitted yet.
    pub fn founder_on(&self, disk: &MemDisk) -> (Member, Arc<Gate>) {
        self.start(founder_config(), 0, disk)
    }

    /// Another member, with an empty store.
    pub fn joiner(&self, number: u8) -> Member {
        self.start(joiner_config(number), number, &MemDisk::new()).0
    }

    fn start(&self, config: Config, number: u8, disk: &MemDisk) -> (Member, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let store = Gated { store: disk.open().unwrap(), disk: disk.clone(), gate: gate.clone() };
        let id = config.member.id();
        let connect = |inbox| Ok::<_, Infallible>(self.switch.connector(id, &address(number), inbox));
        (start(config, u64::from(number), store, connect).unwrap(), gate)
    }
}

/// The address of member `number`.
pub fn address(number: u8) -> String {
    format!("member-{number}")
}

/// The id of member `number`.
pub fn id(number: u8) -> MemberId {
    identity(number).id()
}

/// The first member's settings: it holds the authority key.
pub fn founder_config() -> Config {
    let mut config = Config::new(mesh_id(), identity(0), "founder".parse().unwrap());
    config.authority = Some(authority());
    config.new_mesh = true;
    config
}

/// Another member's settings.
pub fn joiner_config(number: u8) -> Config {
    Config::new(mesh_id(), identity(number), format!("member-{number}").parse().unwrap())
}

fn identity(number: u8) -> Identity {
    Identity::from_secret(&[number + 1; 32])
}

fn authority() -> Identity {
    Identity::from_secret(&[255; 32])
}

fn mesh_id() -> MeshId {
    MeshId(authority().id())
}

/// What the next write of a store does.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Next {
    #[default]
    Pass,
    Wait,
    Panic,
}

/// Blocks a store's writes or syncs, and counts writes.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(Next, u64)>,
    opened: Condvar,
    disk: Mutex<Disk>,
    sync: Mutex<SyncGate>,
    sync_changed: Condvar,
}

/// Whether the disk has room.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    #[default]
    Roomy,
    /// Less than the reserve is free.
    Short,
    /// The next commit finds no room.
    Full,
    /// It was full, and still is when the store is opened again.
    WasFull,
    /// It was full, and has room again.
    HasRoomAgain,
}

#[derive(Default)]
struct SyncGate {
    is_shut: bool,
    /// Number of waiting syncs.
    waiting: u64,
}

impl Gate {
    /// Blocks writes until [`Gate::open`].
    pub fn shut(&self) {
        self.state.lock().unwrap().0 = Next::Wait;
    }

    /// Lets writes through.
    pub fn open(&self) {
        self.state.lock().unwrap().0 = Next::Pass;
        self.opened.notify_all();
    }

    /// Makes the next write panic.
    pub fn panic(&self) {
        self.state.lock().unwrap().0 = Next::Panic;
    }

    /// Commits so far.
    pub fn n_commits(&self) -> u64 {
        self.state.lock().unwrap().1
    }

    /// Sets the state of the disk from now on.
    pub fn set_disk(&self, disk: Disk) {
        *self.disk.lock().unwrap() = disk;
    }

    fn disk(&self) -> Disk {
        *self.disk.lock().unwrap()
    }

    /// Blocks syncs until [`Gate::open_sync`].
    pub fn shut_sync(&self) {
        self.sync.lock().unwrap().is_shut = true;
    }

    /// Lets syncs through.
    pub fn open_sync(&self) {
        self.sync.lock().unwrap().is_shut = false;
        self.sync_changed.notify_all();
    }

    /// Returns when a sync is blocked.
    pub fn wait_for_sync(&self) {
        let state = self.sync.lock().unwrap();
        drop(self.sync_changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    fn pass_sync(&self) {
        let mut state = self.sync.lock().unwrap();
        state.waiting += 1;
        self.sync_changed.notify_all();
        let mut state = self.sync_changed.wait_while(state, |state| state.is_shut).unwrap();
        state.waiting -= 1;
    }

    fn pass(&self) {
        let mut state =
            self.opened.wait_while(self.state.lock().unwrap(), |state| state.0 == Next::Wait).unwrap();
        state.1 += 1;
        let panics = state.0 == Next::Panic;
        drop(state);
        assert!(!panics, "the store has a bug on purpose");
    }
}

struct Gated {
    store: MemStore,
    disk: MemDisk,
    gate: Arc<Gate>,
}

impl Store for Gated {
    type Reader = MemReader;

    fn reader(&self) -> MemReader {
        self.store.reader()
    }

    fn commit(&mut self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.gate.pass();
        if self.gate.disk() == Disk::Full {
            return Err(StoreError::Full { what: "on purpose".into() });
        }
        self.store.commit(batch, durability)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.gate.pass_sync();
        self.store.sync()
    }

    fn erase(&mut self, shard: ShardNumber, rows: usize) -> Result<bool, StoreError> {
        self.store.erase(shard, rows)
    }

    fn room(&mut self) -> Result<Room, StoreError> {
        Ok(match self.gate.disk() {
            Disk::Roomy | Disk::Full => Room::Enough,
            Disk::Short | Disk::WasFull => Room::Short { why: "on purpose".into() },
            Disk::HasRoomAgain => Room::Again,
        })
    }

    fn reopen(self) -> Result<Self, StoreError> {
        let Self { store, disk, gate } = self;
        drop(store);
        gate.set_disk(match gate.disk() {
            Disk::Full => Disk::WasFull,
            Disk::HasRoomAgain => Disk::Roomy,
            disk => disk,
        });
        Ok(Self { store: disk.open()?, disk, gate })
    }

    fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }
}

/// Polls a future once.
pub fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
