//! iroh-docs: two nodes of one document over loopback QUIC, live. No relay and no address lookup: each is
//! told the address of the other. Data in memory.
//!
//! Difference from datafan: a value is fetched after its entry, so an entry arrives before its value; both
//! times are reported.

use crate::{data, figures::Figures};
use anyhow::{Context, Result};
use iroh::{Endpoint, EndpointAddr, RelayMode, endpoint::presets, protocol::Router};
use iroh_blobs::{BlobsProtocol, store::mem::MemStore};
use iroh_docs::{Capability, NamespaceSecret, api::Doc, engine::LiveEvent, protocol::Docs};
use iroh_gossip::net::Gossip;
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, time::timeout};
use tokio_stream::{Stream, StreamExt};

/// The time from the call that writes until the other node has the entry, and until it has the value.
///
/// # Errors
/// If the nodes do not find each other, or a write does not arrive.
pub fn writes(n: u32) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let (writer, reader) = (Node::new().await?, Node::new().await?);
        let mut events = reader.doc.subscribe().await?;
        writer.doc.start_sync(Vec::new()).await?;
        reader.doc.start_sync(vec![writer.address()?]).await?;
        while !matches!(next(&mut events).await.context("no neighbour")?, LiveEvent::NeighborUp(_)) {}
        let author = writer.docs.author_create().await?;
        let (mut entries, mut values) = (Vec::new(), Vec::new());
        for n in 0..u64::from(n) {
            let began = Instant::now();
            let wanted = writer.doc.set_bytes(author, data::key(n), data::value(n)).await?;
            let (mut has_entry, mut has_value) = (false, false);
            while !(has_entry && has_value) {
                let times =
                    match next(&mut events).await.with_context(|| format!("write {n}, entry {has_entry}"))? {
                        LiveEvent::InsertRemote { entry, .. } if entry.content_hash() == wanted => {
                            has_entry = true;
                            &mut entries
                        }
                        LiveEvent::ContentReady { hash } if hash == wanted => {
                            has_value = true;
                            &mut values
                        }
                        _ => continue,
                    };
                times.push(began.elapsed().as_secs_f64() * 1_000.0);
            }
        }
        let mut figures = Figures::default();
        figures.add_percentiles("entry_", &mut entries);
        figures.add_percentiles("value_", &mut values);
        writer.router.shutdown().await?;
        reader.router.shutdown().await?;
        Ok(figures)
    })
}

struct Node {
    endpoint: Endpoint,
    router: Router,
    docs: Docs,
    doc: Doc,
}

impl Node {
    async fn new() -> Result<Self> {
        let endpoint = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr((Ipv4Addr::LOCALHOST, 0))?
            .bind()
            .await?;
        let blobs = MemStore::default();
        let gossip = Gossip::builder().spawn(endpoint.clone());
        let docs = Docs::memory().spawn(endpoint.clone(), (*blobs).clone(), gossip.clone()).await?;
        let router = Router::builder(endpoint.clone())
            .accept(iroh_blobs::ALPN, BlobsProtocol::new(&blobs, None))
            .accept(iroh_gossip::ALPN, gossip)
            .accept(iroh_docs::ALPN, docs.clone())
            .spawn();
        let doc = docs.import_namespace(Capability::Write(NamespaceSecret::from_bytes(&[7; 32]))).await?;
        Ok(Self { endpoint, router, docs, doc })
    }

    fn address(&self) -> Result<EndpointAddr> {
        let bound = self.endpoint.bound_sockets();
        let socket = bound.first().context("the endpoint has no address")?;
        Ok(EndpointAddr::new(self.endpoint.id()).with_ip_addr(*socket))
    }
}

async fn next(events: &mut (impl Stream<Item = Result<LiveEvent>> + Unpin)) -> Result<LiveEvent> {
    timeout(PATIENCE, events.next()).await?.context("no more events")?
}

const PATIENCE: Duration = Duration::from_secs(30);
