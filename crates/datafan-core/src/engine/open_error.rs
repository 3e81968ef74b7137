//! Why an engine could not be opened.

use crate::{
    id::{MemberId, MeshId},
    store::StoreError,
};

/// Why an engine could not be opened. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store belongs to another mesh or member.
    #[error("the store belongs to member {member} of mesh {mesh}: wrong key file or wrong directory")]
    Belongs {
        /// The store's member.
        member: MemberId,
        /// The store's mesh.
        mesh: MeshId,
    },
    /// The authority's key does not belong to the mesh.
    #[error("the authority key is {found}, the mesh is {mesh}")]
    WrongAuthority {
        /// The key's id.
        found: MemberId,
        /// The mesh.
        mesh: MeshId,
    },
    /// The member's key is the authority's key. Each needs its own key.
    #[error("the member's key is the key of the mesh {mesh} itself: a member needs a key of its own")]
    AuthorityAsMember {
        /// The mesh.
        mesh: MeshId,
    },
}
