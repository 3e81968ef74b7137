//! The attacker: a member's own connector, and messages in place of an engine.

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
    /// The shards that it tells of.
    pub shards: BTreeMap<MemberId, Shard>,
    pub violation: Violation,
    /// It had a link.
    pub met: bool,
    /// Handles what comes; else its connector reads no further after a while.
    pub reads: bool,
    unread: Vec<Event>,
    welcomed: bool,
    downs: Vec<String>,
    /// Tags of what the victim said.
    pub heard: Vec<u8>,
    /// The head that it named last in place of the state that was asked for.
    pub moved: Option<Head>,
}

struct Ears(UnboundedSender<Event>);

impl Inbox for Ears {
    fn push(&self, event: Event) {
        // Nobody listens any more at the end.
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

    /// Links and greets as a member does; done when it is welcome.
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

    /// Links without a word.
    pub async fn links(&mut self) {
        (self.met, self.welcomed) = (true, false);
        self.connector.dial(self.address.clone(), Some(self.facts.victim));
        loop {
            match patience("a link", self.events.recv()).await.unwrap() {
                Event::LinkUp { .. } => return,
                // A link that went before.
                Event::LinkDown { .. } => {}
                Event::DialFailed { error, .. } => panic!("{error}"),
                Event::Received { .. } | Event::Room { .. } | Event::Broken { .. } => {}
                Event::DialFound { .. } => {}
            }
        }
    }

    pub fn says(&self, frame: Frame) {
        // The link may be closed for what was said before.
        drop(self.connector.send(self.facts.victim, frame));
    }

    /// Tells that it holds the present state of `shard`.
    pub fn tells_of(&mut self, shard: Shard) {
        self.says(Message::Announce(vec![shard.head]).frame());
        self.shards.insert(shard.head.owner, shard);
    }

    /// Goes on, as honest as its violation leaves it, until `future` is done.
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

    /// Asks until it is answered: all that was said before was looked at by then.
    pub async fn is_answered(&mut self) {
        self.heard.clear();
        let mut asks = tokio::time::interval(Duration::from_millis(20));
        let end = Instant::now() + crate::PATIENCE;
        while !self.heard.contains(&8) {
            assert!(Instant::now() < end, "no answer in time");
            // Dropped where too many wait.
            self.says(Message::AskHeads(Vec::new()).frame());
            self.until(asks.tick()).await;
        }
    }

    /// Takes in what it left lying.
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
            // Its receipt is kept as well: the connector reads no further.
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
    /// What a member says first.
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

    /// A head that its owner did not sign: the attacker did.
    pub fn forged(&self, head: Head) -> Head {
        Head {
            signature: Head { owner: self.key.id(), ..head }.signed(&self.mesh, &self.key).signature,
            ..head
        }
    }
}

/// Bytes as they are, on the small lane.
pub fn raw(bytes: impl Into<Arc<[u8]>>) -> Frame {
    Frame { lane: Lane::Small, bytes: bytes.into() }
}
