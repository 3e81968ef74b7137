//! Bare QUIC: the cost of an idle member's messages without anything that handles them.

use crate::{
    data,
    figures::Figures,
    idle_cpu::{SETTLES, ends, measured},
};
use anyhow::{Context, Result};
use quinn::{
    ClientConfig, Connection, Endpoint, ServerConfig, TransportConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    version::TLS13,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{runtime::Builder, time::sleep};

/// Links of the measured side.
const LINKS: usize = 6;
/// The message of a round, with its length.
const MESSAGE: [u8; 38] = [7; 38];
const NAME: &str = "bare.datafan";
/// The same settings as in a member's connector.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Prints the addresses of the other ends and their certificate, and runs until its standard input ends.
///
/// # Errors
/// If they do not start.
pub fn peers() -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec![NAME.into()])?.self_signed(&key)?;
    let entered = runtime.enter();
    let mut line = vec![hex(certificate.der())];
    for number in 0..LINKS as u64 {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let endpoint = Endpoint::server(server(certificate.der().clone(), key)?, ([127, 0, 0, 1], 0).into())?;
        line.push(endpoint.local_addr()?.to_string());
        runtime.spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                if let Ok(connection) = incoming.await {
                    tokio::spawn(reads(connection.clone()));
                    tokio::spawn(writes(vec![connection], number));
                }
            }
        });
    }
    println!("{}", line.join(" "));
    drop(entered);
    ends();
    Ok(())
}

/// Links to all of them and measures.
///
/// # Errors
/// If a link does not come up.
pub fn member(seconds: u32, certificate: &str, addresses: &[SocketAddr]) -> Result<Figures> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into())?;
        let config = client(CertificateDer::from(unhex(certificate)?))?;
        let mut links = Vec::new();
        for address in addresses {
            let connection = endpoint.connect_with(config.clone(), *address, NAME)?.await?;
            tokio::spawn(reads(connection.clone()));
            links.push(connection);
        }
        tokio::spawn(writes(links, LINKS as u64));
        sleep(SETTLES).await;
        tokio::task::spawn_blocking(move || measured(seconds)).await?
    })
}

/// Sends one message over each link at the same time, and again after 0.75 to 1.25 s, like rounds. Different
/// members are not synchronised.
async fn writes(links: Vec<Connection>, member: u64) -> Result<()> {
    let mut streams = Vec::new();
    for link in &links {
        streams.push(link.open_uni().await?);
    }
    for round in 0.. {
        for stream in &mut streams {
            stream.write_all(&MESSAGE).await?;
        }
        let jitter = data::scattered(member << 32 | round) % 500_000;
        sleep(Duration::from_micros(750_000 + jitter)).await;
    }
    Ok(())
}

async fn reads(link: Connection) -> Result<()> {
    let mut stream = link.accept_uni().await?;
    let mut message = MESSAGE;
    loop {
        stream.read_exact(&mut message[..4]).await?;
        stream.read_exact(&mut message[4..]).await?;
    }
}

fn server(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<ServerConfig> {
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport());
    Ok(config)
}

fn client(certificate: CertificateDer<'static>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport());
    Ok(config)
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.keep_alive_interval(Some(KEEP_ALIVE)).allow_spin(false);
    Arc::new(transport)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    (0..text.len()).step_by(2).map(|at| byte(at).context("not hexadecimal digits")).collect()
}
