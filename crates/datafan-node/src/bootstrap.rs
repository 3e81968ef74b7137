//! Turns a directory into that of a member.
//!
//! `member.json` is written last. A bootstrap that was interrupted before that can be repeated; it continues
//! with the existing keys.

use crate::{
    files::make_private_directory,
    home::Home,
    inventory::Inventory,
    keys::{self, KeyFileError, KeyKind},
    membership::{Membership, MembershipError},
    ticket::Ticket,
};
use datafan_core::{
    connector::{Address, Connector, Frame, SendError},
    engine::Config,
    id::{MemberId, MeshId, Name},
    identity::Identity,
    roster::{IdRole, role_of},
    store::{Store, StoreError},
    time::Timestamp,
};
use datafan_driver::{BlockOn, CommitError, StartError, StopReason};
use datafan_store_redb::{Options, RedbStore};
use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
};

/// How a new member starts.
#[derive(Clone, Debug)]
pub enum Bootstrap {
    /// As the first member of a new mesh, with its authority key.
    NewMesh {
        /// The member's name.
        name: Name,
    },
    /// As a member that must still be admitted.
    Join {
        /// The mesh.
        mesh: MeshId,
        /// The name that the member asks for; the name in its grant takes precedence.
        name: Name,
    },
    /// As an invited member: already admitted, with its key.
    Invited(Box<Ticket>),
}

/// Why a member could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The directory already belongs to a member. Nothing was changed.
    #[error("{} already holds a member", .path.display())]
    Already {
        /// The directory.
        path: PathBuf,
    },
    /// The directory has a store but no `member.json`: parts of it are missing. Nothing was changed.
    #[error(
        "{} holds a store but no member.json: restore that file from a copy, or move store.redb away, run \
         `datafan init --mesh MESH --name NAME` (`datafan id` prints MESH on another member) and move the \
         store back; for a new member, use an empty directory",
        .path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The directory has the authority key of an existing mesh. Nothing was changed.
    #[error(
        "{} belongs to an existing mesh, but a new mesh creates its own key: move the file away, or restore \
         the whole directory",
        .path.display()
    )]
    OldAuthority {
        /// The key file.
        path: PathBuf,
    },
    /// The mesh to join has the id of this member. Nothing was changed.
    #[error(
        "{mesh} is this member's own id: use the id of the mesh, as `datafan id` prints it on one of its \
         members"
    )]
    OwnId {
        /// The id.
        mesh: MeshId,
    },
    /// The name looks like a full id, and a full id always means the member with that id. Nothing was
    /// changed.
    #[error("the name {name} reads as a full id: choose another name")]
    NameIsId {
        /// The name.
        name: Name,
    },
    /// An I/O error.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// `member.json`.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The first store of the new mesh. The bootstrap can be repeated.
    #[error("cannot create the mesh: {0}")]
    Store(String),
}

impl Home {
    /// Turns this directory into that of a member.
    ///
    /// # Errors
    /// See [`BootstrapError`]. After any error the same bootstrap can be tried again, and no created file is
    /// left.
    pub fn bootstrap(&self, bootstrap: Bootstrap) -> Result<Membership, BootstrapError> {
        if self.membership()?.is_some() {
            return Err(BootstrapError::Already { path: self.path().into() });
        }
        if let Bootstrap::NewMesh { name } | Bootstrap::Join { name, .. } = &bootstrap
            && name.is_id()
        {
            return Err(BootstrapError::NameIsId { name: name.clone() });
        }
        let (before, mut made) = (Inventory::of(self), Vec::new());
        self.bootstrap_noting(bootstrap, &mut made).inspect_err(|_| {
            // Another process may have started with the same keys meanwhile.
            if !self.membership_path().exists() {
                before.only(&made).undo();
            }
        })
    }

    /// Lists the files that were created here and that no other process can have started with.
    fn bootstrap_noting(
        &self,
        bootstrap: Bootstrap,
        made: &mut Vec<PathBuf>,
    ) -> Result<Membership, BootstrapError> {
        make_private_directory(self.path())
            .map_err(|source| BootstrapError::Io { path: self.path().into(), source })?;
        let membership = match bootstrap {
            Bootstrap::NewMesh { name } => self.bootstrap_mesh(name, made)?,
            Bootstrap::Join { mesh, name } => {
                self.refuse_store()?;
                let member = self.key(&self.member_key_path(), KeyKind::Member, made)?;
                if role_of(&mesh, &member.id()) == IdRole::Authority {
                    return Err(BootstrapError::OwnId { mesh });
                }
                Membership { mesh, name, roster_min: Timestamp::ZERO, connect: Vec::new() }
            }
            Bootstrap::Invited(ticket) => {
                self.refuse_store()?;
                self.take_key(&ticket.member, made)?;
                let Ticket { mesh, name, roster, addresses, .. } = *ticket;
                Membership { mesh, name, roster_min: roster, connect: addresses }
            }
        };
        membership.write(&self.membership_path())?;
        Ok(membership)
    }

    /// The first store of a new mesh. It is created before anybody can know the member, so the member may
    /// write at once; the first grant is in it.
    fn bootstrap_mesh(&self, name: Name, made: &mut Vec<PathBuf>) -> Result<Membership, BootstrapError> {
        // The member key is written first, so an authority key without one is not ours: it belongs to an
        // existing mesh, whose members would refuse a roster that starts again.
        let authority_key = self.authority_key_path();
        if authority_key.exists() && !self.member_key_path().exists() {
            return Err(BootstrapError::OldAuthority { path: authority_key });
        }
        // If both keys exist, the store is that of an interrupted bootstrap.
        if !authority_key.exists() || !self.member_key_path().exists() {
            self.refuse_store()?;
        }
        let member = self.key(&self.member_key_path(), KeyKind::Member, made)?;
        let authority = self.key(&authority_key, KeyKind::Authority, made)?;
        let (mesh, id) = (MeshId(authority.id()), member.id());
        let mut config = Config::new(mesh, member, name.clone());
        config.authority = Some(authority);
        config.new_mesh = true;
        let failed = |error: &dyn std::fmt::Display| BootstrapError::Store(error.to_string());
        let store = RedbStore::open(self.store_path(), Options::default()).map_err(|error| {
            // Another process begins with our keys.
            if matches!(error, StoreError::InUse { .. }) {
                made.clear();
            }
            failed(&error)
        })?;
        if made.len() == 2 {
            made.push(self.store_path());
        }
        admit_first(config, store, id, &name).map_err(|error| failed(&error))?;
        Ok(Membership { mesh, name, roster_min: Timestamp::ZERO, connect: Vec::new() })
    }

    /// The key at `path`: that of an interrupted bootstrap, or else a new one.
    fn key(&self, path: &Path, kind: KeyKind, made: &mut Vec<PathBuf>) -> Result<Identity, BootstrapError> {
        if let Some(identity) = keys::read(path, kind)? {
            return Ok(identity);
        }
        let identity = keys::generate();
        let identity = identity.map_err(|source| BootstrapError::Io { path: path.into(), source })?;
        keys::write(path, kind, &identity)?;
        made.push(path.into());
        Ok(identity)
    }

    fn take_key(&self, member: &Identity, made: &mut Vec<PathBuf>) -> Result<(), BootstrapError> {
        match self.member_key()? {
            Some(there) if there.id() == member.id() => Ok(()),
            _ => {
                keys::write(&self.member_key_path(), KeyKind::Member, member)?;
                made.push(self.member_key_path());
                Ok(())
            }
        }
    }

    fn refuse_store(&self) -> Result<(), BootstrapError> {
        match self.store_path().exists() {
            true => Err(BootstrapError::Occupied { path: self.path().into() }),
            false => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum FirstError {
    #[error(transparent)]
    Start(#[from] StartError<Infallible>),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Stop(#[from] StopReason),
}

fn admit_first<S: Store>(config: Config, store: S, id: MemberId, name: &Name) -> Result<(), FirstError> {
    let handle = datafan_driver::start(config, 0, store, |_| Ok::<_, Infallible>(Alone))?;
    let admitted = handle.admit(id, name.clone()).block_on();
    handle.stop().block_on()?;
    admitted?;
    Ok(())
}

/// A connector without links.
struct Alone;

impl Connector for Alone {
    fn send(&self, _: MemberId, _: Frame) -> Result<(), SendError> {
        Err(SendError::Down)
    }

    fn dial(&self, _: Address, _: Option<MemberId>) {}

    fn close(&self, _: MemberId, _: &str) {}

    fn stop(&self) {}

    fn traffic(&self) -> (u64, u64) {
        (0, 0)
    }
}
