//! Links that came to nothing for want of a grant: people hear of them, and writes are refused that nobody
//! would get.

use super::{
    effect::{CommandError, Effect},
    handlers::{Commits, Greeting},
    links::Link,
    members::{Refused, remedy},
    roster::grant_of,
};
use crate::{
    id::{MemberId, Name},
    message::Refusal,
    store::Store,
};
use alloc::boxed::Box;

impl<S: Store> Greeting<'_, S> {
    /// This member has refused a peer.
    pub(super) fn say_refused(&mut self, peer: MemberId, asked: Name, refusal: Refusal) {
        let name = grant_of(self.cx, self.disk, self.replicas, &peer)
            .ok()
            .flatten()
            .map_or(asked, |grant| grant.name);
        self.say(Refused { who: peer, name, refusal, by: None });
    }

    /// A peer has refused this member.
    pub(super) fn say_refused_by(&mut self, peer: MemberId, refusal: Refusal) {
        self.say(Refused { who: self.cx.me, name: self.members.own_name(self.cx), refusal, by: Some(peer) });
    }

    fn say(&mut self, refused: Refused) {
        if self.members.is_news(&refused, self.cx.time()) {
            self.cx.emit(Effect::Refused(Box::new(refused)));
        }
    }
}

impl<S: Store> Commits<'_, S> {
    /// Whether anybody takes what is written here: an error while peers refuse this member and no link is
    /// up. Whoever holds the authority's key decides who belongs, and is not refused by others' word.
    pub(super) fn is_taken_from_here(&self, owner: &MemberId) -> Result<(), CommandError> {
        if let Some(place) = self.key_conflicts.same_key.found() {
            return Err(CommandError::KeyInUse { place: place.clone() });
        }
        let is_authority = self.own.has(&self.cx.config.mesh.authority());
        let Some(refusal) = self.members.refused_by().filter(|_| *owner == self.cx.me && !is_authority)
        else {
            return Ok(());
        };
        // The peer at a wrong address is no reason to stop a member that belongs.
        let by_mesh = refusal != Refusal::OtherMesh || self.members.of(self.replicas, owner).is_none();
        if !by_mesh || self.links.values().any(Link::is_up) {
            return Ok(());
        }
        Err(CommandError::Refused { what: remedy(owner, &self.members.own_name(self.cx), refusal) })
    }
}
