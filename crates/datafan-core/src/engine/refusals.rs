//! Refused handshakes: reports them, and refuses writes that no peer would accept.

use super::{
    effect::Effect,
    handlers::{Commits, Greeting},
    links::Link,
    members::{Refused, remedy},
    not_writable::NotWritable,
    roster::grant_of,
};
use crate::{
    id::{MemberId, Name},
    message::Refusal,
    store::Store,
};
use alloc::boxed::Box;

impl<S: Store> Greeting<'_, S> {
    /// This member refused a peer.
    pub(super) fn report_refused(&mut self, peer: MemberId, asked: Name, refusal: Refusal) {
        let name = grant_of(self.cx, self.disk, self.replicas, &peer)
            .ok()
            .flatten()
            .map_or(asked, |grant| grant.name);
        self.report_refusal(Refused { who: peer, name, refusal, by: None });
    }

    /// A peer refused this member.
    pub(super) fn report_refused_by(&mut self, peer: MemberId, refusal: Refusal) {
        self.report_refusal(Refused {
            who: self.cx.me,
            name: self.members.own_name(self.cx),
            refusal,
            by: Some(peer),
        });
    }

    fn report_refusal(&mut self, refused: Refused) {
        if self.members.is_news(&refused, self.cx.time()) {
            self.cx.emit(Effect::Refused(Box::new(refused)));
        }
    }
}

impl<S: Store> Commits<'_, S> {
    /// Checks whether peers accept this member's writes: an error while peers refuse this member and no link
    /// is up. A member with the authority's key decides about membership itself, so refusals by others do not
    /// count.
    pub(super) fn check_not_refused(&self, owner: &MemberId) -> Result<(), NotWritable> {
        if let Some(place) = self.key_conflicts.same_key.found() {
            return Err(NotWritable::KeyInUse { place: place.clone() });
        }
        let is_authority = self.own.has(&self.cx.config.mesh.authority());
        let Some(refusal) = self.members.refused_by().filter(|_| *owner == self.cx.me && !is_authority)
        else {
            return Ok(());
        };
        // A peer of another mesh at a wrong address must not stop an active member.
        let by_mesh = refusal != Refusal::OtherMesh || self.members.of(self.replicas, owner).is_none();
        if !by_mesh || self.links.values().any(Link::is_up) {
            return Ok(());
        }
        Err(NotWritable::Refused { what: remedy(owner, &self.members.own_name(self.cx), refusal) })
    }
}
