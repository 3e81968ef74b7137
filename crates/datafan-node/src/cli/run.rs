//! `run`: the member itself, until a signal or a failure ends it.

use super::{
    api::Api,
    args,
    begin::bootstrap,
    failure::{Exit, Failure},
    ports::{self, PortsFile},
};
use datafan_conn_quic::BindError;
use datafan_core::{engine::OpenError, head::Head, store::StoreError};
use datafan_driver::KeyInUse;
use datafan_node::{
    Bootstrap, Home, Inventory, Node, NodeError,
    http::{Facts, Server, Tcp, socket},
};
use std::{
    io,
    path::Path,
    process,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{error, info};

/// `datafan run`
pub fn run(dir: &Path, args: args::Run, api: &Api) -> Result<(), Failure> {
    // Reading a ticket from standard input may take time; until then, signals end the process as usual.
    let bootstrap = bootstrap(dir, &args)?;
    args.ports_file.as_deref().map_or(Ok(()), ports::check)?;
    let runtime = Runtime::new().map_err(Failure::new)?;
    let done = runtime.block_on(serve(dir, args, api, bootstrap));
    // A stalled reader must not delay the end.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    done
}

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Signals closer to the first one than this count as one.
const ONE_SIGNAL: Duration = Duration::from_millis(200);

async fn serve(dir: &Path, args: args::Run, api: &Api, bootstrap: Option<Bootstrap>) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::new)?;
    let mut member = tokio::select! {
        member = start(dir, args, api, bootstrap) => member?,
        // Open files are left as after a crash, which is safe.
        _ = signals.next() => return Ok(()),
    };
    let stopped = tokio::select! {
        reason = member.node.stopped() => Err(Failure::new(format!("the member stopped: {reason}"))),
        what = member.server.ended() => Err(Failure::new(format!("the member stops: {what}"))),
        Ok((theirs, ours)) = member.node.key_conflict() => Err(key_conflict(&theirs, ours.as_ref())),
        Ok(found) = member.node.key_in_use() => Err(key_in_use(&found)),
        name = signals.next() => {
            info!("stopping on {name}; a second signal stops at once");
            Ok(())
        }
    };
    let ports = member.ports.take();
    let closed = tokio::select! {
        closed = member.stop() => closed,
        name = signals.again() => {
            error!("stopped at once on {name}");
            super::notes::drain();
            process::exit(1)
        }
    };
    stopped.and(closed)?;
    // The reader is gone.
    if let Some(ports) = ports {
        ports.remove();
    }
    Ok(())
}

/// Neither process may continue: readers of one would miss what the other wrote.
fn key_conflict(theirs: &Head, ours: Option<&Head>) -> Failure {
    let text = format!(
        "another process writes with this member's key: its head is at {}, ours at {}. This process has \
         stopped. Find and stop the other one (a cloned machine, or a backup that was started twice), then \
         start this one again; what only one of them wrote is kept, see `datafan recovered`. If the other \
         process is not yours, the key is stolen: revoke this member",
        theirs.timestamp.0,
        ours.map_or(0, |ours| ours.timestamp.0),
    );
    Failure::Said(Exit::SecondWriter, text)
}

/// The process that began later stops; without data it never started.
fn key_in_use(found: &KeyInUse) -> Failure {
    let KeyInUse { place, empty } = found;
    if *empty {
        return Failure::new(format!(
            "already running: another process with this member's key {place}. A ticket is for one machine \
             and a member has one directory: use that one, or stop the other process first"
        ));
    }
    let text = format!(
        "another process with this member's key began before this one, and {place}. This process has \
         stopped. Find out which of the two is the member (the other is a cloned machine or a second start \
         from a copy). If this one may have written, stop the other, start this one and read `datafan \
         recovered` before you remove its directory. If the other process is not yours, the key is stolen: \
         revoke this member"
    );
    Failure::Said(Exit::SecondWriter, text)
}

struct Running {
    node: Node,
    server: Server,
    ports: Option<PortsFile>,
}

impl Running {
    /// The API stops first: without the member it could only refuse. The socket is removed while the lock is
    /// still held.
    async fn stop(self) -> Result<(), Failure> {
        self.server.stop().await;
        self.node.stop().await.map_err(Failure::new)
    }
}

async fn start(
    dir: &Path,
    args: args::Run,
    api: &Api,
    bootstrap: Option<Bootstrap>,
) -> Result<Running, Failure> {
    let listener = bind_tcp(api).await?;
    let (begins, home) = (bootstrap.is_some(), Home::new(dir));
    let before = Inventory::of(&home).and(api.token_file.as_deref());
    let mut builder = Node::builder(dir).round_period(args.sync_period).abandon(args.abandon);
    builder = bootstrap.into_iter().fold(builder, |builder, bootstrap| builder.bootstrap(bootstrap));
    builder = args.listen.iter().fold(builder, |builder, address| builder.listen(*address));
    builder =
        args.connect.into_iter().fold(builder, |builder, peer| builder.connect(peer.address, peer.expected));
    builder = args.advertise.into_iter().fold(builder, |builder, address| builder.advertise(address));
    let node = args.limits.apply(builder).start().await.map_err(|error| not_started(&error))?;
    match attach(dir, &node, args.ports_file.as_deref(), api, listener).await {
        Ok((server, ports)) => Ok(Running { node, server, ports }),
        Err(failure) => {
            // Undoes the attempt: nobody knows of a member that was created just now.
            if begins && node.stop().await.is_ok() {
                before.undo();
            }
            Err(failure)
        }
    }
}

/// The HTTP API of a running member, and its ports file.
async fn attach(
    dir: &Path,
    node: &Node,
    ports_file: Option<&Path>,
    api: &Api,
    listener: Option<TcpListener>,
) -> Result<(Server, Option<PortsFile>), Failure> {
    // The store is locked from here on, so a socket that nobody answers on is stale.
    let socket = socket::bind(dir).await.map_err(|error| {
        let remedy = if error.kind() == io::ErrorKind::AlreadyExists { ": move it away" } else { "" };
        Failure::new(format!("{}: {error}{remedy}", Home::new(dir).socket_path().display()))
    })?;
    let bound = listener.as_ref().map(TcpListener::local_addr).transpose().map_err(Failure::new)?;
    let tcp = match listener {
        Some(listener) => Some(Tcp { listener, token: api.token_or_new()? }),
        None => None,
    };
    let facts = Facts {
        name: name(dir)?,
        listen: node.local_addrs().to_vec(),
        advertised: node.advertised().clone(),
        api: bound,
    };
    let server = Server::start(node.handle().clone(), facts, socket, tcp);
    let written = ports_file.map(|file| {
        let written = PortsFile::write(file, node.local_addrs(), bound);
        written.map_err(|error| Failure::new(format!("{}: {error}", file.display())))
    });
    let ports = match written.transpose() {
        Ok(ports) => ports,
        Err(failure) => {
            server.stop().await;
            return Err(failure);
        }
    };
    info!(id = %node.id(), listen = ?node.local_addrs(), dir = %dir.display(), "running");
    Ok((server, ports))
}

/// A second member on one machine finds its port taken by the first.
fn not_started(error: &NodeError) -> Failure {
    match error {
        NodeError::Bind(BindError::Taken { .. }) => {
            Failure::new(format!("{error}: choose another address with --listen IP:PORT"))
        }
        NodeError::Open(OpenError::Store(StoreError::Damaged { .. })) => Failure::new(format!(
            "{error}: run `datafan verify` to see what can be read, and `datafan verify --repair` to keep it"
        )),
        _ => Failure::new(error),
    }
}

fn name(dir: &Path) -> Result<String, Failure> {
    let membership = Home::new(dir).membership().map_err(Failure::new)?;
    Ok(membership.map(|membership| membership.name.to_string()).unwrap_or_default())
}

/// Where the API listens on TCP. An existing token is checked before anything is started.
async fn bind_tcp(api: &Api) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = api.address else { return Ok(None) };
    match &api.token_file {
        None => {
            info!(
                "every user of this machine can use {address}; set --api-token-file FILE to require a token"
            );
        }
        Some(file) if file.exists() => drop(api.token()?),
        Some(_) => {}
    }
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Failure::new(format!("TCP port {} of {} is taken", address.port(), address.ip()))
        }
        _ => Failure::new(format!("cannot listen on TCP {address}: {error}")),
    })?;
    Ok(Some(listener))
}

/// The two signals that end a member.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next signal.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// The next intentional signal: a wrapper that signals both its child and its process group sends two at
    /// once.
    async fn again(&mut self) -> &'static str {
        let first = Instant::now();
        loop {
            let name = self.next().await;
            if first.elapsed() > ONE_SIGNAL {
                return name;
            }
        }
    }
}
