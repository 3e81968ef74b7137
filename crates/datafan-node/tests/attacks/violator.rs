//! The attacker: a member's connector, with messages instead of an engine.

use crate::{
    attack::{Facts, Violation},
    patience,
};
use datafan_conn_quic::{Config, QuicConnector};
use datafan_core::{
    connector::{Address, Connector, Event, Frame, Inbox, Lane},
    head::Head,
    id::MemberId,
    message::{HeadAnswer, Hello, Message, Want},
    runs::RunId,
};
use datafan_testkit::shard::{Answer, Shard};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// An attacker with a link to its victim.
pub struct Violator {
    pub facts: Arc<Facts>,
    connector: QuicConnector,
    events: UnboundedReceiver<Event>,
    address: Address,
    /// The shards that it announces.
    pub shards: BTreeMap<MemberId, Shard>,
    pub violation: Violation,
    /// It had a link.
    pub met: bool,
    /// Handles what arrives; otherwise its connector stops reading after a while.
    pub reads: bool,
    unread: Vec<Event>,
    welcomed: bool,
    downs: Vec<String>,
    /// Tags of the victim's messages.
    pub heard: Vec<u8>,
    /// The last head that it named instead of the requested state.
    pub moved: Option<Head>,
}

struct Ears(UnboundedSender<Event>);

impl Inbox for Ears {
    fn push(&self, event: Event) {
        // At the end, nobody listens any more.
        drop(self.0.send(event));
    }
}

impl Violator {
    pub fn new(facts: Arc<Facts>, address: Address) -> Self {
        let (sender, events) = unbounded_channel();
        let listen = vec![([127, 0, 0, 1], 0).into()];
        let config = Config::new(facts.key.clone(), listen, Handle::current());
        let (connector, _) = QuicConnector::bind(config, Arc::new(Ears(sender))).unwrap();
        let shards = BTreeMap::from([(facts.mesh.authority(), facts.roster.clone())]);
        let (unread, downs, heard, moved) = <_>::default();
        let (violation, met, reads, welcomed) = (Violation::None, false, true, false);
        Self {
            facts,
            connector,
            events,
            address,
            shards,
            violation,
            met,
            reads,
            unread,
            welcomed,
            downs,
            heard,
            moved,
        }
    }

    /// Links and greets like a member; returns when it is accepted.
    pub async fn meets(&mut self) {
        self.links().await;
        self.greets();
        while !self.welcomed {
            self.step().await;
        }
    }

    pub fn greets(&self) {
        self.facts.greeting().into_iter().for_each(|frame| self.says(frame));
    }

    /// Links without greeting.
    pub async fn links(&mut self) {
        (self.met, self.welcomed) = (true, false);
        self.connector.dial(self.address.clone(), Some(self.facts.victim));
        loop {
            match patience("a link", self.events.recv()).await.unwrap() {
                Event::LinkUp { .. } => return,
                // An earlier link.
                Event::LinkDown { .. } => {}
                Event::DialFailed { error, .. } => panic!("{error}"),
                Event::Received { .. } | Event::Room { .. } | Event::Broken { .. } => {}
                Event::DialFound { .. } => {}
            }
        }
    }

    pub fn says(&self, frame: Frame) {
        // The link may be closed because of an earlier message.
        drop(self.connector.send(self.facts.victim, frame));
    }

    /// Announces that it holds the current state of `shard`.
    pub fn tells_of(&mut self, shard: Shard) {
        self.says(Message::Announce(vec![shard.head]).frame());
        self.shards.insert(shard.head.owner, shard);
    }

    /// Runs, as honestly as its violation allows, until `future` is done.
    pub async fn until<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                done = &mut future => return done,
                event = self.events.recv() => self.on_event(event.unwrap()),
            }
        }
    }

    /// Closes its link.
    pub async fn leaves(&mut self) {
        self.connector.close(self.facts.victim, "no more");
        self.sees_down().await;
    }

    /// Waits until the victim has closed a link.
    pub async fn sees_down(&mut self) -> String {
        while self.downs.is_empty() {
            self.step().await;
        }
        self.downs.remove(0)
    }

    /// Sends a request until it is answered: then all earlier messages were handled.
    pub async fn is_answered(&mut self) {
        self.heard.clear();
        let mut asks = tokio::time::interval(Duration::from_millis(20));
        let end = Instant::now() + crate::PATIENCE;
        while !self.heard.contains(&8) {
            assert!(Instant::now() < end, "no answer in time");
            // Dropped if too many wait.
            self.says(Message::AskHeads(Vec::new()).frame());
            self.until(asks.tick()).await;
        }
    }

    /// Handles the events that it ignored.
    pub fn reads_on(&mut self) {
        self.reads = true;
        self.unread.clear();
    }

    async fn step(&mut self) {
        let event = patience("the victim's answer", self.events.recv()).await.unwrap();
        self.on_event(event);
    }

    fn on_event(&mut self, event: Event) {
        match event {
            // Its receipt is kept as well, so that the connector stops reading.
            Event::Received { .. } if !self.reads => self.unread.push(event),
            Event::Received { bytes, .. } => {
                self.heard.push(bytes[1]);
                let message = Message::decode(&bytes).unwrap();
                for frame in self.answers(&message) {
                    self.says(frame);
                }
            }
            Event::LinkDown { reason, .. } => self.downs.push(reason),
            Event::LinkUp { .. } | Event::Room { .. } => {}
            Event::Broken { .. } | Event::DialFailed { .. } | Event::DialFound { .. } => {}
        }
    }

    fn answers(&mut self, message: &Message<'_>) -> Vec<Frame> {
        match message {
            Message::Welcome => self.welcomed = true,
            Message::StateChanged(_, head) => self.moved = *head,
            Message::Pull(wants) => return wants.iter().filter_map(|want| self.delta(want)).collect(),
            Message::AskNodes(request) | Message::AskRanges(request) => {
                let Some(copy) = self.shards.get(&request.owner) else { return Vec::new() };
                let moved = || Message::StateChanged(request.id, Some(copy.head)).frame();
                return match (self.violation, copy.answer(message)) {
                    (_, None) => vec![moved()],
                    (_, Some(answer)) if !self.violations_about(&request.owner) => vec![answer.frame()],
                    (Violation::Silence | Violation::InsteadOfDelta(_), _) => Vec::new(),
                    (Violation::Instead(say), _) => vec![say(copy, request).frame()],
                    (_, Some(answer)) => vec![self.altered(answer)],
                };
            }
            Message::AskHeads(asks) => {
                return vec![Message::Heads(vec![HeadAnswer::Empty; asks.len()]).frame()];
            }
            _ => {}
        }
        Vec::new()
    }

    fn delta(&self, want: &Want) -> Option<Frame> {
        let Some(copy) = self.shards.get(&want.owner).filter(|copy| copy.head.timestamp > want.since) else {
            return Some(Message::UpToDate(want.owner).frame());
        };
        let mut parts = copy.delta(want.since);
        if !self.violations_about(&want.owner) {
            return Some(parts.answer());
        }
        match self.violation {
            Violation::None => Some(parts.answer()),
            Violation::Delta(alter) => {
                alter(&mut parts);
                Some(parts.answer())
            }
            Violation::InsteadOfDelta(say) => Some(say(copy).frame()),
            Violation::Silence => None,
            Violation::Nodes(_) | Violation::Ranges(_) | Violation::Bytes(_) | Violation::Instead(_) => {
                Some(Message::DeltaUnavailable(copy.head).frame())
            }
        }
    }

    fn altered(&self, mut answer: Answer) -> Frame {
        match (self.violation, &mut answer) {
            (Violation::Nodes(alter), Answer::Nodes(request, nodes)) => alter(request, nodes),
            (Violation::Ranges(alter), Answer::Ranges(_, ranges)) => alter(ranges),
            (Violation::Bytes(alter), answer) => {
                let Frame { lane, bytes } = answer.frame();
                let mut bytes = bytes.to_vec();
                alter(&mut bytes);
                return Frame { lane, bytes: bytes.into() };
            }
            _ => {}
        }
        answer.frame()
    }

    fn violations_about(&self, owner: &MemberId) -> bool {
        *owner == self.facts.owner || *owner == self.facts.key.id()
    }
}

impl Facts {
    /// The first message of a member.
    pub fn greeting(&self) -> Vec<Frame> {
        vec![Message::Hello(self.hello().into()).frame(), Message::Welcome.frame()]
    }

    pub fn hello(&self) -> Hello {
        Hello {
            mesh: self.mesh,
            name: "mallory".parse().unwrap(),
            roster: Some(self.roster.head),
            yours: Vec::new(),
            wall: self.second.head.timestamp,
            run: RunId([7; 8]),
            age_micros: 1_000_000,
            addresses: Vec::new(),
            below_minimum: true,
        }
    }

    /// A head that the attacker signed instead of its owner.
    pub fn forged(&self, head: Head) -> Head {
        Head {
            signature: Head { owner: self.key.id(), ..head }.signed(&self.mesh, &self.key).signature,
            ..head
        }
    }
}

/// Raw bytes on the small lane.
pub fn raw(bytes: impl Into<Arc<[u8]>>) -> Frame {
    Frame { lane: Lane::Small, bytes: bytes.into() }
}
