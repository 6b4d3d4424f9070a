use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::contract::ProjectId;

/// The default signing key. It is public and the same for everybody, and it signs only tokens of tests.
const TEST_KEY: &str = include_str!("signing_key.pem");

/// The project data that a receiver needs to call the Sync API.
#[derive(Clone)]
#[non_exhaustive]
pub struct Project {
    /// The project id. It is the last part of a token's `aud`.
    pub id: ProjectId,
    /// The RS256 private key that signs user tokens, as PEM.
    pub signing_key: String,
}

/// The error for a signing key that cannot sign.
#[derive(Debug, thiserror::Error)]
#[error("expected an RSA private key as PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY): {0}")]
pub struct KeyError(#[source] jsonwebtoken::errors::Error);

impl Project {
    /// Creates a project with the given key, or with the test key that this crate ships.
    pub fn new(id: impl Into<ProjectId>, signing_key: Option<String>) -> Self {
        Self { id: id.into(), signing_key: signing_key.unwrap_or_else(|| TEST_KEY.to_owned()) }
    }

    /// Returns the public part of the signing key, as PEM.
    ///
    /// ```
    /// use paragon_testkit::fake::Project;
    ///
    /// let project = Project::new("p", None);
    /// assert!(project.public_key()?.starts_with("-----BEGIN PUBLIC KEY-----"));
    /// # Ok::<(), paragon_testkit::fake::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the signing key is no RSA private key.
    pub fn public_key(&self) -> Result<String, KeyError> {
        // This names what is wrong with the key; the other crate does not.
        EncodingKey::from_rsa_pem(self.signing_key.as_bytes()).map_err(KeyError)?;
        let invalid = || KeyError(ErrorKind::InvalidRsaKey("it cannot be read".to_owned()).into());
        let base64: String =
            self.signing_key.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = BASE64_STANDARD.decode(base64).map_err(|_| invalid())?;
        let pair = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map_err(|_| invalid())?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| invalid())?;
        let text = BASE64_STANDARD.encode(public.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    pub(super) fn verifying_key(&self) -> Result<DecodingKey, KeyError> {
        let key = EncodingKey::from_rsa_pem(self.signing_key.as_bytes()).map_err(KeyError)?;
        let public = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(KeyError)?;
        DecodingKey::from_jwk(&public).map_err(KeyError)
    }
}

/// Prints the project without its signing key.
impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Project").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_private_key_have_the_same_public_key() {
        let project = Project::new("p", None);
        let base64: String = project.signing_key.lines().filter(|line| !line.starts_with("-----")).collect();
        // The older form is the inner part of the newer one, behind 26 bytes of description.
        let inner = BASE64_STANDARD.encode(&BASE64_STANDARD.decode(base64).unwrap()[26..]);
        let older = format!("-----BEGIN RSA PRIVATE KEY-----\n{inner}\n-----END RSA PRIVATE KEY-----\n");
        let (newer, older) = (project.public_key().unwrap(), Project::new("p", Some(older)).public_key().unwrap());
        assert_eq!(newer, older);
        let verifies = DecodingKey::from_rsa_pem(newer.as_bytes()).unwrap();
        let validation = jsonwebtoken::Validation::new(Algorithm::RS256);
        let validation = jsonwebtoken::Validation { validate_aud: false, ..validation };
        let token = project.token(&"ada".into());
        assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &verifies, &validation).is_ok());
    }
}
