//! The members, each linked to the previous one.

use crate::cli::failure::Failure;
use datafan_core::{
    connector::Address,
    head::Head,
    id::{MemberId, Name},
    identity::Identity,
    time::Timestamp,
};
use datafan_node::{Bootstrap, Home, Node, ticket::Ticket};
use datafan_store_redb::Faults;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use zeroize::Zeroizing;

/// Memory for the store pages of one member; there may be 16 members.
const CACHE_BYTES: usize = 24 << 20;
/// Timeout until all members are equal.
const EQUAL_TIMEOUT: Duration = Duration::from_secs(1_200);
/// How often to check whether the heads still change.
const LOOKS_MAX: usize = 100;

/// A mesh whose members are linked in a line.
pub struct Line {
    members: Vec<DemoMember>,
    /// Bytes sent by endpoints that no longer exist.
    sent_before: u64,
}

/// A member, and what is needed to restart it.
struct DemoMember {
    dir: PathBuf,
    id: MemberId,
    listen: SocketAddr,
    node: Option<Node>,
    faults: Faults,
}

impl Line {
    /// Creates and starts `members` members below `dir`; returns when all links are up.
    pub async fn start(dir: &Path, members: usize) -> Result<Self, Failure> {
        let mut line = Self { members: Vec::new(), sent_before: 0 };
        for at in 0..members {
            let dir = dir.join(name(at)?.as_str());
            let bootstrap = match line.members.first() {
                None => Bootstrap::NewMesh { name: name(at)? },
                Some(first) => Bootstrap::Invited(Box::new(invite(first.node(), name(at)?).await?)),
            };
            Home::new(&dir).bootstrap(bootstrap).map_err(Failure::new)?;
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let faults = Faults::new();
            let node = open(&dir, any, line.members.last(), faults.clone()).await?;
            let (id, listen) = (node.id(), node.local_addrs()[0]);
            line.members.push(DemoMember { dir, id, listen, node: Some(node), faults });
        }
        for (at, place) in line.members.iter().enumerate() {
            let links = usize::from(at > 0) + usize::from(at + 1 < members);
            let up = place.node().timeout(Duration::from_secs(30), place.node().wait_links(links));
            up.await.map_err(Failure::new)?;
        }
        Ok(line)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// A running member.
    pub fn node(&self, at: usize) -> &Node {
        self.members[at].node()
    }

    /// The id of a member.
    pub fn id(&self, at: usize) -> MemberId {
        self.members[at].id
    }

    /// Bytes of UDP payload that all endpoints have sent so far.
    pub fn sent(&self) -> u64 {
        let running = self.members.iter().filter_map(|place| place.node.as_ref());
        self.sent_before + running.map(|node| node.wire_traffic().0).sum::<u64>()
    }

    /// Simulates a power cut: from now on the disk accepts nothing, unsynced data is lost, and nothing is
    /// sent.
    pub async fn cut(&mut self, at: usize) {
        let place = &mut self.members[at];
        place.faults.cut();
        let Some(node) = place.node.take() else { return };
        node.kill();
        self.sent_before += node.wire_traffic().0;
        // Its thread ends with the error of the disk; the file is free once the last handle is dropped.
        let _ = node.stop().await;
    }

    /// Restarts a member from the content of its disk.
    pub async fn reopen(&mut self, at: usize) -> Result<(), Failure> {
        let (before, rest) = self.members.split_at_mut(at);
        let place = &mut rest[0];
        place.faults = Faults::new();
        let node = open(&place.dir, place.listen, before.last(), place.faults.clone()).await?;
        if let Some(next) = rest.get(1) {
            let there = Address::from(next.listen.to_string());
            node.connect(there, Some(next.id)).await.map_err(Failure::new)?;
        }
        self.members[at].node = Some(node);
        Ok(())
    }

    /// Waits until every member holds the data of every owner.
    pub async fn equal(&self) -> Result<(), Failure> {
        let limit = format!("not equal within {} s", EQUAL_TIMEOUT.as_secs());
        tokio::time::timeout(EQUAL_TIMEOUT, self.heads_equal()).await.map_err(|_| Failure::new(limit))?
    }

    async fn heads_equal(&self) -> Result<(), Failure> {
        for _ in 0..LOOKS_MAX {
            let mut wanted: Vec<(MemberId, Timestamp)> = Vec::new();
            for place in &self.members {
                let own = place.node().head(&place.id).map_err(Failure::new)?;
                wanted.extend(own.map(|head| (head.owner, head.timestamp)));
            }
            let authority = self.node(0).mesh().authority();
            let roster = self.node(0).head(&authority).map_err(Failure::new)?;
            wanted.extend(roster.map(|head| (head.owner, head.timestamp)));
            for place in &self.members {
                for (owner, timestamp) in &wanted {
                    place.node().wait_for(*owner, *timestamp).await.map_err(Failure::new)?;
                }
            }
            // An owner may have written meanwhile (its addresses), so check again.
            if self.same_heads()? {
                return Ok(());
            }
        }
        Err(Failure::new("the heads of the members keep changing"))
    }

    fn same_heads(&self) -> Result<bool, Failure> {
        let first = heads(self.node(0))?;
        for place in &self.members[1..] {
            if heads(place.node())? != first {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops all members.
    pub async fn stop(self) {
        for place in self.members {
            if let Some(node) = place.node {
                // Everything was compared before, so nothing can be lost.
                let _ = node.stop().await;
            }
        }
    }
}

impl DemoMember {
    fn node(&self) -> &Node {
        self.node.as_ref().expect("only asked of members that run")
    }
}

fn heads(node: &Node) -> Result<Vec<Head>, Failure> {
    node.snapshot().and_then(|snapshot| snapshot.heads()).map_err(Failure::new)
}

fn name(at: usize) -> Result<Name, Failure> {
    Name::new(&format!("m{at}")).map_err(Failure::new)
}

async fn invite(first: &Node, name: Name) -> Result<Ticket, Failure> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *secret).map_err(Failure::new)?;
    let member = Identity::from_secret(&secret);
    let admitted = first.admit(member.id(), name.clone()).await.map_err(Failure::new)?;
    Ok(Ticket {
        mesh: first.mesh(),
        member,
        roster: admitted.timestamp,
        expiry: None,
        name,
        addresses: Vec::new(),
    })
}

/// Starts a member that dials only the previous one.
async fn open(
    dir: &Path,
    listen: SocketAddr,
    before: Option<&DemoMember>,
    faults: Faults,
) -> Result<Node, Failure> {
    let mut builder = Node::builder(dir).listen(listen).cache_bytes(CACHE_BYTES).faults(faults);
    builder = builder.configure(|config| config.links_min = 0);
    if let Some(before) = before {
        builder = builder.connect(before.listen.to_string(), Some(before.id));
    }
    builder.start().await.map_err(Failure::new)
}
