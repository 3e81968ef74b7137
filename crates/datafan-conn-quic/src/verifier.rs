//! Verifies who the other side of a TLS handshake is.

use crate::certificate;
use datafan_core::id::MemberId;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use std::sync::Arc;

/// Accepts any peer that proves to hold the Ed25519 key in its certificate; for a dialled peer, the key must
/// also be the one in the server name. Our own key is accepted if it is expected, and from diallers: another
/// process has it. Validity dates, names and chains are ignored, because expiry belongs to the roster.
#[derive(Debug)]
pub(crate) struct MemberVerifier {
    pub(crate) me: MemberId,
}

/// The server name of a dial: a DNS label with an id in base32. It is compared here and never sent.
pub(crate) fn server_name(expected: Option<MemberId>) -> String {
    match expected {
        Some(id) => format!("{id}{SUFFIX}"),
        None => format!("any{SUFFIX}"),
    }
}

impl MemberVerifier {
    fn judge(&self, certificate: &CertificateDer<'_>, expected: Option<MemberId>) -> Result<(), Error> {
        let found = certificate::member(certificate).ok_or(CertificateError::BadEncoding)?;
        if found == self.me && expected != Some(self.me) {
            return Err(refused(OWN_ADDRESS.into()));
        }
        match expected {
            Some(expected) if expected != found => {
                Err(refused(format!("expected {}, found {}", expected.short(), found.short())))
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for MemberVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = server_name.to_str();
        let expected = name.strip_suffix(SUFFIX).and_then(|id| id.parse().ok());
        self.judge(end_entity, expected).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &ED25519_ONLY)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for MemberVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Any key will do: the engine decides who may stay.
        certificate::member(end_entity).ok_or(CertificateError::BadEncoding)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &ED25519_ONLY)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn refused(reason: String) -> Error {
    Error::Other(OtherError(Arc::from(Box::from(reason))))
}

/// The error of a dial to oneself.
pub(crate) const OWN_ADDRESS: &str = "this is our own address";
const SUFFIX: &str = ".datafan";
const ED25519_ONLY: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519])],
};
