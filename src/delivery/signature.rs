use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

/// Signs bodies as a sister product of Managed Sync documents it: `x-paragon-signature: v1=…`, an HMAC-SHA256 of the
/// body. Managed Sync itself documents no signature (`signature`, assumed), and how the bytes are written is not
/// published: hexadecimal is our guess.
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
    /// What both sides know.
    pub secret: String,
    /// How the bytes are written.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How the bytes of a [`Signature`] are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// In hexadecimal digits.
    #[default]
    Hex,
    /// In base64.
    Base64,
}

impl Signature {
    /// The name of the header.
    pub const HEADER: &str = "x-paragon-signature";

    /// With this secret, in hexadecimal digits.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), encoding: Encoding::Hex }
    }

    /// The value of the header for a body.
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

    /// The second test case of RFC 4231.
    #[test]
    fn it_is_the_hmac_of_the_standard() {
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
