use std::fmt;

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
    pub fn new(id: ProjectId, signing_key: Option<String>) -> Self {
        Self { id, signing_key: signing_key.unwrap_or_else(|| TEST_KEY.to_owned()) }
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
