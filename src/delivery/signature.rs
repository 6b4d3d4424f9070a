use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// Signature of request bodies, in the header `x-paragon-signature: v1=…`: an HMAC-SHA256 of the body. A sister
/// product of Managed Sync documents this header. Managed Sync itself documents no signature (`signature`, assumed).
/// The encoding of the HMAC is not published: hexadecimal is our guess.
///
/// ```
/// use paragon_testkit::delivery::Signature;
///
/// let signature = Signature::new("whsec");
/// let signed = signature.of(br#"{"event":"webhook_verification"}"#);
/// assert!(signed.starts_with("v1=") && signed.len() == 3 + 64, "{signed}");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signature {
    /// Secret that sender and receiver share.
    pub secret: String,
    /// Encoding of the HMAC.
    #[serde(default)]
    pub encoding: Encoding,
}

/// Encoding of the HMAC in a [`Signature`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64.
    Base64,
}

impl Signature {
    /// Name of the header.
    pub const HEADER: &str = "x-paragon-signature";

    /// Creates a signature with this secret, in hexadecimal digits.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), encoding: Encoding::Hex }
    }

    /// Returns the value of the header for a body.
    pub fn of(&self, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let tag = hmac::sign(&key, body);
        match self.encoding {
            Encoding::Hex => tag.as_ref().iter().fold("v1=".to_owned(), |text, byte| text + &format!("{byte:02x}")),
            Encoding::Base64 => format!("v1={}", BASE64_STANDARD.encode(tag)),
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the second test case of RFC 4231.
    #[test]
    fn the_signature_is_the_hmac_of_rfc_4231() {
        let mut signature = Signature::new("Jefe");
        let body = b"what do ya want for nothing?";
        let hex = "v1=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature.of(body), hex);
        signature.encoding = Encoding::Base64;
        assert_eq!(signature.of(body), "v1=W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
        assert!(!format!("{signature:?}").contains("Jefe"));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Signature::new("Jefe")), "Signature { encoding: Hex, .. }");
    }
}
