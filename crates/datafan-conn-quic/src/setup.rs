//! Settings of TLS and QUIC: everything that the libraries leave open or unbounded is closed or bounded here.

use crate::{
    certificate,
    config::{Config, GREETING_WINDOW_BYTES, HALF_OPEN_MAX, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES},
    verifier::MemberVerifier,
};
use datafan_core::identity::Identity;
use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig,
    crypto::{
        HmacKey,
        rustls::{QuicClientConfig, QuicServerConfig},
    },
};
use quinn_proto::{HashedConnectionIdGenerator, crypto::CryptoError};
use rustls::{client::Resumption, crypto::ring, server::NoServerSessionStorage, version::TLS13};
use std::sync::Arc;

/// The settings of the endpoints.
pub(crate) struct Setup {
    pub(crate) endpoint: EndpointConfig,
    pub(crate) server: ServerConfig,
    pub(crate) client: ClientConfig,
}

/// Derives all settings from `config`.
pub(crate) fn setup(config: &Config) -> Result<Setup, String> {
    let tls = tls(&config.identity)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls.server));
    // One stream, for the greeting; it stays open, so there is never a second one.
    server.transport_config(Arc::new(transport(config, 1)?));
    server.max_incoming(2 * HALF_OPEN_MAX).incoming_buffer_size(64 << 10);
    server.incoming_buffer_size_total(4 << 20);
    let mut client = ClientConfig::new(Arc::new(tls.client));
    client.transport_config(Arc::new(transport(config, 0)?));
    Ok(Setup { endpoint: endpoint(&config.identity), server, client })
}

struct Tls {
    server: QuicServerConfig,
    client: QuicClientConfig,
}

/// TLS 1.3 only, certificates on both sides, no resumption: it would skip the check of the peer's identity.
fn tls(identity: &Identity) -> Result<Tls, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(MemberVerifier { me: identity.id() });
    let (certificate, key) = certificate::issue(identity)?;
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(text)?
        .with_client_cert_verifier(verifier.clone())
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .map_err(text)?;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    server.max_early_data_size = 0;
    server.alpn_protocols = vec![ALPN.to_vec()];
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(text)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![certificate], key)
        .map_err(text)?;
    client.resumption = Resumption::disabled();
    client.enable_early_data = false;
    client.enable_sni = false;
    client.alpn_protocols = vec![ALPN.to_vec()];
    let server = QuicServerConfig::try_from(server).map_err(text)?;
    let client = QuicClientConfig::try_from(client).map_err(text)?;
    Ok(Tls { server, client })
}

fn transport(config: &Config, n_bidi_streams: u32) -> Result<TransportConfig, String> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(n_bidi_streams.into())
        .max_concurrent_uni_streams(N_LANES.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(GREETING_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(config.keep_alive_interval))
        .max_idle_timeout(Some(IdleTimeout::try_from(config.idle_timeout).map_err(text)?))
        .allow_spin(false);
    Ok(transport)
}

/// Reset key and connection ids are derived from the member's secret: a restarted member recognises packets
/// of its previous run, and answers them with a reset that the peer trusts at once.
fn endpoint(identity: &Identity) -> EndpointConfig {
    let secret = identity.secret();
    let id_key = blake3::derive_key("datafan/1 connection ids", &secret[..]);
    let id_key = u64::from_be_bytes(std::array::from_fn(|i| id_key[i]));
    let mut endpoint =
        EndpointConfig::new(Arc::new(ResetKey(blake3::derive_key("datafan/1 resets", &secret[..]))));
    endpoint.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    endpoint
}

struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature: &mut [u8]) {
        signature.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // `blake3::Hash` compares in constant time.
        let given: [u8; 32] = signature.try_into().map_err(|_| CryptoError)?;
        if blake3::keyed_hash(&self.0, data) == given { Ok(()) } else { Err(CryptoError) }
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

const ALPN: &[u8] = b"datafan/1";
const N_LANES: u32 = 2;
