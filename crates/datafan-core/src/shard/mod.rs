//! One shard as it stands, and changes that are tried on it before they are written.
//!
//! A [`View`] is a snapshot of the store with layers of changes on top. An [`Edit`] gathers writes as one
//! more layer; only when the root that it leads to is the wanted one, its change goes into the batch.
//! Dropping it is the roll-back.

mod change;
mod edit;
mod view;

pub(crate) use edit::Edit;
pub(crate) use view::View;
