//! Where the members of a scenario live.

use datafan_core::{
    connector::{Address, Connector, Inbox},
    id::MemberId,
};
use std::sync::Arc;

/// Where members of one scenario live: how to start and end them.
pub trait Site {
    /// What is checked.
    type Connector: Connector + Sync;

    /// Starts the member number `n`. Each number has an identity of its own; a member that is started again
    /// keeps its address.
    fn start(&self, n: u8, inbox: Arc<dyn Inbox>) -> Started<Self::Connector>;

    /// Ends a member without a goodbye: its peers hear nothing. It can be started again when this returns.
    fn kill(&self, connector: Self::Connector);

    /// An address at which nobody is.
    fn nowhere(&self) -> Address;

    /// Whether who is dialled sees where the dialler listens; not so if something between them translates
    /// addresses.
    fn shows_addresses(&self) -> bool {
        true
    }
}

/// A member as it was started.
pub struct Started<C> {
    /// Its connector.
    pub connector: C,
    /// What its peers must see.
    pub id: MemberId,
    /// Where it can be dialled.
    pub address: Address,
}
