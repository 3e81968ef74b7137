//! Certificates that carry members' keys: only the public key in them matters.

use datafan_core::{id::MemberId, identity::Identity};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// A self-signed certificate of `identity`, and its private key.
pub(crate) fn issue(
    identity: &Identity,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), String> {
    let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], &identity.secret()[..]].concat());
    let key = PrivatePkcs8KeyDer::from(pkcs8.to_vec());
    let pair = rcgen::KeyPair::try_from(&key).map_err(|error| error.to_string())?;
    let certificate =
        rcgen::CertificateParams::default().self_signed(&pair).map_err(|error| error.to_string())?;
    Ok((certificate.der().clone(), key.into()))
}

/// The member whose key `certificate` holds; `None` if it is malformed or has no Ed25519 key.
pub(crate) fn member(certificate: &CertificateDer<'_>) -> Option<MemberId> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let info = parsed.subject_public_key_info();
    let key = info.as_ref().strip_prefix(&SPKI_PREFIX)?;
    key.try_into().ok().map(MemberId)
}

/// RFC 8410, PKCS #8 version 1 of an Ed25519 key; the 32 secret bytes follow.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// RFC 8410, SubjectPublicKeyInfo of an Ed25519 key; the 32 public bytes follow.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_its_member() {
        let identity = Identity::from_secret(&[7; 32]);
        let (certificate, _) = issue(&identity).unwrap();
        assert_eq!(member(&certificate), Some(identity.id()));
    }

    #[test]
    fn other_keys_and_broken_certificates_name_nobody() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let other = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
        assert_eq!(member(other.der()), None);
        let (good, _) = issue(&Identity::from_secret(&[7; 32])).unwrap();
        for length in 0..good.len() {
            assert_eq!(member(&good[..length].to_vec().into()), None, "cut at {length}");
        }
    }
}
