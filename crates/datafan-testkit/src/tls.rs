//! TLS for attacks on a member below its connector.

use datafan_core::{id::MemberId, identity::Identity};
use quinn::{ClientConfig, crypto::rustls::QuicClientConfig};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
};
use std::sync::Arc;

/// The certificate of a client, and the key that it signs with.
pub type Credentials = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A client with these credentials, whether they match or not, that accepts any server.
pub fn client(credentials: Option<Credentials>, alpn: &[u8]) -> ClientConfig {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone));
    let mut tls = match credentials {
        Some((certificate, key)) => {
            // Unlike `with_client_auth_cert`, this accepts a key that does not match.
            let key = ring::sign::any_supported_type(&key).expect("a key that ring can sign with");
            let certified = Arc::new(rustls::sign::CertifiedKey::new(vec![certificate], key));
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![alpn.to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3 has what QUIC needs")))
}

/// The credentials of a member.
pub fn of_member(identity: &Identity) -> Credentials {
    let prefix = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let pkcs8 = PrivatePkcs8KeyDer::from([&prefix[..], &identity.secret()[..]].concat());
    let pair = rcgen::KeyPair::try_from(&pkcs8).expect("an Ed25519 key");
    assert_eq!(MemberId(pair.public_key_raw().try_into().expect("32 bytes")), identity.id());
    of_pair(&pair)
}

/// Credentials that no member has: on a NIST curve.
pub fn elliptic() -> Credentials {
    of_pair(&rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("ring makes such keys"))
}

fn of_pair(pair: &rcgen::KeyPair) -> Credentials {
    let certificate = rcgen::CertificateParams::default().self_signed(pair).expect("it signs itself");
    (certificate.der().clone(), PrivatePkcs8KeyDer::from(pair.serialize_der()).into())
}

/// An attacker accepts any server.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
