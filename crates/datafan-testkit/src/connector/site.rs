//! The environment of the members of a scenario.

use datafan_core::{
    connector::{Address, Connector, Inbox},
    id::MemberId,
};
use std::sync::Arc;

/// Starts and ends the members of one scenario.
pub trait Site {
    /// The connector under test.
    type Connector: Connector + Sync;

    /// Starts the member number `n`. Each number has its own identity; a restarted member keeps its address.
    fn start(&self, n: u8, inbox: Arc<dyn Inbox>) -> Started<Self::Connector>;

    /// Ends a member without a goodbye: its peers are not told. It can be started again when this returns.
    fn kill(&self, connector: Self::Connector);

    /// An address at which there is no member.
    fn nowhere(&self) -> Address;

    /// Whether a dialled member sees the address on which the dialler listens; false if something between
    /// them translates addresses.
    fn shows_addresses(&self) -> bool {
        true
    }
}

/// A started member.
pub struct Started<C> {
    /// Its connector.
    pub connector: C,
    /// The id that its peers must see.
    pub id: MemberId,
    /// The address at which it can be dialled.
    pub address: Address,
}
