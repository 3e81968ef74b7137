//! How a directory becomes a member's.
//!
//! `member.json` is written last. A bootstrap that was interrupted before is simply done again; it goes on
//! with the keys that are there.

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

/// How a member begins.
#[derive(Clone, Debug)]
pub enum Bootstrap {
    /// As the first member of a new mesh, with its authority's key.
    NewMesh {
        /// The member's name.
        name: Name,
    },
    /// As one that has to be admitted.
    Join {
        /// The mesh.
        mesh: MeshId,
        /// The name that it would like; the one in its grant wins.
        name: Name,
    },
    /// As one that was invited: admitted already, with a ready key.
    Invited(Box<Ticket>),
}

/// Why a member could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The directory is a member's already. Nothing was changed.
    #[error("{} holds a member already", .path.display())]
    Already {
        /// Which directory.
        path: PathBuf,
    },
    /// The directory has a store but no `member.json`: it is the rest of something else. Nothing was changed.
    #[error(
        "{} holds a store but no member.json: bring it back from a copy, or move store.redb away, make it \
         again with `datafan init --mesh MESH --name NAME` (MESH as `datafan id` prints it at another member), \
         and move the store back; a new member takes an empty directory",
        .path.display()
    )]
    Occupied {
        /// Which directory.
        path: PathBuf,
    },
    /// The directory has the authority's key of an older mesh. Nothing was changed.
    #[error(
        "{} belongs to a mesh that exists: a new one makes its own key; move it away, or bring back the whole directory",
        .path.display()
    )]
    OldAuthority {
        /// The key file.
        path: PathBuf,
    },
    /// The mesh that is to be joined is named by this member's own key. Nothing was changed.
    #[error("{mesh} is this member's own id: name the mesh, as `datafan id` prints it at one of its members")]
    OwnId {
        /// The id.
        mesh: MeshId,
    },
    /// The name reads as a full id, which always means the member with that id. Nothing was changed.
    #[error("the name {name} reads as a full id: choose another name")]
    NameIsId {
        /// The name.
        name: Name,
    },
    /// The system refuses.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// `member.json`.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The new mesh's first store. What was begun can be begun again.
    #[error("cannot begin the mesh: {0}")]
    Store(String),
}

impl Home {
    /// Makes this directory a member's.
    ///
    /// # Errors
    /// See [`BootstrapError`]. After any of them the same bootstrap can be tried again, and nothing that was
    /// made is left.
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
            // Another process may have begun with the same keys meanwhile.
            if !self.membership_path().exists() {
                before.only(&made).undo();
            }
        })
    }

    /// Notes the files that were made and that no other process can have begun with.
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

    /// The first store of a new mesh: made before anybody can know of it, so its member may write at once,
    /// and with the first grant in it.
    fn bootstrap_mesh(&self, name: Name, made: &mut Vec<PathBuf>) -> Result<Membership, BootstrapError> {
        // The member's key is written first, so an authority's key without one is not ours: it is of an older
        // mesh, whose members would all refuse a roster that begins anew.
        let authority_key = self.authority_key_path();
        if authority_key.exists() && !self.member_key_path().exists() {
            return Err(BootstrapError::OldAuthority { path: authority_key });
        }
        // With both keys, a store is that of a bootstrap that was interrupted.
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

    /// The key at `path`: the one of an interrupted bootstrap, else a new one.
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
