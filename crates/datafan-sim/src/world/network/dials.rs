//! Dials: an address leads to the member that has it now, or nobody answers.

use super::{Dial, Network, Rare, places::Places};
use datafan_core::{
    connector::Address,
    engine::Input,
    id::MemberId,
    time::{SECOND, Time},
};

impl Network {
    /// An engine dials.
    pub fn dial(&mut self, now: Time, from: usize, address: Address, expected: Option<MemberId>) {
        let takes = match self.places.resident(&address) {
            Some(to) if to != from => self.profile_between(from, to).latency_micros.max(1),
            Some(_) | None => self.profile.latency_micros.max(1),
        };
        let until = now.after(self.dial_micros);
        let dial = Dial { from, address, expected, until, again_micros: SECOND };
        // A handshake takes a round trip.
        self.rare(now.after(2 * takes), Rare::Dialled(dial));
    }

    /// A dial reaches its destination, or would.
    pub(super) fn dialled(&mut self, now: Time, dial: Dial) -> Vec<(usize, Input)> {
        let Dial { from, address, expected, .. } = &dial;
        if !self.running[*from] {
            return Vec::new();
        }
        match self.places.resident(address) {
            None if !Places::is_sound(address) => self.failed(&dial, "no such address"),
            Some(to) if to == *from => self.failed(&dial, "that is ourselves"),
            Some(to) if self.ids[to] == self.ids[*from] && self.reaches(*from, to) => {
                // Two processes with one key make no link: they exchange how long each has run.
                if self.started_at[to] < self.started_at[*from] {
                    let (address, expected, peer) = (address.clone(), *expected, self.ids[to]);
                    return vec![(*from, Input::DialFound { address, expected, peer })];
                }
                self.failed(&dial, "another process with our own key, which the other one notices")
            }
            Some(to) if self.reaches(*from, to) => match expected {
                Some(expected) if *expected != self.ids[to] => {
                    self.failed(&dial, "somebody else answers there")
                }
                // They are already linked, and the peer answers.
                Some(_) | None if self.is_up(*from, to) => {
                    let (address, expected) = (address.clone(), *expected);
                    vec![(*from, Input::DialFound { address, expected, peer: self.ids[to] })]
                }
                Some(_) | None => self.bring_up(now, *from, to),
            },
            Some(_) | None if now < dial.until => {
                // Like QUIC, it tries again after one second, two, four ...
                let at = now.after(dial.again_micros).min(dial.until);
                let again_micros = 2 * dial.again_micros;
                self.rare(at, Rare::Dialled(Dial { again_micros, ..dial }));
                Vec::new()
            }
            Some(_) | None => self.failed(&dial, "no answer"),
        }
    }

    fn failed(&self, dial: &Dial, error: &str) -> Vec<(usize, Input)> {
        let (address, expected) = (dial.address.clone(), dial.expected);
        vec![(dial.from, Input::DialFailed { address, expected, error: error.to_owned() })]
    }
}
