//! Connections: few at a time, each with bounded waits, all of them over soon after a stop.

use super::{refuse::json, routes, socket::Bound, wire::Refusal};
use axum::{
    Router,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{HOST, ORIGIN},
    },
    middleware::{self, Next},
    response::Response,
};
use datafan_core::{connector::Address, store::StoreReader};
use datafan_driver::Handle;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// What the interface knows of its member beside the handle.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name that the member would like, for while the engine cannot be asked.
    pub name: String,
    /// Where it listens for links.
    pub listen: Vec<SocketAddr>,
    /// Where it says that it can be dialled.
    pub advertised: Vec<Address>,
    /// Where HTTP is served on TCP.
    pub api: Option<SocketAddr>,
}

/// The interface of a running member.
pub struct Server {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
    /// Removed from its directory by the stop.
    path: Option<super::socket::Removal>,
}

/// Most connections at a time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// Longest time until a request's header is there, also between two requests of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time that connections get to finish after a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long accepting pauses when the system has no more handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves `handle` on a socket and, if given, on a TCP listener, which must be on loopback.
    pub fn start<R: StoreReader>(
        handle: Handle<R>,
        facts: Facts,
        socket: Bound,
        tcp: Option<TcpListener>,
    ) -> Self {
        let guarded = facts.api;
        let router = routes::router(handle, facts);
        let (stop, stopped) = watch::channel(false);
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut tasks = JoinSet::new();
        let (listener, path) = socket.split();
        tasks.spawn(accept(Listener::Unix(listener), router.clone(), slots.clone(), stopped.clone()));
        if let (Some(tcp), Some(api)) = (tcp, guarded) {
            let router = router.layer(middleware::from_fn_with_state(api, from_this_machine));
            tasks.spawn(accept(Listener::Tcp(tcp), router, slots, stopped));
        }
        Self { tasks, stop, path: Some(path) }
    }

    /// Takes no more connections, removes the socket, and gives what is under way a moment to finish.
    pub async fn stop(mut self) {
        self.path = None;
        self.stop.send_replace(true);
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_TIMEOUT, finish).await;
    }
}

enum Listener {
    Unix(tokio::net::UnixListener),
    Tcp(TcpListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Listener {
    async fn accept(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn accept(listener: Listener, router: Router, slots: Arc<Semaphore>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = slots.clone().acquire_owned().await.expect("never closed");
            listener.accept().await.map(|stream| (stream, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, slot)) => {
                let connection = serve(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Out of file handles, most likely: those under way will give some back.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: Box<dyn Stream>, router: Router, mut stop: watch::Receiver<bool>) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        // A peer that breaks off is its own business.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// On TCP every page in a browser can reach us: it must name us by a loopback address, and come from nowhere else.
async fn from_this_machine(State(api): State<SocketAddr>, request: Request, next: Next) -> Response {
    if is_local(request.headers(), api) {
        return next.run(request).await;
    }
    let mut response = json(&Refusal::failure("Host or Origin is not this machine's loopback address"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn is_local(headers: &HeaderMap, api: SocketAddr) -> bool {
    let hosts = [api.to_string(), format!("localhost:{}", api.port())];
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host_fits = text(HOST).is_some_and(|host| hosts.iter().any(|known| known.eq_ignore_ascii_case(host)));
    let origin_fits = text(ORIGIN).is_none_or(|origin| {
        origin.strip_prefix("http://").is_some_and(|host| hosts.iter().any(|known| known == host))
    });
    host_fits && origin_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_for_this_machine_are_refused() {
        let api: SocketAddr = "127.0.0.1:7480".parse().unwrap();
        let check = |host: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            host.map(|host| headers.insert(HOST, host.parse().unwrap()));
            origin.map(|origin| headers.insert(ORIGIN, origin.parse().unwrap()));
            is_local(&headers, api)
        };
        assert!(check(Some("127.0.0.1:7480"), None) && check(Some("localhost:7480"), None));
        assert!(check(Some("localhost:7480"), Some("http://localhost:7480")));
        assert!(!check(None, None) && !check(Some("evil.example:7480"), None));
        assert!(!check(Some("127.0.0.1:7480"), Some("http://evil.example")));
        assert!(!check(Some("127.0.0.1:7480"), Some("null")));
    }
}
