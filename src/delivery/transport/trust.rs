use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

/// The certificates that are accepted from a receiver over https. Needs the feature `tls`.
///
/// By default, these are the certificates that the operating system trusts for the name in the URL.
///
/// ```
/// use paragon_testkit::FakeParagon;
/// use paragon_testkit::delivery::Trust;
///
/// # async fn example(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let paragon = FakeParagon::builder().trust(Trust::default().pem(pem)?).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trust {
    more: Vec<CertificateDer<'static>>,
    all: bool,
}

/// Error of a file that holds no certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected certificates in PEM, which begin with -----BEGIN CERTIFICATE-----: {0}")]
pub struct TrustError(String);

impl Trust {
    /// Also accepts these certificates, in PEM. Each may be the certificate of an authority, or that of the receiver
    /// itself. The certificate of the receiver is accepted as it is, whatever names and dates it contains. So a
    /// self-signed certificate works even if it does not name its host.
    ///
    /// # Errors
    ///
    /// Returns an error if the text contains no certificate, or an invalid one.
    pub fn pem(mut self, pem: &[u8]) -> Result<Self, TrustError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let read = read.map_err(|error| TrustError(error.to_string()))?;
        if read.is_empty() {
            return Err(TrustError("there is none".to_owned()));
        }
        for certificate in &read {
            let added = RootCertStore::empty().add(certificate.clone());
            added.map_err(|error| TrustError(format!("one of them cannot be read ({error})")))?;
        }
        self.more.extend(read);
        Ok(self)
    }

    /// Accepts every certificate, so the connection is encrypted, but the receiver may be anybody.
    #[must_use]
    pub fn all(self) -> Self {
        Self { all: true, ..self }
    }

    /// Makes a client accept these certificates.
    pub(crate) fn apply(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Error> {
        if self.all {
            return Ok(builder.tls_danger_accept_invalid_certs(true));
        }
        if self.more.is_empty() {
            return Ok(builder);
        }
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
        let authorities = Verifier::new_with_extra_roots(self.more.iter().cloned(), provider.clone())?;
        let verifier = Arc::new(KnownOrVerified { known: self.more.clone(), authorities });
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(builder.tls_backend_preconfigured(config))
    }
}

/// Explains an error of TLS in plain words. Returns `None` for an error whose own text is clear enough.
pub(super) fn explain(error: &Error) -> Option<String> {
    use CertificateError::{Expired, ExpiredContext, NotValidForName, NotValidForNameContext, Other, UnknownIssuer};
    Some(match error {
        Error::InvalidCertificate(UnknownIssuer) => "no authority that is known has signed the certificate".to_owned(),
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "the certificate is not for this host".to_owned()
        }
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => "the certificate has expired".to_owned(),
        // The text is the only thing by which this error can be told from others.
        Error::InvalidCertificate(Other(other)) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the certificate is self-signed".to_owned()
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => "the receiver does not speak TLS".to_owned(),
        _ => return None,
    })
}

/// Accepts the known certificates, and all that the authorities have signed for the host.
///
/// The authorities alone would refuse most self-signed certificates. As openssl makes them, they are certificates of an
/// authority, which no server may use, and often do not name their host as today's rules demand.
#[derive(Debug)]
struct KnownOrVerified {
    known: Vec<CertificateDer<'static>>,
    authorities: Verifier,
}

impl ServerCertVerifier for KnownOrVerified {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.known.contains(shown) {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(shown, chain, host, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_a_valid_certificate_is_refused() {
        let told = |pem: &str| Trust::default().pem(pem.as_bytes()).unwrap_err().to_string();
        let start = "expected certificates in PEM, which begin with -----BEGIN CERTIFICATE-----: ";
        assert_eq!(told(""), format!("{start}there is none"));
        assert_eq!(told(include_str!("../../fake/other_key.pem")), format!("{start}there is none"));
        let invalid = told("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(invalid.starts_with(&format!("{start}one of them cannot be read")), "{invalid}");
        let cut = told("-----BEGIN CERTIFICATE-----\nAAAA\n");
        assert!(cut.starts_with(start), "{cut}");
    }
}
