//! The table of links, and the one lock that orders their events.

use crate::{
    budget::Budget,
    config::{CONNECTIONS_MAX, Config, ENDED_MAX, LASTING, Stats},
    ending::Code,
    half_open::{HalfOpen, Source},
    hello::{Greeted, Hello, LinkId, Run},
    link::{Link, Origin},
    replacements::{Replacements, TAKEN_OVER},
};
use datafan_core::{
    connector::{Address, Event, Inbox},
    id::MemberId,
    limits::MESSAGE_BYTES_MAX,
};
use quinn::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// The state that all tasks of a connector share.
pub(crate) struct Table {
    pub(crate) me: MemberId,
    /// The id of this run.
    pub(crate) run: Run,
    /// When it began.
    pub(crate) began: Instant,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    state: Mutex<State>,
    /// Signalled when a link comes up.
    link_came: Notify,
    inbox: Arc<dyn Inbox>,
    /// The budget of all bulk lanes together.
    pub(crate) budget: Arc<Budget>,
    /// Places for incoming handshakes.
    pub(crate) half_open: Arc<HalfOpen>,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    links: BTreeMap<MemberId, Arc<Link>>,
    /// For peers with a lower id: the last link that ended here.
    ended: BTreeMap<MemberId, LinkId>,
    /// Number of links that we decided for.
    last_number: u64,
    /// Dials in progress.
    dialling: BTreeSet<(Address, Option<MemberId>)>,
    /// Peers whose runs replace each other's links.
    replacements: Replacements,
    stopped: bool,
    stats: Stats,
    /// UDP bytes of closed connections: sent, received.
    wire_of_past: (u64, u64),
}

impl State {
    /// Whether there is no place for another link. Links that are being closed take no place, up to a limit.
    fn is_full(&self) -> bool {
        let n_closing = self.links.values().filter(|link| link.is_closing()).count();
        self.links.len() - n_closing >= CONNECTIONS_MAX || n_closing >= CONNECTIONS_MAX
    }
}

/// Why a connection does not become a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Another one was kept.
    Duplicate,
    /// There are too many links.
    Full,
    /// The connector has stopped.
    Stopped,
}

impl Table {
    pub(crate) fn new(config: &Config, run: Run, inbox: Arc<dyn Inbox>) -> Self {
        Self {
            me: config.identity.id(),
            run,
            began: Instant::now(),
            handshake_timeout: config.handshake_timeout,
            close_timeout: config.close_timeout,
            state: Mutex::default(),
            link_came: Notify::new(),
            inbox,
            // One frame always fits.
            budget: Budget::new(config.unverified_bytes_max.max(MESSAGE_BYTES_MAX)),
            half_open: HalfOpen::new(config.half_open_source_max),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        }
    }

    /// The lower id's decision about a new connection: the existing link stays, unless the peer restarted
    /// since or says that the link ended.
    pub(crate) fn decide(
        &self,
        peer: MemberId,
        hello: Hello,
        origin: Origin,
        connection: &Connection,
    ) -> Result<Arc<Link>, Refusal> {
        let mut state = self.lock();
        if let Some(link) = state.links.get(&peer) {
            let ended_there = hello.ended.run == self.run && hello.ended.number >= link.id.number;
            if link.peer_run == hello.run && !ended_there {
                return Err(Refusal::Duplicate);
            }
        }
        state.last_number += 1;
        let id = LinkId { run: self.run, number: state.last_number };
        self.up(state, Link::new(peer, id, hello.run, origin, connection.clone()))
    }

    /// The higher id's part: follows the peer's decision, unless there is a newer one.
    pub(crate) fn follow(
        &self,
        peer: MemberId,
        id: LinkId,
        origin: Origin,
        connection: &Connection,
    ) -> Result<Arc<Link>, Refusal> {
        let state = self.lock();
        let known = [state.links.get(&peer).map(|link| link.id), state.ended.get(&peer).copied()];
        if known.iter().flatten().any(|known| known.run == id.run && known.number >= id.number) {
            return Err(Refusal::Duplicate);
        }
        self.up(state, Link::new(peer, id, id.run, origin, connection.clone()))
    }

    /// Replaces an older link by `link`.
    fn up(&self, mut state: MutexGuard<'_, State>, link: Link) -> Result<Arc<Link>, Refusal> {
        let peer = link.peer;
        if state.stopped {
            return Err(Refusal::Stopped);
        }
        if state.is_full() && !state.links.contains_key(&peer) {
            state.stats.handshakes_refused += 1;
            return Err(Refusal::Full);
        }
        // The dialler may dial again as soon as it learns of the link, which may end before its dial returns.
        state.dialling.retain(|(address, _)| Some(address) != link.origin.dialled.as_ref());
        let link = Arc::new(link);
        let old = state.links.insert(peer, link.clone());
        if let Some(old) = &old {
            let restarted = old.peer_run != link.peer_run;
            let both = restarted && state.replacements.record(peer, old.peer_run, link.peer_run);
            if both && state.replacements.may_warn(peer, Instant::now()) {
                let (one, other) = (old.address(), link.address());
                tracing::warn!(
                    ?peer, %one, %other,
                    "two processes run with the key of this peer and replace each other's links: stop one of \
                     them (a ticket used twice, a copied directory, a cloned machine)"
                );
            }
            let reason =
                if restarted { "the peer restarted" } else { "the peer lost the link and made a new one" };
            if both {
                tracing::debug!(?peer, reason, "link down");
            } else {
                tracing::info!(?peer, reason, "link down");
            }
            self.inbox.push(Event::LinkDown { peer, reason: reason.into() });
        }
        let (address, direction) = (link.address(), link.origin.direction);
        tracing::info!(?peer, %address, ?direction, "link up");
        self.inbox.push(Event::LinkUp { peer, address: Some(address), direction });
        drop(state);
        self.link_came.notify_waiters();
        if let Some(old) = old {
            old.end(Code::Replaced, "replaced by a newer connection");
        }
        Ok(link)
    }

    /// The connection of `link` is gone; `replaced` if the peer replaced it by another one.
    pub(crate) fn down(&self, link: &Arc<Link>, reason: String, replaced: bool) {
        let peer = link.peer;
        let mut state = self.lock();
        let (sent, received) = wire(link);
        state.wire_of_past = (state.wire_of_past.0 + sent, state.wire_of_past.1 + received);
        if !state.holds(link) {
            return;
        }
        state.links.remove(&peer);
        if peer < self.me {
            if state.ended.len() >= ENDED_MAX {
                state.ended.pop_first();
            }
            state.ended.insert(peer, link.id);
        }
        if !state.stopped {
            // This process has no other link with the peer, so the new one belongs to another process.
            let taken_over = replaced && state.replacements.is_taken_over(Instant::now());
            if taken_over {
                if state.replacements.may_warn(self.me, Instant::now()) {
                    tracing::warn!(?peer, "{TAKEN_OVER}");
                }
                tracing::debug!(?peer, reason, "link down");
            } else {
                tracing::info!(?peer, reason, "link down");
            }
            self.inbox.push(Event::LinkDown { peer, reason });
        }
    }

    /// Pushes an event of `link`, if it is still the one with its peer.
    pub(crate) fn push(&self, link: &Arc<Link>, event: Event) {
        let state = self.lock();
        if !state.stopped && state.holds(link) {
            self.inbox.push(event);
        }
    }

    /// The last link with `peer` that ended here.
    pub(crate) fn ended(&self, peer: MemberId) -> LinkId {
        self.lock().ended.get(&peer).copied().unwrap_or_default()
    }

    /// Waits until there is a link with `peer`.
    pub(crate) async fn linked(&self, peer: MemberId) {
        loop {
            let mut came = std::pin::pin!(self.link_came.notified());
            came.as_mut().enable();
            if self.link(peer).is_some() {
                return;
            }
            came.await;
        }
    }

    /// The link with `peer`; `None` once stopped.
    pub(crate) fn link(&self, peer: MemberId) -> Option<Arc<Link>> {
        let state = self.lock();
        if state.stopped { None } else { state.links.get(&peer).cloned() }
    }

    /// Whether a handshake from `remote` would be useless: all links are taken, and none is with a peer there
    /// that may have restarted.
    pub(crate) fn is_full_for(&self, remote: SocketAddr) -> bool {
        let state = self.lock();
        state.is_full() && state.links.values().all(|link| link.connection.remote_address() != remote)
    }

    /// Whether a link with a peer at `address` has lasted, so that it is a member.
    pub(crate) fn has_lasting_link_from(&self, address: IpAddr) -> bool {
        let source = Source::of(address);
        let lasts = |link: &Arc<Link>| link.since.elapsed() >= LASTING;
        let at = |link: &Arc<Link>| Source::of(link.connection.remote_address().ip()) == source;
        self.lock().links.values().any(|link| lasts(link) && at(link))
    }

    /// Whether a warning about a key that is used twice is due.
    pub(crate) fn may_warn_of(&self, peer: MemberId) -> bool {
        self.lock().replacements.may_warn(peer, Instant::now())
    }

    /// Records that a dial starts; refused if one is in progress, or if the expected peer is linked. An
    /// address without an expected peer may lead to a different one than last time.
    pub(crate) fn dial_begins(&self, address: &Address, expected: Option<MemberId>) -> bool {
        let mut state = self.lock();
        let is_linked = expected.is_some_and(|peer| state.links.contains_key(&peer));
        !state.stopped && !is_linked && state.dialling.insert((address.clone(), expected))
    }

    /// Records that a dial has ended.
    pub(crate) fn dial_ends(
        &self,
        address: Address,
        expected: Option<MemberId>,
        result: Result<Greeted, String>,
    ) {
        let mut state = self.lock();
        state.dialling.remove(&(address.clone(), expected));
        match result {
            _ if state.stopped => {}
            Ok(Greeted::Link) => {}
            Ok(Greeted::Linked(peer)) => self.inbox.push(Event::DialFound { address, expected, peer }),
            Err(error) => {
                tracing::debug!(%address, error, "dial failed");
                self.inbox.push(Event::DialFailed { address, expected, error });
            }
        }
    }

    /// Whether it has stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Stops: no event follows after this returned. Returns the links that were up.
    pub(crate) fn stop(&self) -> Vec<Arc<Link>> {
        let mut state = self.lock();
        state.stopped = true;
        state.links.values().cloned().collect()
    }

    pub(crate) fn stats<T>(&self, change: impl FnOnce(&mut Stats) -> T) -> T {
        change(&mut self.lock().stats)
    }

    pub(crate) fn count_sent(&self, n_bytes: usize) {
        self.sent_bytes.fetch_add(n_bytes as u64, Relaxed);
    }

    pub(crate) fn count_received(&self, n_bytes: usize) {
        self.received_bytes.fetch_add(n_bytes as u64, Relaxed);
    }

    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.sent_bytes.load(Relaxed), self.received_bytes.load(Relaxed))
    }

    pub(crate) fn wire_traffic(&self) -> (u64, u64) {
        let state = self.lock();
        let links = state.links.values().map(wire);
        links.fold(state.wire_of_past, |sum, link| (sum.0 + link.0, sum.1 + link.1))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn holds(&self, link: &Arc<Link>) -> bool {
        self.links.get(&link.peer).is_some_and(|held| Arc::ptr_eq(held, link))
    }
}

fn wire(link: &Arc<Link>) -> (u64, u64) {
    let stats = link.connection.stats();
    (stats.udp_tx.bytes, stats.udp_rx.bytes)
}
