//! Putting a member together.

use crate::{
    advertise::{self, Advertised},
    bootstrap::{Bootstrap, BootstrapError},
    home::Home,
    inventory::Inventory,
    keys::KeyFileError,
    membership::{Membership, MembershipError},
    node::Node,
};
use datafan_conn_quic::{BindError, QuicConnector};
use datafan_core::{
    connector::{Address, Inbox},
    engine::{Config, OpenError},
    id::MemberId,
    store::StoreError,
};
use datafan_driver::{CommitError, StartError};
use datafan_store_redb::{Faults, Options, RedbStore};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Handle as Runtime;

/// The UDP port that members listen on where none is named.
pub const DEFAULT_PORT: u16 = 4815;

/// A member to be started. Everything has a default but the directory.
pub struct Builder {
    home: Home,
    bootstrap: Option<Bootstrap>,
    listen: Vec<SocketAddr>,
    connect: Vec<(Address, Option<MemberId>)>,
    advertise: Vec<Address>,
    cache_bytes: Option<usize>,
    unverified_bytes_max: Option<usize>,
    half_open_source_max: Option<usize>,
    disk_reserve_bytes: Option<u64>,
    faults: Option<Faults>,
    configure: Vec<Change>,
}

type Change = Box<dyn FnOnce(&mut Config) + Send>;

/// Why a member did not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The directory is no member's, and no bootstrap was named.
    #[error("{} holds no member yet", .path.display())]
    NotAMember {
        /// Which directory.
        path: PathBuf,
    },
    /// Another process runs a member of this directory.
    #[error("{} is in use by another process", .path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// `member.json` is there, the key is not.
    #[error("{} is missing: restore it from a backup", .path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
    /// The directory could not be made a member's.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// `member.json`.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The store, or what is in it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A listen address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The first addresses could not be noted, or the member stopped at once.
    #[error(transparent)]
    First(#[from] CommitError),
    /// No tokio runtime is running here.
    #[error("a member's links need a tokio runtime")]
    NoRuntime,
    /// The system has no thread or no randomness for us.
    #[error("the system refuses: {0}")]
    System(#[source] io::Error),
}

impl Node {
    /// A member whose files are in the directory `path`.
    pub fn builder(path: impl Into<PathBuf>) -> Builder {
        Builder {
            home: Home::new(path),
            bootstrap: None,
            listen: Vec::new(),
            connect: Vec::new(),
            advertise: Vec::new(),
            cache_bytes: None,
            unverified_bytes_max: None,
            half_open_source_max: None,
            disk_reserve_bytes: None,
            faults: None,
            configure: Vec::new(),
        }
    }
}

impl Builder {
    /// How to begin where the directory is no member's yet; of no effect where it is.
    pub fn bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = Some(bootstrap);
        self
    }

    /// Listens on `address`, once more with each call. Port 0 takes a free one. Default: every address of
    /// this machine, UDP port [`DEFAULT_PORT`].
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Dials `address` first, once more with each call, in place of those that the member began with.
    pub fn connect(mut self, address: impl Into<Address>, expected: Option<MemberId>) -> Self {
        self.connect.push((address.into(), expected));
        self
    }

    /// Tells the mesh that the member is at `address`, once more with each call. Default: what it listens on,
    /// with an address of this machine in place of a wildcard; when that changes, the mesh is told within
    /// half a minute.
    pub fn advertise(mut self, address: impl Into<Address>) -> Self {
        self.advertise.push(address.into());
        self
    }

    /// Mean time between two rounds of anti-entropy. Default 1 s.
    pub fn round_period(self, period: Duration) -> Self {
        let micros = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        self.configure(move |config| config.round_micros = micros)
    }

    /// Begins the member's own shard anew where its store has lost it, whatever the mesh still has of it.
    pub fn abandon(self, abandon: bool) -> Self {
        self.configure(move |config| config.abandon = abandon)
    }

    /// Longest value that this member writes, in bytes. Default and most:
    /// [`datafan_core::limits::VALUE_BYTES_MAX`].
    pub fn value_bytes_max(self, bytes: usize) -> Self {
        self.configure(move |config| config.value_bytes_max = bytes)
    }

    /// Changes any other setting of the engine, after those that the directory gives.
    pub fn configure(mut self, change: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.configure.push(Box::new(change));
        self
    }

    /// Memory for the store's pages, in bytes. Default 64 MiB.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Bytes of all links together that wait to be verified. Default 64 MiB; at least one message fits.
    pub fn unverified_bytes_max(mut self, bytes: usize) -> Self {
        self.unverified_bytes_max = Some(bytes);
        self
    }

    /// Incoming handshakes under way from one address (IPv6: a /64), from 1 to 64. Default 16, and twice as
    /// many from where members are; beyond, the oldest gives way.
    pub fn half_open_source_max(mut self, handshakes: usize) -> Self {
        self.half_open_source_max = Some(handshakes);
        self
    }

    /// Bytes of the file system that stay free: with less, the member reads and serves what it has, and
    /// writes nothing until there is room. Default: a twentieth of the file system, and at most 256 MiB; 0
    /// for none.
    pub fn disk_reserve_bytes(mut self, bytes: u64) -> Self {
        self.disk_reserve_bytes = Some(bytes);
        self
    }

    /// Faults of the disk on purpose, for tests and demos.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Starts the member, on the tokio runtime that runs this future. Opening a store that was not closed
    /// cleanly may take a while; it does not block the runtime.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn start(self) -> Result<Node, NodeError> {
        let runtime = Runtime::try_current().map_err(|_| NodeError::NoRuntime)?;
        let opened = runtime.clone().spawn_blocking(move || self.open(&runtime)).await;
        let Opened { node, connect, follows } = opened.map_err(|error| NodeError::System(error.into()))??;
        node.watch_over_links();
        for (address, expected) in connect {
            node.connect(address, expected).await?;
        }
        node.publish(node.advertised().now()).await?;
        if follows {
            node.follow_addresses();
        }
        Ok(node)
    }

    /// A member that begins here and does not come up leaves nothing behind.
    fn open(self, runtime: &Runtime) -> Result<Opened, NodeError> {
        let before = Inventory::of(&self.home);
        let (membership, begun) = self.membership()?;
        self.open_as(membership, runtime).inspect_err(|_| {
            // All that was missing is of our making then: of two that begin at a time only one gets so far.
            if begun {
                before.undo();
            }
        })
    }

    fn open_as(self, membership: Membership, runtime: &Runtime) -> Result<Opened, NodeError> {
        let config = self.config(&membership)?;
        let options = self.store_options();
        let Self { home, listen, mut connect, mut advertise, configure, .. } = self;
        let (unverified_bytes_max, half_open_source_max) =
            (self.unverified_bytes_max, self.half_open_source_max);
        if connect.is_empty() {
            connect = membership.connect.into_iter().map(|address| (address, None)).collect();
        }
        let config = configure.into_iter().fold(config, |mut config, change| {
            change(&mut config);
            config
        });
        let store = RedbStore::open(home.store_path(), options).map_err(|error| match error {
            StoreError::InUse { .. } => NodeError::InUse { path: home.path().into() },
            error => NodeError::Open(error.into()),
        })?;
        // The lock is held from here on.
        crate::litter::sweep(home.path(), &home.store_path());
        let seed = getrandom::u64().map_err(|error| NodeError::System(io::Error::other(error)))?;
        let mut quic = datafan_conn_quic::Config::new(config.member.clone(), listen, runtime.clone());
        quic.unverified_bytes_max = unverified_bytes_max.unwrap_or(quic.unverified_bytes_max);
        quic.half_open_source_max = half_open_source_max.unwrap_or(quic.half_open_source_max);
        let mut bound = None;
        let handle = datafan_driver::start(config, seed, store, |inbox| {
            let (connector, addresses) = bind(quic, inbox)?;
            bound = Some((connector.clone(), addresses));
            Ok(connector)
        });
        let handle = handle.map_err(|error| match error {
            StartError::Connector(error) => NodeError::Bind(error),
            StartError::Open(error) => NodeError::Open(error),
            StartError::Thread(error) => NodeError::System(error),
            error => NodeError::System(io::Error::other(error.to_string())),
        })?;
        let (connector, bound) = bound.expect("a started driver has made its connector");
        let follows = advertise.is_empty();
        if follows {
            advertise = advertise::addresses(&bound);
        }
        let node = Node::new(handle, connector, home, bound, Advertised::new(advertise));
        Ok(Opened { node, connect, follows })
    }

    /// What the member knows of its mesh, and whether it has begun just now.
    fn membership(&self) -> Result<(Membership, bool), NodeError> {
        match (self.home.membership()?, &self.bootstrap) {
            (Some(membership), _) => Ok((membership, false)),
            (None, Some(bootstrap)) => Ok((self.home.bootstrap(bootstrap.clone())?, true)),
            (None, None) => Err(NodeError::NotAMember { path: self.home.path().into() }),
        }
    }

    fn config(&self, membership: &Membership) -> Result<Config, NodeError> {
        let member = self.home.member_key()?;
        let member = member.ok_or_else(|| NodeError::NoKey { path: self.home.member_key_path() })?;
        let mut config = Config::new(membership.mesh, member, membership.name.clone());
        config.authority = self.home.authority_key()?;
        config.roster_min = membership.roster_min;
        Ok(config)
    }

    fn store_options(&self) -> Options {
        let mut options = Options::default();
        options.cache_bytes = self.cache_bytes.unwrap_or(options.cache_bytes);
        options.compact_max = Some(COMPACT_MAX);
        (options.reserve_bytes, options.faults) = (self.disk_reserve_bytes, self.faults.clone());
        options
    }
}

/// How long a running member compacts. Nothing is written meanwhile, nor while the store is opened again if
/// that did not suffice, for which 3 s are left of the ten that all may take: a file of 1.8 GB takes 2.9 s.
const COMPACT_MAX: Duration = Duration::from_secs(7);

/// A member that works, and whom it is to dial first.
struct Opened {
    node: Node,
    connect: Vec<(Address, Option<MemberId>)>,
    /// Nobody named its addresses, so they follow those of the machine.
    follows: bool,
}

/// Binds what was named, or else every address; a machine without IPv6 then does with IPv4.
fn bind(
    mut config: datafan_conn_quic::Config,
    inbox: Arc<dyn Inbox>,
) -> Result<(QuicConnector, Vec<SocketAddr>), BindError> {
    if !config.listen.is_empty() {
        return QuicConnector::bind(config, inbox);
    }
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
    config.listen = vec![v4, v6];
    match QuicConnector::bind(config.clone(), inbox.clone()) {
        Err(BindError::Refused { address, .. }) if address == v6 => {
            config.listen = vec![v4];
            QuicConnector::bind(config, inbox)
        }
        bound => bound,
    }
}
