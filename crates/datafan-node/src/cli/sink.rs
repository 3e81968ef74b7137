//! An output for diagnostics that may be slow, full or closed: callers never wait, and lines that cannot be
//! written are dropped and counted.

use std::{
    collections::VecDeque,
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Lines on their way to a writer, which has its own thread.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Signalled when a line is added or written.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// Bytes of all waiting lines.
    bytes: usize,
    /// Lines dropped since the last one that was written.
    n_dropped: u64,
    /// Whether the thread is writing lines.
    writing: bool,
    /// Counts written lines, so that a caller that waits sees progress.
    n_done: u64,
}

/// Maximum bytes that wait: about ten thousand lines, as a reader of a pipe may pause for a moment.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How long the end waits for a stalled writer.
const STALLED: Duration = Duration::from_millis(500);
/// How long the end waits at most.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

impl Sink {
    /// Starts to write to `writer`, on a new thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let theirs = shared.clone();
        thread::Builder::new().name("datafan-log".into()).spawn(move || theirs.write_to(writer))?;
        Ok(Self(shared))
    }

    /// Queues one line, including its line feed; drops and counts it if there is no room.
    pub fn line(&self, line: &[u8]) {
        let mut state = self.0.state();
        if state.bytes + line.len() > WAITING_BYTES_MAX {
            state.n_dropped += 1;
            return;
        }
        state.bytes += line.len();
        state.waiting.push_back(line.to_vec());
        self.0.changed.notify_all();
    }

    /// Waits until all lines are written, but not for a stalled writer.
    pub fn drain(&self) {
        let (mut state, end) = (self.0.state(), Instant::now() + DRAIN_TIMEOUT);
        let (mut seen, mut stalled_at) = (state.n_done, Instant::now() + STALLED);
        while !state.waiting.is_empty() || state.writing {
            let left = stalled_at.min(end).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if state.n_done != seen {
                (seen, stalled_at) = (state.n_done, Instant::now() + STALLED);
            }
        }
    }
}

impl Shared {
    fn write_to(&self, mut writer: impl Write) {
        loop {
            let (lines, mut n_lost) = self.take();
            let mut goes_on = false;
            for line in lines {
                goes_on = writer.write_all(&line).is_ok();
                n_lost += u64::from(!goes_on);
                self.state().n_done += 1;
                self.changed.notify_all();
            }
            // After the lines written before them, and only when writing works again.
            let told = n_lost > 0 && goes_on && writer.write_all(lost(n_lost).as_bytes()).is_ok();
            let mut state = self.state();
            state.n_dropped += if told { 0 } else { n_lost };
            state.writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for lines, then takes all of them with the number of lines dropped after them.
    fn take(&self) -> (VecDeque<Vec<u8>>, u64) {
        let waits = |state: &mut State| state.waiting.is_empty();
        let state = self.changed.wait_while(self.state(), waits);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        (state.bytes, state.writing) = (0, true);
        (mem::take(&mut state.waiting), mem::take(&mut state.n_dropped))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(lines: u64) -> String {
    format!("{lines} log lines were lost here: their reader was too slow or refused them\n")
}

/// Writes one line at a time, for `tracing`.
impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver, Sender};

    /// A writer that accepts lines only when allowed to, and refuses those it is told to.
    struct Held {
        allowed: Receiver<io::Result<()>>,
        taken: Sender<String>,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.allowed.recv().unwrap_or(Ok(()))?;
            let _ = self.taken.send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn held() -> (Sink, Sender<io::Result<()>>, Receiver<String>) {
        let ((allow, allowed), (taken, lines)) = (mpsc::channel(), mpsc::channel());
        (Sink::start(Held { allowed, taken }).unwrap(), allow, lines)
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_hears_how_much_it_missed() {
        let (sink, allow, lines) = held();
        sink.line(b"first\n");
        let long = vec![b'x'; 1 << 10];
        let began = Instant::now();
        for _ in 0..10_000 {
            sink.line(&long);
        }
        sink.drain();
        assert!(began.elapsed() < DRAIN_TIMEOUT, "{:?}", began.elapsed());
        assert!(sink.0.state().bytes <= WAITING_BYTES_MAX);
        drop(allow);
        sink.drain();
        let said: Vec<String> = lines.try_iter().collect();
        let n_long = said.iter().filter(|line| line.len() == long.len()).count();
        assert!(n_long >= WAITING_BYTES_MAX / long.len() - 1, "{n_long}");
        assert_eq!(said.concat().lines().next(), Some("first"));
        // Twice if the thread took its first lines only after some were dropped.
        let told = said.iter().filter(|line| line.contains(" log lines were lost here"));
        let n_lost: usize = told.map(|line| line.split(' ').next().unwrap().parse::<usize>().unwrap()).sum();
        assert_eq!(n_lost, 10_000 - n_long);
    }

    #[test]
    fn a_line_that_is_refused_is_counted_and_the_next_one_goes_on() {
        let (sink, allow, lines) = held();
        for _ in 0..3 {
            allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
            sink.line(b"refused\n");
            sink.drain();
        }
        drop(allow);
        sink.line(b"taken\n");
        sink.drain();
        assert_eq!(lines.try_iter().collect::<String>(), format!("taken\n{}", lost(3)));
    }
}
