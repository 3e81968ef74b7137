//! What an engine was told and does not keep in its store.

use datafan_core::{
    connector::Address,
    engine::{Command, Immediate},
    id::MemberId,
};

/// What an engine was told and does not keep in its store.
#[derive(Default)]
pub(super) struct Told {
    published: Option<Vec<Address>>,
    dialled: Vec<(Address, Option<MemberId>)>,
}

impl Told {
    /// Records a command that is about to be carried out.
    pub(super) fn remember(&mut self, command: &Command) {
        match command {
            Command::Immediate(Immediate::Publish(addresses)) => self.published = Some(addresses.clone()),
            Command::Immediate(Immediate::Connect { address, expected }) => {
                let dialled = (address.clone(), *expected);
                if self.dialled.len() < DIALLED_MAX && !self.dialled.contains(&dialled) {
                    self.dialled.push(dialled);
                }
            }
            // Each is in the store once it is answered.
            Command::Change(_) | Command::ApplySignedRoster(_) => {}
        }
    }

    /// The commands that repeat it.
    pub(super) fn again(&self) -> impl Iterator<Item = Command> {
        let published = self.published.iter().map(|addresses| Immediate::Publish(addresses.clone()));
        let dialled = self.dialled.iter();
        let dialled = dialled
            .map(|(address, expected)| Immediate::Connect { address: address.clone(), expected: *expected });
        published.chain(dialled).map(Command::from)
    }
}

/// Maximum number of dialled addresses that are repeated; an engine remembers no more.
const DIALLED_MAX: usize = 1_024;
