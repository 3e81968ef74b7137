//! Connections: a limited number, with bounded waits, all closed soon after a stop.

use super::{
    app::Facts,
    bounds::{
        BUSY_TIMEOUT, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADER_TIMEOUT, HEADERS_MAX, STALLED_TIMEOUT,
        WAITING_MAX,
    },
    guard::{Guard, guard},
    routes,
    socket::{Bound, Removal, Renewal},
    stall::Unstalled,
    token::Token,
    wire::Refusal,
};
use axum::{
    Router,
    http::{HeaderValue, header::CONNECTION},
    middleware,
    response::IntoResponse,
};
use datafan_core::store::StoreReader;
use datafan_driver::Handle;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// What the API serves on TCP.
#[derive(Debug)]
pub struct Tcp {
    /// A listener on a loopback address.
    pub listener: TcpListener,
    /// The token that every request must carry; without one, every user of this machine can do everything
    /// that the member can.
    pub token: Option<Token>,
}

/// The HTTP API of a running member.
pub struct Server {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// How long connections may take to finish after a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often to check whether the client is still connected.
const HANG_UP_PERIOD: Duration = Duration::from_secs(1);
/// How often to check whether the socket file still exists.
const SOCKET_PERIOD: Duration = Duration::from_secs(2);
/// How long accepting pauses when the system is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves `handle` on a socket and, if given, on a TCP listener, which must be on loopback.
    pub fn start<R: StoreReader>(handle: Handle<R>, facts: Facts, socket: Bound, tcp: Option<Tcp>) -> Self {
        let api = facts.api;
        let router = routes::router(handle, facts);
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let (listener, removal) = socket.split();
        tasks.spawn(accept(Listener::Unix(listener, removal), router.clone(), stopped.clone()));
        if let (Some(Tcp { listener, token }), Some(api)) = (tcp, api) {
            let state = Arc::new(Guard { api, token });
            let router = router.layer(middleware::from_fn_with_state(state, guard));
            tasks.spawn(accept(Listener::Tcp(listener), router, stopped));
        }
        Self { tasks, stop }
    }

    /// Resolves with the reason when a task that accepts connections has ended although nobody stopped it:
    /// the member cannot be asked any more.
    pub async fn ended(&mut self) -> String {
        match self.tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => {
                format!("the HTTP API has ended, which is a bug: {error}")
            }
            _ => "the HTTP API has ended".to_owned(),
        }
    }

    /// Accepts no more connections, removes the socket, and gives running requests a moment to finish.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_TIMEOUT, finish).await;
    }
}

enum Listener {
    Unix(tokio::net::UnixListener, Removal),
    Tcp(TcpListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Detects whether the client is gone, where that is possible.
    fn watched(&self) -> Option<OwnedFd> {
        None
    }
}

impl Stream for tokio::net::UnixStream {
    fn watched(&self) -> Option<OwnedFd> {
        self.as_fd().try_clone_to_owned().ok()
    }
}

/// On TCP, a client that has only finished sending looks the same as one that is gone.
impl Stream for tokio::net::TcpStream {}

#[cfg(test)]
impl Stream for tokio::io::DuplexStream {}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener, _) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }

    /// Resolves when the socket file was gone or dead, with its replacement; never for TCP.
    async fn renewed(&self) -> Self {
        let Self::Unix(_, removal) = self else { return std::future::pending().await };
        loop {
            tokio::time::sleep(SOCKET_PERIOD).await;
            match removal.renew().await {
                Renewal::Same => {}
                Renewal::Made(bound) => {
                    let (listener, removal) = bound.split();
                    return Self::Unix(listener, removal);
                }
                Renewal::Blocked(what) => {
                    tracing::warn!("cannot create the socket of the HTTP API again: {what}: remove it");
                }
            }
        }
    }
}

/// Serves one listener. The other one has its own limit of connections.
async fn accept(mut listener: Listener, router: Router, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let doors = Arc::new(Semaphore::new(CONNECTIONS_MAX + WAITING_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let door = doors.clone().acquire_owned().await.expect("never closed");
            listener.accept().await.map(|stream| (stream, door))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            renewed = listener.renewed() => {
                tracing::warn!("the socket of the HTTP API was gone or dead: created it again");
                listener = renewed;
                continue;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, door)) => {
                let connection = admit(stream, router.clone(), slots.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(door);
                });
            }
            // Most likely out of file handles: open connections will return some.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves a connection if it gets a place in time, or else tells it so.
async fn admit(stream: Box<dyn Stream>, router: Router, slots: Arc<Semaphore>, stop: watch::Receiver<bool>) {
    match tokio::time::timeout(BUSY_TIMEOUT, slots.acquire()).await {
        Ok(_slot) => serve(stream, router, HEADER_TIMEOUT, stop).await,
        Err(_) => serve(stream, busy(), BUSY_TIMEOUT, stop).await,
    }
}

/// Refuses one request, whatever it is.
fn busy() -> Router {
    Router::new().fallback(|| async {
        let text = format!("{CONNECTIONS_MAX} connections are open, the limit: try again later");
        let mut response = Refusal::busy(text).into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    })
}

async fn serve(
    stream: Box<dyn Stream>,
    router: Router,
    header_timeout: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    // A client that has sent everything still waits for the answer.
    http.half_close(true);
    http.max_buf_size(HEADER_BYTES_MAX).max_headers(HEADERS_MAX);
    let hung_up = hung_up(stream.watched());
    let stream = TokioIo::new(Unstalled::new(stream, STALLED_TIMEOUT));
    let connection = http.serve_connection(stream, TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // It does not matter here if a client disconnects.
        _ = connection.as_mut() => return,
        () = hung_up => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Resolves when the client has closed both directions: nobody waits for an answer any more.
async fn hung_up(watched: Option<OwnedFd>) {
    let Some(watched) = watched else { return std::future::pending().await };
    loop {
        tokio::time::sleep(HANG_UP_PERIOD).await;
        let mut polled = [PollFd::new(&watched, PollFlags::empty())];
        let answered = rustix::event::poll(&mut polled, Some(&Timespec::default()));
        if answered.is_ok() && polled[0].revents().contains(PollFlags::HUP) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::body;
    use crate::http::bounds::{BODY_BYTES_MAX, BODY_TIMEOUT};
    use axum::{body::Body, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::{Instant, sleep},
    };

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_noticed() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async { panic!("a bug on purpose") });
        let mut server = Server { tasks, stop: watch::Sender::new(false) };
        let what = server.ended().await;
        assert!(what.contains("the HTTP API has ended, which is a bug"), "{what}");
    }

    /// A connection to an endpoint that returns the length of the JSON text sent to it.
    fn connect() -> DuplexStream {
        let answer = async |sent: Body| match body::<String>(sent).await {
            Ok(text) => text.len().to_string().into_response(),
            Err(refusal) => refusal.into_response(),
        };
        let router = routes::bounded(Router::new().route("/", post(answer)), Arc::default());
        let (here, there) = tokio::io::duplex(64 << 10);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            serve(Box::new(there), router, HEADER_TIMEOUT, stopped).await;
            drop(stop);
        });
        here
    }

    async fn answer(mut stream: DuplexStream) -> String {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The answer to a request with this header and body.
    async fn asked(header: &str, body: &[u8]) -> String {
        let (reads, mut writes) = tokio::io::split(connect());
        let text = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n");
        let body = body.to_vec();
        // A refusal may arrive before everything was sent.
        let sending = tokio::spawn(async move {
            let _ = writes.write_all(&[text.into_bytes(), body].concat()).await;
            writes
        });
        let mut bytes = Vec::new();
        let mut reads = reads;
        reads.read_to_end(&mut bytes).await.unwrap();
        drop(sending.await);
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_drips_a_header_is_let_go_in_time() {
        let (began, mut stream) = (Instant::now(), connect());
        stream.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        let mut lines = 0;
        while stream.write_all(b"A: b\r\n").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
            lines += 1;
        }
        assert_eq!(
            (began.elapsed().as_secs(), lines),
            (HEADER_TIMEOUT.as_secs() + 1, HEADER_TIMEOUT.as_secs() + 1)
        );
        // The same for a client that sends nothing, and between two requests.
        for first in [&b""[..], b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\"a\""] {
            let (began, mut stream) = (Instant::now(), connect());
            stream.write_all(first).await.unwrap();
            let text = answer(stream).await;
            assert_eq!(text.matches("200 OK").count(), usize::from(!first.is_empty()), "{text}");
            assert_eq!(began.elapsed(), HEADER_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_drips_a_body_is_told_that_it_is_late() {
        let (began, mut stream) = (Instant::now(), connect());
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 99\r\n\r\n")
            .await
            .unwrap();
        let (mut reads, mut writes) = tokio::io::split(stream);
        let dripping = tokio::spawn(async move {
            while writes.write_all(b" ").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut bytes = Vec::new();
        reads.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 504 ") && text.contains("did not arrive within 30s"), "{text}");
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
        drop(reads);
        dripping.await.unwrap();
    }

    #[tokio::test]
    async fn a_body_has_a_length_of_which_a_byte_more_is_refused_unread() {
        let body = format!("\"{}\"", "a".repeat(BODY_BYTES_MAX - 2));
        let length = format!("Content-Length: {BODY_BYTES_MAX}\r\n");
        let text = asked(&length, body.as_bytes()).await;
        assert!(
            text.starts_with("HTTP/1.1 200 ") && text.ends_with(&(BODY_BYTES_MAX - 2).to_string()),
            "{text}"
        );
        let text = asked(&format!("Content-Length: {}\r\n", BODY_BYTES_MAX + 1), b"").await;
        assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("8388608 bytes"), "{text}");
        // Omitting the length does not help.
        let chunked = format!("{:x}\r\n{body} \r\n0\r\n\r\n", BODY_BYTES_MAX + 1);
        let text = asked("Transfer-Encoding: chunked\r\n", chunked.as_bytes()).await;
        assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    }

    #[tokio::test]
    async fn a_header_has_a_length_and_a_number_of_lines() {
        let good =
            |header: String| async move { asked(&format!("{header}Content-Length: 3\r\n"), b"\"a\"").await };
        let long = |n: usize| format!("A: {}\r\n", "a".repeat(n));
        let text = good(long(HEADER_BYTES_MAX - 256)).await;
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        let text = good(long(HEADER_BYTES_MAX)).await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
        // The request already has three.
        let text = good("A: b\r\n".repeat(HEADERS_MAX - 3)).await;
        assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
        let text = good("A: b\r\n".repeat(HEADERS_MAX - 2)).await;
        assert!(text.starts_with("HTTP/1.1 431 "), "{text}");
    }
}
