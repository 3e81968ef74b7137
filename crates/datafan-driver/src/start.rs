//! Starting a member.

use crate::{
    board::{RunState, Shared},
    clock::{self, Clock},
    current::{Current, ReadLimits},
    error::{StartError, StopReason},
    handle::{Handle, Inner},
    lease::Purpose,
    leased::Leased,
    member::{Member, SnapshotOf},
};
use datafan_core::{
    connector::{Connector, Inbox},
    engine::{Config, Engine, OpenError},
    identity::Strict,
    read::Snapshot,
    store::{Store, StoreError, StoreSnapshot},
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};
use tracing::{Span, error, info, info_span};

/// Opens the engine of `config` on `store`, calls `connect` for the connector, and starts the member's
/// thread.
///
/// `seed` determines the engine's random choices (jitter); take it from the system's random source. `connect`
/// gets the inbox to which the connector pushes events; it runs on the calling thread.
///
/// # Errors
/// See [`StartError`]; nothing is running then.
pub fn start<S, C, E>(
    config: Config,
    seed: u64,
    store: S,
    connect: impl FnOnce(Arc<dyn Inbox>) -> Result<C, E>,
) -> Result<Handle<S::Reader>, StartError<E>>
where
    S: Store,
    C: Connector,
{
    let clock = Clock::new();
    let (id, mesh) = (config.member.id(), config.mesh);
    let limits = ReadLimits {
        idle: Duration::from_micros(config.read_idle_micros),
        growth_bytes: config.read_growth_bytes,
        age: Duration::from_micros(config.read_age_micros),
    };
    let span = info_span!("member", id = id.short(), name = %config.name);
    let engine = Engine::open(config, seed, Box::new(Strict), store, clock.now())?;
    let current = Arc::new(current(&engine, limits).map_err(OpenError::Store)?);
    let snapshot = Leased::new(&current, Purpose::Read).map_err(OpenError::Store)?;
    let heads = Snapshot::new(snapshot, mesh, clock::wall()).heads().map_err(OpenError::Store)?;
    let shared = Arc::new(Shared::new(heads.into_iter().map(|head| (head.owner, head.timestamp))));
    let connector = match connect(shared.queue.clone()) {
        Ok(connector) => connector,
        Err(error) => {
            // Report the caller's error; a store that fails too will report it when it is opened next.
            drop(engine.close());
            return Err(StartError::Connector(error));
        }
    };
    let member = Member::new(engine, connector, shared.clone(), current.clone(), clock);
    let (ends, closes) = (shared.clone(), current.clone());
    let thread = thread::Builder::new().name(format!("datafan-{}", id.short()));
    let thread = thread.spawn(move || run(member, &ends, &closes, &span)).map_err(StartError::Thread)?;
    Ok(Handle { inner: Arc::new(Inner { shared, current, id, mesh, thread: Mutex::new(Some(thread)) }) })
}

fn current<S: Store>(engine: &Engine<S>, limits: ReadLimits) -> Result<Current<SnapshotOf<S>>, StoreError> {
    Ok(Current::new(engine.snapshot(), engine.file_bytes()?, limits))
}

/// The thread: runs the member, and reports its end.
fn run<S: Store, C: Connector>(
    member: Member<S, C>,
    shared: &Shared,
    current: &Current<SnapshotOf<S>>,
    span: &Span,
) {
    let reason = StopReason::Panicked { what: "its thread ended early".into() };
    let mut ending = Ending { shared, current, reason };
    let _entered = span.enter();
    // Whatever the member owned is gone after a panic; the rest is safe to observe at any moment.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        info!("member started");
        member.run()
    }));
    ending.reason = match ended {
        Ok(Ok(())) => StopReason::Asked,
        Ok(Err(reason)) => reason,
        Err(panic) => StopReason::Panicked { what: text(&*panic) },
    };
    match &ending.reason {
        StopReason::Asked => info!("member stopped"),
        failed => error!(reason = %failed, "member stopped"),
    }
}

/// Reports that the thread has ended, and why, when it is dropped: even if the last log line panics.
struct Ending<'a, V: StoreSnapshot> {
    shared: &'a Shared,
    current: &'a Current<V>,
    reason: StopReason,
}

impl<V: StoreSnapshot> Drop for Ending<'_, V> {
    fn drop(&mut self) {
        self.current.close();
        // Nothing enters any more; callers that still wait are told when the entries are dropped.
        let unhandled = self.shared.queue.close();
        self.shared.change(|board| {
            board.links = 0;
            board.run_state = RunState::Stopped(self.reason.clone());
        });
        drop(unhandled);
    }
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| String::from(*text));
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".into())
}
