//! An attacker below the connector: a QUIC connection of a member that can send any bytes.

use crate::{attack::Facts, patience};
use datafan_core::{id::MemberId, identity::Identity, message::Message};
use datafan_node::Node;
use datafan_testkit::tls;
use quinn::{Connection, Endpoint, RecvStream, SendStream};

/// A link that is up, with its two lanes.
pub struct Raw {
    connection: Connection,
    pub small: SendStream,
    pub bulk: SendStream,
    /// The messages of the victim in its small lane.
    heard: RecvStream,
    _greeting: (SendStream, RecvStream),
    _endpoint: Endpoint,
}

impl Raw {
    /// Links to `victim`, as docs/protocol-links.md says.
    pub async fn links(key: &Identity, victim: &Node) -> Self {
        Self::comes(key, victim).await.expect("a link")
    }

    /// Like [`Raw::links`]; `None` if the victim closes the connection before its lanes are open.
    pub async fn comes(key: &Identity, victim: &Node) -> Option<Self> {
        let client = tls::client(Some(tls::of_member(key)), b"datafan/1");
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
        let connecting = endpoint.connect_with(client, victim.local_addrs()[0], "any.datafan");
        let connection = patience("a connection", connecting.unwrap()).await.ok()?;
        let greeting = patience("a greeting", greet(&connection, key.id(), victim.id())).await?;
        let mut lanes = Vec::new();
        for lane in [0, 1] {
            let mut stream = connection.open_uni().await.ok()?;
            stream.write_all(&[lane]).await.ok()?;
            lanes.push(stream);
        }
        let heard = patience("the small lane", small_lane(&connection)).await?;
        let (bulk, small) = (lanes.pop()?, lanes.pop()?);
        Some(Self { connection, small, bulk, heard, _greeting: greeting, _endpoint: endpoint })
    }

    /// Like [`Raw::links`], and greets as a member without a roster.
    pub async fn meets(facts: &Facts, victim: &Node) -> Self {
        let mut link = Self::links(&facts.key, victim).await;
        let mut hello = facts.hello();
        hello.roster = None;
        for message in [Message::Hello(hello.into()), Message::Welcome] {
            link.says(&message).await;
        }
        link.hears(2).await;
        link
    }

    pub async fn says(&mut self, message: &Message<'_>) {
        let bytes = message.encode();
        self.small.write_all(&header(bytes.len())).await.unwrap();
        self.small.write_all(&bytes).await.unwrap();
    }

    /// Reads until a message with `tag` arrives.
    pub async fn hears(&mut self, tag: u8) {
        let reading = async {
            loop {
                let mut length = [0; 4];
                self.heard.read_exact(&mut length).await.unwrap();
                let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
                self.heard.read_exact(&mut bytes).await.unwrap();
                if bytes[1] == tag {
                    return;
                }
            }
        };
        patience("a message", reading).await;
    }

    /// Opens another stream, which starts with `bytes`.
    pub async fn opens(&self, bytes: &[u8]) -> Option<SendStream> {
        let mut stream = self.connection.open_uni().await.ok()?;
        stream.write_all(bytes).await.ok()?;
        Some(stream)
    }

    /// Waits until the victim closes the connection; returns its reason.
    pub async fn sees_down(&self) -> String {
        patience("the end of the link", self.connection.closed()).await.to_string()
    }
}

/// The length prefix of a frame.
pub fn header(n_bytes: usize) -> [u8; 4] {
    u32::try_from(n_bytes).unwrap().to_be_bytes()
}

async fn greet(connection: &Connection, me: MemberId, victim: MemberId) -> Option<(SendStream, RecvStream)> {
    let (mut send, mut receive) = connection.open_bi().await.ok()?;
    let mut run = [0; 16];
    getrandom::fill(&mut run).unwrap();
    send.write_all(&[&[1][..], &run, &[0; 24]].concat()).await.ok()?;
    receive.read_exact(&mut [0; 41]).await.ok()?;
    if me < victim {
        // The lower id decides that this is the link.
        send.write_all(&1u64.to_be_bytes()).await.ok()?;
    } else {
        receive.read_exact(&mut [0; 8]).await.ok()?;
    }
    Some((send, receive))
}

async fn small_lane(connection: &Connection) -> Option<RecvStream> {
    loop {
        let mut stream = connection.accept_uni().await.ok()?;
        let mut lane = [9];
        stream.read_exact(&mut lane).await.ok()?;
        if lane == [0] {
            return Some(stream);
        }
    }
}
