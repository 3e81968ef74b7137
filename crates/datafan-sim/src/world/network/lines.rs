//! Links come up and go down, as lines work or fail and members start or stop.

use super::{Network, Rare};
use crate::world::{happening::Happening, link::Link};
use datafan_core::{
    connector::{Address, Direction},
    engine::Input,
    id::MemberId,
    time::{SECOND, Time},
};

/// How long the world waits before it dials again for a link that it keeps up.
const REDIAL_MICROS: u64 = SECOND;

/// Inputs for members.
type Told = Vec<(usize, Input)>;

impl Network {
    /// From now on `dialler` keeps a link to `dialled`.
    pub fn keep_link(&mut self, now: Time, dialler: usize, dialled: usize) {
        self.link(dialler, dialled).dialler = Some(dialler);
        self.rare(now, Rare::Redial { from: dialler, to: dialled });
    }

    /// Takes the link down at once, permanently unless somebody dials or heals it: messages in flight are
    /// lost. Both ends are told.
    pub fn break_link(&mut self, now: Time, a: usize, b: usize, reason: &str) -> Told {
        self.put_out(now, a, b);
        let ends = self.link(a, b).ends;
        [ends.0, ends.1].into_iter().flat_map(|end| self.tell_down(end, a + b - end, reason)).collect()
    }

    /// Takes the link down at once; its ends notice only after the idle time.
    fn fade(&mut self, now: Time, a: usize, b: usize, reason: &str) -> Told {
        if self.idle_micros == 0 {
            return self.break_link(now, a, b, reason);
        }
        if self.put_out(now, a, b) {
            let life = self.link(a, b).life;
            self.rare(now.after(self.idle_micros), Rare::Noticed { a, b, life });
        }
        Vec::new()
    }

    /// The link carries nothing any more, whatever its ends believe. Returns whether it did.
    fn put_out(&mut self, now: Time, a: usize, b: usize) -> bool {
        let link = self.link(a, b);
        if !link.up {
            return false;
        }
        link.renew(false);
        let (a, b) = link.ends;
        self.note(now, Happening::Linked { a, b, up: false });
        true
    }

    /// Tells one end that its link is down, if it believes otherwise.
    fn tell_down(&mut self, end: usize, peer: usize, reason: &str) -> Option<(usize, Input)> {
        let link = self.link(end, peer);
        let believed = std::mem::take(&mut link.believed[usize::from(end > peer)]);
        let down = Input::LinkDown { peer: self.ids[peer], reason: reason.to_owned() };
        (believed && self.running[end]).then_some((end, down))
    }

    /// The member's engine started: links that it keeps, or that are kept to it, are dialled.
    pub fn started(&mut self, now: Time, member: usize) {
        (self.running[member], self.started_at[member]) = (true, now);
        self.note(now, Happening::Started { member });
        self.redial_all(now, member);
    }

    /// The member's engine has stopped and said so; its links go down.
    pub fn stopped(&mut self, now: Time, member: usize, error: Option<String>) -> Told {
        self.leave(now, member, error);
        let mut told = Vec::new();
        for peer in self.neighbours_of(member) {
            // On a failed line the other end learns nothing.
            match self.link(member, peer).dark_since {
                Some(_) => told.extend(self.fade(now, member, peer, SILENT)),
                None => told.extend(self.break_link(now, member, peer, GONE)),
            }
        }
        self.redial_all(now.after(REDIAL_MICROS), member);
        told
    }

    /// The member's engine has stopped silently: its peers notice after `idle_micros`.
    pub fn vanished(&mut self, now: Time, member: usize, idle_micros: u64) -> Told {
        self.leave(now, member, None);
        let idle = std::mem::replace(&mut self.idle_micros, idle_micros);
        let peers = self.neighbours_of(member).into_iter();
        let told = peers.flat_map(|peer| self.fade(now, member, peer, GONE)).collect();
        self.idle_micros = idle;
        self.redial_all(now.after(REDIAL_MICROS), member);
        told
    }

    fn leave(&mut self, now: Time, member: usize, error: Option<String>) {
        self.running[member] = false;
        self.note(now, Happening::Stopped { member, error });
        for peer in self.neighbours_of(member) {
            self.link(member, peer).believed[usize::from(member > peer)] = false;
        }
    }

    /// The address of a member changes: its links carry nothing any more.
    pub fn moved(&mut self, now: Time, member: usize, address: Address) -> Told {
        self.places.move_to(member, address);
        let peers = self.neighbours_of(member).into_iter();
        peers.flat_map(|peer| self.fade(now, member, peer, SILENT)).collect()
    }

    /// The line between two members works again.
    pub fn heal(&mut self, now: Time, a: usize, b: usize) {
        self.link(a, b).cut = false;
        self.look_at_line(now, a, b);
        if let Some(from) = self.link(a, b).dialler {
            self.rare(now, Rare::Redial { from, to: a + b - from });
        }
    }

    /// The mesh is partitioned or reunited, as [`Network::places`] says.
    pub fn regrouped(&mut self, now: Time) -> Told {
        let all: Vec<(usize, usize)> =
            self.links.iter().filter(|link| link.up).map(|link| link.ends).collect();
        all.into_iter().flat_map(|(a, b)| self.look_at_line(now, a, b)).collect()
    }

    /// Updates whether the line between two members works, after a change.
    pub fn look_at_line(&mut self, now: Time, a: usize, b: usize) -> Told {
        let (parted, idle) = (self.places.are_parted(a, b), self.idle_micros);
        let link = self.link(a, b);
        link.blocked = link.cut || parted;
        // If nobody expects answers, nobody notices what one direction loses.
        let works = !link.blocked && (idle == 0 || link.ways.iter().all(|way| !way.deaf));
        match (works, link.up, link.dark_since) {
            (true, ..) => link.dark_since = None,
            (false, true, None) if idle == 0 => return self.break_link(now, a, b, "cut"),
            (false, true, None) => {
                link.dark_since = Some(now);
                let life = link.life;
                self.rare(now.after(idle), Rare::Idle { a, b, life, since: now });
            }
            (false, ..) => {}
        }
        Vec::new()
    }

    fn redial_all(&mut self, at: Time, member: usize) {
        let kept = self.links_of(member).filter_map(|link| Some((link.dialler?, link.ends.0 + link.ends.1)));
        for (from, sum) in kept.collect::<Vec<_>>() {
            self.rare(at, Rare::Redial { from, to: sum - from });
        }
    }

    fn neighbours_of(&self, member: usize) -> Vec<usize> {
        self.links_of(member).map(|link| link.ends.0 + link.ends.1 - member).collect()
    }

    /// An engine closes a link: what it sent before still arrives.
    pub fn close(&mut self, now: Time, from: usize, to: usize, reason: &str) {
        let link = self.link(from, to);
        let life = link.life;
        let last =
            link.ways[usize::from(from > to)].pipes[super::lane_index(super::Lane::Small)].arrived_at();
        self.rare(last.max(now).after(1), Rare::Down { from, to, life, reason: reason.into() });
    }

    /// A link that an engine closed goes down. On a failed line the other end notices after the idle time.
    pub(super) fn closed(&mut self, now: Time, from: usize, to: usize, life: u32, reason: &str) -> Told {
        let link = self.link(from, to);
        if link.life != life {
            return Vec::new();
        }
        let (dark_since, kept_by) = (link.dark_since, link.dialler);
        if let Some(dialler) = kept_by.filter(|_| link.up) {
            self.rare(now.after(REDIAL_MICROS), Rare::Redial { from: dialler, to: from + to - dialler });
        }
        let Some(since) = dark_since else {
            return self.break_link(now, from, to, reason);
        };
        if self.put_out(now, from, to) {
            let life = self.link(from, to).life;
            let at = since.after(self.idle_micros).max(now);
            self.rare(at, Rare::Noticed { a: from, b: to, life });
        }
        self.tell_down(from, to, reason).into_iter().collect()
    }

    /// Nothing has arrived over a link for the idle time.
    pub(super) fn noticed(&mut self, a: usize, b: usize, life: u32) -> Told {
        if self.link(a, b).life != life {
            return Vec::new();
        }
        [(a, b), (b, a)].into_iter().flat_map(|(end, peer)| self.tell_down(end, peer, SILENT)).collect()
    }

    /// Like [`Network::noticed`], for a link whose line may work again by now.
    pub(super) fn idle(&mut self, now: Time, (a, b): (usize, usize), life: u32, since: Time) -> Told {
        let link = self.link(a, b);
        if link.life == life && link.dark_since == Some(since) {
            return self.break_link(now, a, b, SILENT);
        }
        Vec::new()
    }

    /// A link comes up, if there is none. An end that still believes in an earlier one is first told that it
    /// is gone.
    pub(super) fn bring_up(&mut self, now: Time, dialler: usize, dialled: usize) -> Told {
        if self.link(dialler, dialled).up {
            return Vec::new();
        }
        let ends = [(dialler, dialled), (dialled, dialler)];
        let mut told: Told = ends
            .into_iter()
            .flat_map(|(end, peer)| self.tell_down(end, peer, "replaced by a new link"))
            .collect();
        for (end, peer) in ends {
            // Two members have one link, whichever process made it.
            for namesake in self.namesakes(peer) {
                if self.is_up(end, namesake) {
                    told.extend(self.break_link(now, end, namesake, "replaced by a newer connection"));
                }
            }
        }
        let link: &mut Link = self.link(dialler, dialled);
        link.renew(true);
        let (a, b) = link.ends;
        self.note(now, Happening::Linked { a, b, up: true });
        let up = |peer: usize, id: MemberId, direction| Input::LinkUp {
            peer: id,
            address: Some(self.places.address(peer).clone()),
            direction,
        };
        told.push((dialler, up(dialled, self.ids[dialled], Direction::Out)));
        told.push((dialled, up(dialler, self.ids[dialler], Direction::In)));
        told
    }

    /// Whether a dial succeeds: both run, and their line works.
    pub(super) fn reaches(&mut self, a: usize, b: usize) -> bool {
        let runs = self.running[a] && self.running[b] && !self.places.are_parted(a, b);
        let idle = self.idle_micros;
        let link = self.link(a, b);
        runs && !link.cut && (idle == 0 || link.ways.iter().all(|way| !way.deaf))
    }

    /// Whether no line is down: none is cut, none is lossy in one direction, and there is no partition.
    pub fn lines_work(&self) -> bool {
        let works = |link: &Link| !link.cut && link.ways.iter().all(|way| !way.deaf);
        !self.places.is_parted() && self.links.iter().all(works)
    }
}

const GONE: &str = "the peer is gone";
const SILENT: &str = "nothing has come for too long";
