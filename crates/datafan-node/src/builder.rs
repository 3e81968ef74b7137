//! Builds and starts a member.

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

/// The default UDP port of members.
pub const DEFAULT_PORT: u16 = 4815;

/// A member to be started. Everything except the directory has a default.
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

/// Why a member did not start. Nothing is running then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The directory is not initialised, and no bootstrap was given.
    #[error("{} holds no member yet", .path.display())]
    NotAMember {
        /// The directory.
        path: PathBuf,
    },
    /// Another process runs a member of this directory.
    #[error("{} is in use by another process", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// `member.json` exists, but the key does not.
    #[error("{} is missing: restore it from a backup", .path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The bootstrap failed.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// `member.json`.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The store, or its content.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A listen address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The first addresses could not be published, or the member stopped at once.
    #[error(transparent)]
    First(#[from] CommitError),
    /// There is no tokio runtime.
    #[error("a member's links need a tokio runtime")]
    NoRuntime,
    /// The system provides no thread or no random bytes.
    #[error("cannot start the member: {0}")]
    System(#[source] io::Error),
}

impl Node {
    /// A member with its files in the directory `path`.
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
    /// How to create the member if the directory holds none; ignored otherwise.
    pub fn bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = Some(bootstrap);
        self
    }

    /// Listens on `address`; each call adds one. Port 0 picks a free port. Default: every address of this
    /// machine, UDP port [`DEFAULT_PORT`].
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Dials `address` first; each call adds one. They replace the addresses of the bootstrap.
    pub fn connect(mut self, address: impl Into<Address>, expected: Option<MemberId>) -> Self {
        self.connect.push((address.into(), expected));
        self
    }

    /// Publishes `address` as the member's own; each call adds one. Default: the listen addresses, with
    /// addresses of this machine in place of wildcards; a change is published within 30 s.
    pub fn advertise(mut self, address: impl Into<Address>) -> Self {
        self.advertise.push(address.into());
        self
    }

    /// Mean time between two rounds of anti-entropy. Default 1 s.
    pub fn round_period(self, period: Duration) -> Self {
        let micros = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        self.configure(move |config| config.round_micros = micros)
    }

    /// Starts an empty shard if the store has lost the member's own one, discarding any copy that peers hold.
    pub fn abandon(self, abandon: bool) -> Self {
        self.configure(move |config| config.abandon = abandon)
    }

    /// Longest value that this member writes, in bytes. Default and maximum:
    /// [`datafan_core::limits::VALUE_BYTES_MAX`].
    pub fn value_bytes_max(self, bytes: usize) -> Self {
        self.configure(move |config| config.value_bytes_max = bytes)
    }

    /// Changes any other setting of the engine, after the settings from the directory were applied.
    pub fn configure(mut self, change: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.configure.push(Box::new(change));
        self
    }

    /// Memory for the store's pages, in bytes. Default 64 MiB.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Bytes not yet verified, of all links together. Default 64 MiB; the minimum is one message.
    pub fn unverified_bytes_max(mut self, bytes: usize) -> Self {
        self.unverified_bytes_max = Some(bytes);
        self
    }

    /// Incoming handshakes in progress from one address (IPv6: a /64), from 1 to 64. Default 16, and twice as
    /// many from addresses of members; beyond that, the oldest is dropped.
    pub fn half_open_source_max(mut self, handshakes: usize) -> Self {
        self.half_open_source_max = Some(handshakes);
        self
    }

    /// Bytes to keep free in the file system. Below that, the member reads and serves what it has, but writes
    /// nothing until there is room. Default: 5 % of the file system, at most 256 MiB; 0 for none.
    pub fn disk_reserve_bytes(mut self, bytes: u64) -> Self {
        self.disk_reserve_bytes = Some(bytes);
        self
    }

    /// Injects disk faults, for tests and demos.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Starts the member on the current tokio runtime. Opening a store that was not closed cleanly may take a
    /// while, but does not block the runtime.
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

    /// A member that is created here but does not start leaves nothing behind.
    fn open(self, runtime: &Runtime) -> Result<Opened, NodeError> {
        let before = Inventory::of(&self.home);
        let (membership, begun) = self.membership()?;
        self.open_as(membership, runtime).inspect_err(|_| {
            // Then all missing files were created here: of two concurrent bootstraps, only one gets this far.
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

    /// What the member knows of its mesh, and whether it was created just now.
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

/// How long a running member compacts. Nothing is written during that time, nor while the store is opened
/// again if that was not enough; this leaves 3 s of the ten that everything may take: a file of 1.8 GB takes
/// 2.9 s.
const COMPACT_MAX: Duration = Duration::from_secs(7);

/// A running member, and the addresses to dial first.
struct Opened {
    node: Node,
    connect: Vec<(Address, Option<MemberId>)>,
    /// No addresses were named, so they follow those of the machine.
    follows: bool,
}

/// Binds the named addresses, or else every address; on a machine without IPv6, IPv4 suffices.
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
