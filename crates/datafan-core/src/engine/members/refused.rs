//! Refused handshakes, which are reported once for each peer, regardless of how often it tries.

use crate::{
    id::{MemberId, Name},
    limits::PENDING_MAX,
    message::Refusal,
    time::{SECOND, Time},
};
use alloc::{collections::VecDeque, format, string::String};
use core::fmt;

/// A handshake was refused. Its text is a sentence with the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Who was refused: a peer, or this member itself.
    pub who: MemberId,
    /// Its name in the roster, or the name that it asks for.
    pub name: Name,
    /// Why.
    pub refusal: Refusal,
    /// The peer that refused this member; `None` if this member refused a peer.
    pub by: Option<MemberId>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who: id, name, refusal, by } = self;
        match by {
            Some(peer) => write!(f, "{} refuses this member, {name} ({}): ", peer.short(), id.short())?,
            None => write!(f, "refused {name} ({}): ", id.short())?,
        }
        match (refusal, by) {
            (Refusal::OtherMesh, None) => {
                f.write_str("it belongs to another mesh; its operator checks the mesh id or the ticket")
            }
            _ => f.write_str(&remedy(id, name, *refusal)),
        }
    }
}

/// The cause of a refusal and its remedy.
pub(in crate::engine) fn remedy(id: &MemberId, name: &Name, refusal: Refusal) -> String {
    match refusal {
        Refusal::NotAdmitted => {
            format!(
                "not in the roster; to let it in, where authority.key is: datafan admit {id} --name {name}"
            )
        }
        Refusal::InvitationExpired => format!(
            "its invitation has ended; to give it another while, where authority.key is: datafan grant \
             {name} --expires 7d"
        ),
        Refusal::Revoked => {
            "it was revoked; to come back it needs a new key: datafan invite NAME, where authority.key is"
                .into()
        }
        Refusal::OtherMesh | Refusal::Busy | Refusal::Malformed | Refusal::Surplus => refusal.advice().into(),
    }
}

/// Reported refusals: peer, reason and time, oldest first.
#[derive(Default)]
pub(super) struct Said(VecDeque<(MemberId, Refusal, Time)>);

/// Strangers with ever new keys cause at most [`PENDING_MAX`] log lines in this time.
const SAID_MICROS: u64 = 3_600 * SECOND;

impl Said {
    /// Whether a refusal has to be reported. If so, marks it as reported.
    pub(super) fn is_new(&mut self, refused: &Refused, now: Time) -> bool {
        // If two members refuse each other, one report per peer and reason is enough.
        let (peer, refusal) = (refused.by.unwrap_or(refused.who), refused.refusal);
        if self.0.iter().any(|(said, why, _)| (*said, *why) == (peer, refusal)) {
            return false;
        }
        if self.0.len() == PENDING_MAX {
            if self.0.front().is_some_and(|(.., at)| at.after(SAID_MICROS) > now) {
                return false;
            }
            self.0.pop_front();
        }
        self.0.push_back((peer, refusal, now));
        true
    }

    /// A link with `peer` is up, so later refusals are reported again.
    pub(super) fn forget(&mut self, peer: &MemberId) {
        self.0.retain(|(said, ..)| said != peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn refused(n: u8, refusal: Refusal) -> Refused {
        Refused { who: MemberId([n; 32]), name: Name::new("edge").unwrap(), refusal, by: None }
    }

    #[test]
    fn a_refusal_is_reported_once_until_a_link_is_up_and_not_for_every_stranger() {
        let (mut said, now) = (Said::default(), Time(7));
        let one = refused(1, Refusal::NotAdmitted);
        assert!(said.is_new(&one, now) && !said.is_new(&one, now.after(9 * SAID_MICROS)));
        assert!(said.is_new(&refused(1, Refusal::Revoked), now), "another reason is new");
        let peer = Refused { by: Some(MemberId([2; 32])), ..one.clone() };
        assert!(said.is_new(&peer, now) && !said.is_new(&peer, now));
        said.forget(&MemberId([2; 32]));
        assert!(said.is_new(&peer, now) && !said.is_new(&one, now));
        said.forget(&one.who);
        said.forget(&MemberId([2; 32]));
        for n in 1..=PENDING_MAX as u8 {
            assert!(said.is_new(&refused(n, Refusal::NotAdmitted), now));
        }
        let more = refused(200, Refusal::NotAdmitted);
        assert!(!said.is_new(&more, now), "a flood of strangers is not reported");
        assert!(said.is_new(&more, now.after(SAID_MICROS)));
        assert_eq!(said.0.len(), PENDING_MAX);
    }

    #[test]
    fn it_says_what_to_do() {
        let one = refused(1, Refusal::NotAdmitted);
        let text = one.to_string();
        assert!(text.starts_with(&alloc::format!("refused edge ({}): ", one.who.short())), "{text}");
        assert!(text.ends_with(&alloc::format!("datafan admit {} --name edge", one.who)), "{text}");
        let text = refused(1, Refusal::InvitationExpired).to_string();
        assert!(text.contains("datafan grant edge --expires 7d"), "{text}");
        assert!(refused(1, Refusal::Revoked).to_string().contains("datafan invite NAME"));
        let by = Refused { by: Some(MemberId([2; 32])), ..one };
        assert!(by.to_string().contains(" refuses this member, edge ("), "{by}");
    }
}
