//! The connector that the driver uses.

use crate::{
    config::{BindError, Config, Stats, frame_bytes_max},
    dial::Dialler,
    ending::Code,
    link::Link,
    listen::listen,
    setup::{Setup, setup},
    socket::CutSocket,
    table::Table,
};
use datafan_core::{
    connector::{Address, Connector, Frame, Inbox, SendError},
    id::MemberId,
};
use quinn::{Endpoint, TokioRuntime};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{runtime::Handle, sync::watch, task::JoinHandle};

/// Links over QUIC. Clones are the same connector; dropping the last one stops it.
#[derive(Clone)]
pub struct QuicConnector {
    inner: Arc<Inner>,
}

struct Inner {
    table: Arc<Table>,
    runtime: Handle,
    /// Taken by `stop`.
    dialler: Mutex<Option<Dialler>>,
    sockets: Vec<Arc<CutSocket>>,
    /// Whether the sockets are closed.
    closed: watch::Sender<bool>,
    /// Why a listener has failed.
    failed: watch::Sender<Option<String>>,
}

impl QuicConnector {
    /// Binds all addresses of `config` and starts to accept connections; returns the bound addresses in the
    /// same order. Events go to `inbox`, which must neither block nor call the connector.
    pub fn bind(config: Config, inbox: Arc<dyn Inbox>) -> Result<(Self, Vec<SocketAddr>), BindError> {
        if config.listen.is_empty() {
            return Err(BindError::NoAddress);
        }
        let setup = setup(&config).map_err(|reason| BindError::Certificate { reason })?;
        let run = fresh_run().map_err(|reason| BindError::Certificate { reason })?;
        let table = Arc::new(Table::new(&config, run, inbox));
        let _guard = config.runtime.enter();
        let (mut sockets, mut endpoints) = (Vec::new(), Vec::new());
        for &address in &config.listen {
            let (socket, bound, endpoint) = bind_one(address, &setup)?;
            sockets.push(socket);
            endpoints.push((bound, endpoint));
        }
        let failed = watch::Sender::new(None);
        for (bound, endpoint) in &endpoints {
            let listener = config.runtime.spawn(listen(table.clone(), endpoint.clone()));
            config.runtime.spawn(watch_over(table.clone(), listener, *bound, failed.clone()));
        }
        let bound = endpoints.iter().map(|(bound, _)| *bound).collect();
        let dialler = Dialler { table: table.clone(), endpoints, client: setup.client };
        let (runtime, closed) = (config.runtime.clone(), watch::Sender::new(false));
        let dialler = Mutex::new(Some(dialler));
        let inner = Inner { table, runtime, dialler, sockets, closed, failed };
        Ok((Self { inner: Arc::new(inner) }, bound))
    }

    /// Stops without a goodbye, like a power cut: nothing more is sent, and the ports are free when this
    /// returns. Peers notice after the idle timeout, or at once when the member is back.
    pub fn kill(&self) {
        self.inner.sockets.iter().for_each(|socket| socket.cut());
        self.stop();
        self.inner.closed.send_replace(true);
    }

    /// Waits after [`Connector::stop`] until peers were told and the ports are free; at most half a second.
    pub async fn stopped(&self) {
        // The sender lives as long as this connector.
        let _ = self.inner.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Resolves with the reason when a listener has failed although nobody stopped this connector.
    pub async fn ended(&self) -> String {
        let mut failed = self.inner.failed.subscribe();
        let why = failed.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// UDP payload bytes of all past and present links: (sent, received). Failed handshakes are not counted.
    pub fn wire_traffic(&self) -> (u64, u64) {
        self.inner.table.wire_traffic()
    }

    /// The counters so far.
    pub fn stats(&self) -> Stats {
        let (unverified_bytes, links_crowded_out) = self.inner.table.budget.stats();
        let (handshakes_half_open, handshakes_evicted) = self.inner.table.half_open.stats();
        self.inner.table.stats(|stats| Stats {
            unverified_bytes,
            links_crowded_out,
            handshakes_half_open,
            handshakes_evicted,
            ..*stats
        })
    }
}

impl Connector for QuicConnector {
    /// Panics if the frame is longer than its lane allows, which is a bug of the caller.
    fn send(&self, to: MemberId, frame: Frame) -> Result<(), SendError> {
        let (bytes, bytes_max) = (frame.bytes.len(), frame_bytes_max(frame.lane));
        assert!(bytes <= bytes_max, "frame is {bytes} bytes, limit of its lane {bytes_max}");
        self.inner.table.link(to).ok_or(SendError::Down)?.outbox.push(frame)
    }

    fn dial(&self, address: Address, expected: Option<MemberId>) {
        let dialler = self.inner.dialler.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(dialler) = dialler
            && self.inner.table.dial_begins(&address, expected)
        {
            self.inner.runtime.spawn(dialler.dial(address, expected));
        }
    }

    fn close(&self, peer: MemberId, reason: &str) {
        if let Some(link) = self.inner.table.link(peer) {
            link.close(reason);
            // The peer may not be reading its small lane; it has this much time.
            self.inner.runtime.spawn(close_after(link, self.inner.table.close_timeout));
        }
    }

    fn stop(&self) {
        self.inner.stop();
    }

    fn traffic(&self) -> (u64, u64) {
        self.inner.table.traffic()
    }
}

impl Inner {
    fn stop(&self) {
        for link in self.table.stop() {
            link.end(Code::Stopped, "member stopped");
        }
        let Some(dialler) = self.dialler.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        for (_, endpoint) in &dialler.endpoints {
            endpoint.close(Code::Stopped.into(), b"member stopped");
        }
        let (sockets, closed) = (self.sockets.clone(), self.closed.clone());
        self.runtime.spawn(async move {
            let goodbyes = async {
                for (_, endpoint) in &dialler.endpoints {
                    endpoint.wait_idle().await;
                }
            };
            let _ = tokio::time::timeout(GOODBYE_TIMEOUT, goodbyes).await;
            sockets.iter().for_each(|socket| socket.cut());
            closed.send_replace(true);
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A socket with its endpoint. Must run within the context of a runtime.
fn bind_one(address: SocketAddr, setup: &Setup) -> Result<(Arc<CutSocket>, SocketAddr, Endpoint), BindError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address },
        _ => BindError::Refused { address, source },
    };
    let socket = CutSocket::bind(address).map_err(refused)?;
    let (endpoint, server) = (setup.endpoint.clone(), Some(setup.server.clone()));
    let endpoint =
        Endpoint::new_with_abstract_socket(endpoint, server, socket.clone(), Arc::new(TokioRuntime))
            .map_err(refused)?;
    let bound = endpoint.local_addr().map_err(refused)?;
    Ok((socket, bound, endpoint))
}

fn fresh_run() -> Result<[u8; 16], String> {
    let mut run = [0; 16];
    getrandom::fill(&mut run).map_err(|error| error.to_string())?;
    Ok(run)
}

/// Reports a listener that has ended although nobody stopped it: its socket or its task failed.
async fn watch_over(
    table: Arc<Table>,
    listener: JoinHandle<()>,
    bound: SocketAddr,
    failed: watch::Sender<Option<String>>,
) {
    let why = match listener.await {
        Err(error) if error.is_panic() => format!("which is a bug: {error}"),
        _ if table.is_stopped() => return,
        _ => "its socket failed".to_owned(),
    };
    failed.send_replace(Some(format!("listening on UDP {bound} has ended, {why}")));
}

async fn close_after(link: Arc<Link>, delay: Duration) {
    tokio::select! {
        _ = link.connection.closed() => {}
        () = tokio::time::sleep(delay) => link.close_now(),
    }
}

/// How long a stop waits for the closes to be sent.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use datafan_core::{connector::Event, identity::Identity};

    struct Nobody;

    impl Inbox for Nobody {
        fn push(&self, _: Event) {}
    }

    fn bound() -> QuicConnector {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = Config::new(Identity::from_secret(&[1; 32]), listen, Handle::current());
        QuicConnector::bind(config, Arc::new(Nobody)).unwrap().0
    }

    #[tokio::test]
    async fn a_listener_that_ends_by_itself_says_so_and_one_that_is_stopped_does_not() {
        let failing = bound();
        // The same end as after a failure of the socket.
        failing.inner.dialler.lock().unwrap().as_ref().unwrap().endpoints[0].1.close(0u32.into(), b"");
        let why = tokio::time::timeout(Duration::from_secs(60), failing.ended()).await.unwrap();
        assert!(why.contains("127.0.0.1") && why.contains("its socket failed"), "{why}");
        let stopping = bound();
        stopping.stop();
        stopping.stopped().await;
        assert!(stopping.inner.failed.borrow().is_none());
    }
}
