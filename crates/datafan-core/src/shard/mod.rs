//! One shard, and changes that are tried on it before they are written.
//!
//! A [`View`] is a snapshot of the store with layers of changes on top. An [`Edit`] gathers writes as one
//! more layer. Its change goes into the batch only if the resulting root is the expected one; dropping the
//! edit rolls it back.

mod change;
mod edit;
mod view;

pub(crate) use edit::Edit;
pub(crate) use view::View;
