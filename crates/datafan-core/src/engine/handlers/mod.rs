//! Handlers: code that needs several components at once, and borrows just those.
//!
//! A handler borrows components of the engine for one step. It may lend some of them to a narrower handler,
//! so calls go downwards only: no code reaches a component that its handler does not list.

mod commits;
mod conflicts;
mod dialling;
mod exchange;
mod fork_judge;
mod gossip;
mod greeting;
mod pusher;
mod reconciler;
mod recoveries;
mod replication;
mod report;
mod rules;
mod server;
mod system_items;

pub(in crate::engine) use commits::Commits;
pub(in crate::engine) use conflicts::Conflicts;
pub(in crate::engine) use dialling::Dialling;
pub(in crate::engine) use exchange::Exchange;
pub(in crate::engine) use fork_judge::ForkJudge;
pub(in crate::engine) use gossip::Gossip;
pub(in crate::engine) use greeting::Greeting;
pub(in crate::engine) use pusher::Pusher;
pub(in crate::engine) use reconciler::Reconciler;
pub(in crate::engine) use recoveries::Recoveries;
pub(in crate::engine) use replication::Replication;
pub(in crate::engine) use report::Report;
pub(in crate::engine) use rules::Rules;
pub(in crate::engine) use server::Server;
pub(in crate::engine) use system_items::SystemItems;

use super::{Engine, disk::Snapshot};
use crate::store::Store;

impl<S: Store> Engine<S> {
    pub(in crate::engine) fn exchange(&mut self) -> Exchange<'_, Snapshot<S>> {
        Exchange { cx: &mut self.cx, replicas: &mut self.replicas, links: &mut self.links }
    }

    pub(in crate::engine) fn recoveries(&self) -> Recoveries<'_> {
        Recoveries { cx: &self.cx, own: &self.own, members: &self.members, replicas: &self.replicas }
    }

    pub(in crate::engine) fn fork_judge(&mut self) -> ForkJudge<'_, S> {
        ForkJudge { cx: &mut self.cx, disk: &mut self.disk, replicas: &mut self.replicas }
    }

    pub(in crate::engine) fn system_items(&mut self) -> SystemItems<'_, S> {
        SystemItems {
            cx: &mut self.cx,
            disk: &mut self.disk,
            replicas: &mut self.replicas,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn pusher(&mut self) -> Pusher<'_, S> {
        Pusher {
            cx: &mut self.cx,
            disk: &mut self.disk,
            replicas: &mut self.replicas,
            links: &mut self.links,
        }
    }

    pub(in crate::engine) fn server(&mut self) -> Server<'_, S> {
        Server {
            cx: &mut self.cx,
            disk: &mut self.disk,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn reconciler(&mut self) -> Reconciler<'_, S> {
        Reconciler {
            cx: &mut self.cx,
            disk: &mut self.disk,
            replicas: &mut self.replicas,
            links: &mut self.links,
        }
    }

    pub(in crate::engine) fn gossip(&mut self) -> Gossip<'_, S> {
        Gossip {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
        }
    }

    pub(in crate::engine) fn replication(&mut self) -> Replication<'_, S> {
        Replication {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn conflicts(&mut self) -> Conflicts<'_, S> {
        Conflicts {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            key_conflicts: &mut self.key_conflicts,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            discovery: &mut self.discovery,
        }
    }

    pub(in crate::engine) fn dialling(&mut self) -> Dialling<'_, S> {
        Dialling {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            key_conflicts: &mut self.key_conflicts,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            discovery: &mut self.discovery,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn commits(&mut self) -> Commits<'_, S> {
        Commits {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            key_conflicts: &mut self.key_conflicts,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            discovery: &mut self.discovery,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn greeting(&mut self) -> Greeting<'_, S> {
        Greeting {
            cx: &mut self.cx,
            disk: &mut self.disk,
            own: &mut self.own,
            key_conflicts: &mut self.key_conflicts,
            members: &mut self.members,
            replicas: &mut self.replicas,
            links: &mut self.links,
            discovery: &mut self.discovery,
            divergent: &mut self.divergent,
        }
    }

    pub(in crate::engine) fn report(&self) -> Report<'_, S> {
        Report {
            cx: &self.cx,
            disk: &self.disk,
            own: &self.own,
            key_conflicts: &self.key_conflicts,
            members: &self.members,
            replicas: &self.replicas,
            links: &self.links,
            discovery: &self.discovery,
            divergent: &self.divergent,
        }
    }
}
