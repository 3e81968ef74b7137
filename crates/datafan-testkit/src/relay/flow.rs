//! The relay itself: sockets, sessions, threads.

use super::{
    line::{Counts, Fate, Faults, Line, Way},
    schedule::{Datagram, Schedule},
};
use crate::rng::Rng;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A port on loopback in front of another one. It ends when dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The address for dialers.
    front: Arc<UdpSocket>,
    schedule: Schedule,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    target: Option<SocketAddr>,
    there: Line,
    back: Line,
    /// Bytes until the line is cut; `None` for no cut.
    bytes_left: Option<u64>,
    rng: Rng,
    /// By dialer. Forgotten when the target changes.
    sessions: HashMap<SocketAddr, Session>,
    n_flows: u64,
}

/// The traffic of one dialer; the target sees each under a separate address, as behind a home router.
#[derive(Debug)]
struct Session {
    socket: Arc<UdpSocket>,
    there: Flow,
}

/// One direction of a session.
#[derive(Debug)]
struct Flow {
    id: u64,
    n_datagrams: u64,
    faults: Faults,
}

impl Relay {
    /// A relay on a free port, over a good line. Nothing arrives until [`Relay::lead_to`] sets a target.
    ///
    /// # Errors
    /// If the system provides no socket.
    pub fn new(seed: u64) -> io::Result<Self> {
        let front = listening((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = front.local_addr()?;
        let state = State {
            target: None,
            there: Line::GOOD,
            back: Line::GOOD,
            bytes_left: None,
            rng: Rng::new(seed),
            sessions: HashMap::new(),
            n_flows: 0,
        };
        let shared = Arc::new(Shared {
            front: Arc::new(front),
            schedule: Schedule::default(),
            state: Mutex::new(state),
        });
        let sender = shared.clone();
        let listener = shared.clone();
        let threads =
            vec![thread::spawn(move || sender.schedule.run()), thread::spawn(move || listener.listen())];
        Ok(Self { shared, address, threads })
    }

    /// The address to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets or replaces the target: a restarted program may have another port. Sessions end; datagrams in
    /// flight arrive at the old target.
    pub fn lead_to(&self, target: SocketAddr) {
        let mut state = self.shared.lock();
        state.target = Some(target);
        state.sessions.clear();
    }

    /// Sets the line in both directions, for datagrams that arrive from now on.
    pub fn set(&self, line: Line) {
        self.set_way(Way::There, line);
        self.set_way(Way::Back, line);
    }

    /// Sets the line in one direction.
    pub fn set_way(&self, way: Way, line: Line) {
        let mut state = self.shared.lock();
        match way {
            Way::There => state.there = line,
            Way::Back => state.back = line,
        }
    }

    /// Cuts the line in both directions after `bytes` more bytes: in the middle of a transfer, however fast
    /// it is.
    pub fn cut_after(&self, bytes: u64) {
        self.shared.lock().bytes_left = Some(bytes);
    }

    /// Whether nothing gets through, in either direction.
    pub fn is_cut(&self) -> bool {
        let state = self.shared.lock();
        [state.there, state.back] == [Line::CUT; 2]
    }

    /// Its counters.
    pub fn counts(&self) -> Counts {
        self.shared.schedule.counts()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.schedule.end();
        for thread in self.threads.drain(..) {
            // A panicked thread has already reported that.
            let _ = thread.join();
        }
    }
}

impl State {
    /// The line for `n` bytes that have arrived.
    fn line(&mut self, way: Way, n: usize) -> Line {
        self.bytes_left = self.bytes_left.map(|left| left.saturating_sub(n as u64));
        if self.bytes_left == Some(0) {
            (self.there, self.back, self.bytes_left) = (Line::CUT, Line::CUT, None);
        }
        match way {
            Way::There => self.there,
            Way::Back => self.back,
        }
    }
}

impl Shared {
    /// Receives from dialers until the end.
    fn listen(self: &Arc<Self>) {
        let mut bytes = vec![0; DATAGRAM_BYTES_MAX];
        while !self.schedule.has_ended() {
            if let Ok((n, dialer)) = self.front.recv_from(&mut bytes) {
                self.go_there(dialer, &bytes[..n]);
            }
        }
    }

    fn go_there(self: &Arc<Self>, dialer: SocketAddr, bytes: &[u8]) {
        let mut state = self.lock();
        if !state.sessions.contains_key(&dialer) {
            let Some(session) = self.session(&mut state, dialer) else { return };
            state.sessions.insert(dialer, session);
        }
        let line = state.line(Way::There, bytes.len());
        let session = state.sessions.get_mut(&dialer).expect("there by now");
        let socket = session.socket.clone();
        self.pass(&line, &mut session.there, bytes, &socket, None);
    }

    /// A new session, with the thread that receives its answers; `None` without a target.
    fn session(self: &Arc<Self>, state: &mut State, dialer: SocketAddr) -> Option<Session> {
        let target = state.target?;
        let socket = Arc::new(listening(SocketAddr::new(self.front.local_addr().ok()?.ip(), 0)).ok()?);
        socket.connect(target).ok()?;
        let [there, back] = [(); 2].map(|()| {
            state.n_flows += 1;
            Flow { id: state.n_flows, n_datagrams: 0, faults: Faults::new(state.rng.fork()) }
        });
        // It ends soon after the session is forgotten, or the relay dropped.
        let (shared, answers) = (Arc::downgrade(self), Arc::downgrade(&socket));
        thread::spawn(move || {
            let (mut back, mut bytes) = (back, vec![0; DATAGRAM_BYTES_MAX]);
            while let (Some(shared), Some(socket)) = (shared.upgrade(), answers.upgrade()) {
                if shared.schedule.has_ended() {
                    return;
                }
                if let Ok(n) = socket.recv(&mut bytes) {
                    let line = shared.lock().line(Way::Back, n);
                    shared.pass(&line, &mut back, &bytes[..n], &shared.front, Some(dialer));
                }
            }
        });
        Some(Session { socket, there })
    }

    /// Draws the fate of a datagram.
    fn pass(
        &self,
        line: &Line,
        flow: &mut Flow,
        bytes: &[u8],
        from: &Arc<UdpSocket>,
        to: Option<SocketAddr>,
    ) {
        flow.n_datagrams += 1;
        let fate = flow.faults.draw(line, Instant::now(), bytes.len());
        self.schedule.count(|counts| {
            counts.arrived += 1;
            match fate {
                Fate::Lost => counts.lost += 1,
                Fate::Overflowed => counts.overflowed += 1,
                Fate::Sent { repeat_at, .. } => counts.repeated += u64::from(repeat_at.is_some()),
            }
        });
        let Fate::Sent { at, repeat_at } = fate else { return };
        let (flow, number) = (flow.id, flow.n_datagrams);
        let datagram = Datagram { bytes: bytes.into(), flow, number, from: from.clone(), to };
        for at in [Some(at), repeat_at].into_iter().flatten() {
            self.schedule.add(at, datagram.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket with a short timeout, to notice the end.
fn listening(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

/// The longest datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay, its target, and a dialer.
    fn line(seed: u64) -> (Relay, UdpSocket, UdpSocket) {
        let [behind, dialer] = [(); 2].map(|()| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket
        });
        let relay = Relay::new(seed).unwrap();
        relay.lead_to(behind.local_addr().unwrap());
        dialer.connect(relay.address()).unwrap();
        (relay, behind, dialer)
    }

    fn soon(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "in time");
            thread::yield_now();
        }
    }

    /// Which of 100 numbers arrive, in order; a last one over a good line ends the wait.
    fn arrive(relay: &Relay, behind: &UdpSocket, dialer: &UdpSocket, line: Line) -> Vec<u8> {
        relay.set(line);
        for n in 0..100 {
            dialer.send(&[n]).unwrap();
        }
        soon(|| relay.counts().arrived == 100);
        relay.set(Line { delay: line.delay + line.lateness + Duration::from_millis(20), ..Line::GOOD });
        dialer.send(&[255]).unwrap();
        let mut arrived = Vec::new();
        loop {
            let mut byte = [0];
            behind.recv(&mut byte).unwrap();
            if byte == [255] {
                return arrived;
            }
            arrived.push(byte[0]);
        }
    }

    #[test]
    fn a_good_line_changes_nothing() {
        let (relay, behind, dialer) = line(1);
        assert!(arrive(&relay, &behind, &dialer, Line::GOOD).into_iter().eq(0..100));
    }

    #[test]
    fn a_seed_loses_and_repeats_the_same_datagrams_each_time() {
        let bad = Line { repeats_percent: 20, late_percent: 50, ..Line::BAD };
        let [mut one, mut other] = [(); 2].map(|()| {
            let (relay, behind, dialer) = line(2);
            let arrived = arrive(&relay, &behind, &dialer, bad);
            let counts = relay.counts();
            assert_eq!(arrived.len() as u64, 100 - counts.lost + counts.repeated);
            assert!(counts.lost > 0 && counts.repeated > 0 && counts.late > 0, "{counts:?}");
            assert!(!arrived.is_sorted());
            arrived
        });
        one.sort_unstable();
        other.sort_unstable();
        assert_eq!(one, other);
    }

    #[test]
    fn a_cut_in_one_direction_leaves_the_other() {
        let (relay, behind, dialer) = line(3);
        let mut bytes = [0; 8];
        dialer.send(b"one").unwrap();
        let (_, session) = behind.recv_from(&mut bytes).unwrap();
        relay.set_way(Way::There, Line::CUT);
        dialer.send(b"two").unwrap();
        soon(|| relay.counts().lost == 1);
        behind.send_to(b"three", session).unwrap();
        assert_eq!(dialer.recv(&mut bytes).unwrap(), 5);
        assert_eq!((relay.counts().arrived, relay.counts().lost), (3, 1));
    }

    #[test]
    fn a_line_is_cut_after_so_many_bytes() {
        let (relay, behind, dialer) = line(5);
        relay.cut_after(10);
        for _ in 0..5 {
            dialer.send(b"four").unwrap();
        }
        soon(|| relay.counts().arrived == 5);
        assert!(relay.is_cut());
        assert_eq!(relay.counts().lost, 3);
        for _ in 0..2 {
            assert_eq!(behind.recv(&mut [0; 8]).unwrap(), 4);
        }
        relay.set(Line::GOOD);
        dialer.send(b"on").unwrap();
        assert_eq!(behind.recv(&mut [0; 8]).unwrap(), 2);
    }

    #[test]
    fn what_was_started_again_elsewhere_is_found() {
        let (relay, behind, dialer) = line(4);
        let again = UdpSocket::bind("127.0.0.1:0").unwrap();
        again.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        dialer.send(b"one").unwrap();
        behind.recv(&mut [0; 8]).unwrap();
        relay.lead_to(again.local_addr().unwrap());
        dialer.send(b"two").unwrap();
        assert_eq!(again.recv(&mut [0; 8]).unwrap(), 3);
    }
}
