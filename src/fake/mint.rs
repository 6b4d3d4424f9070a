use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::project::Project;
use crate::clock::Timestamp;
use crate::contract::UserId;

/// The signing key of another project. This key is as public as the default key.
const OTHER_KEY: &str = include_str!("other_key.pem");

/// The single defect of a token from [`Project::bad_token`].
///
/// ```
/// # use paragon_testkit::{contract::ProjectId, fake::{Flaw, Project}};
/// let project = Project::new(ProjectId::from("p"), None);
/// for flaw in Flaw::ALL {
///     println!("{flaw:?}: {}", project.bad_token(&"ada".into(), flaw));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Flaw {
    /// `exp` is a minute ago.
    Expired,
    /// The token has no `exp`.
    NoExpiry,
    /// `aud` names another project.
    WrongAudience,
    /// The token has no `aud`.
    NoAudience,
    /// The token is signed by HS256 with a secret.
    WrongAlgorithm,
    /// The token is not signed: `alg` is `none`.
    Unsigned,
    /// The token is signed with another project's key.
    WrongKey,
    /// The token has no `sub`.
    NoSubject,
    /// `nbf` is a minute ahead (`api.not-before`, assumed).
    NotYetValid,
    /// The text is no token at all.
    Garbage,
}

impl Flaw {
    /// All flaws.
    pub const ALL: [Self; 10] = [
        Self::Expired,
        Self::NoExpiry,
        Self::WrongAudience,
        Self::NoAudience,
        Self::WrongAlgorithm,
        Self::Unsigned,
        Self::WrongKey,
        Self::NoSubject,
        Self::NotYetValid,
        Self::Garbage,
    ];
}

/// How a valid token from [`Project::odd_token`] differs from the usual one. Known clients send tokens with these
/// differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oddity {
    /// The header of the token names the key in `kid`.
    KeyId,
    /// The token has `iat`.
    IssuedAt,
    /// The token has `nbf`, which is not in the future.
    NotBefore,
    /// `aud` begins with `dashboard.` (`api.audience-dashboard`, observed).
    DashboardAudience,
    /// `aud` is a list.
    AudienceList,
    /// The token has the claim `urn:useparagon:connect:permissions`, which is JSON in a string.
    Permissions,
    /// The token is valid for 24 hours.
    Day,
}

impl Oddity {
    /// All oddities.
    pub const ALL: [Self; 7] = [
        Self::KeyId,
        Self::IssuedAt,
        Self::NotBefore,
        Self::DashboardAudience,
        Self::AudienceList,
        Self::Permissions,
        Self::Day,
    ];
}

impl Project {
    /// Returns a valid user token: signed by RS256, with the documented `aud`, valid for an hour by the wall clock.
    ///
    /// ```
    /// # use paragon_testkit::{contract::ProjectId, fake::Project};
    /// let project = Project::new(ProjectId::from("p"), None);
    /// let authorization = format!("Bearer {}", project.token(&"ada".into()));
    /// # assert_eq!(authorization.split('.').count(), 3);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the project's signing key is invalid. The key of a running fake is always valid.
    #[track_caller]
    pub fn token(&self, user: &UserId) -> String {
        self.sign(&Header::new(Algorithm::RS256), &self.claims(user))
    }

    /// Returns a token that is refused for one reason.
    ///
    /// # Panics
    ///
    /// Panics if the project's signing key is invalid. The key of a running fake is always valid.
    #[track_caller]
    pub fn bad_token(&self, user: &UserId, flaw: Flaw) -> String {
        let mut claims = self.claims(user);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        match flaw {
            Flaw::Expired => set("exp", (now() - 60).into()),
            Flaw::WrongAudience => set("aud", format!("useparagon.com/not-{}", self.id).into()),
            Flaw::NotYetValid => set("nbf", (now() + 60).into()),
            Flaw::NoExpiry => claims.remove("exp"),
            Flaw::NoAudience => claims.remove("aud"),
            Flaw::NoSubject => claims.remove("sub"),
            Flaw::WrongAlgorithm => {
                return encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(b"secret"));
            }
            Flaw::Unsigned => {
                let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
                return format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims.into()));
            }
            Flaw::WrongKey => {
                // The project may use the other key as its own. Then the default key is the wrong one.
                let same = self.signing_key.trim() == OTHER_KEY.trim();
                let other = Self::new(self.id.clone(), if same { None } else { Some(OTHER_KEY.to_owned()) });
                return other.token(user);
            }
            Flaw::Garbage => return "not.a.token".to_owned(),
        };
        self.sign(&Header::new(Algorithm::RS256), &claims)
    }

    /// Returns a valid token in a form that not every implementation expects.
    ///
    /// # Panics
    ///
    /// Panics if the project's signing key is invalid. The key of a running fake is always valid.
    #[track_caller]
    pub fn odd_token(&self, user: &UserId, oddity: Oddity) -> String {
        let mut header = Header::new(Algorithm::RS256);
        let mut claims = self.claims(user);
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        match oddity {
            Oddity::KeyId => {
                header.kid = Some("paragon".to_owned());
                None
            }
            Oddity::IssuedAt => set("iat", now().into()),
            Oddity::NotBefore => set("nbf", now().into()),
            Oddity::DashboardAudience => set("aud", format!("dashboard.useparagon.com/{}", self.id).into()),
            Oddity::AudienceList => set("aud", json!(["https://example.com", format!("useparagon.com/{}", self.id)])),
            Oddity::Permissions => {
                let permissions = json!({"integration:sharepoint": {"credential:*": ["credential:write"]}});
                set("urn:useparagon:connect:permissions", permissions.to_string().into())
            }
            Oddity::Day => set("exp", (now() + 86_400).into()),
        };
        self.sign(&header, &claims)
    }

    fn claims(&self, user: &UserId) -> Map<String, Value> {
        let claims = [
            ("sub", user.as_str().into()),
            ("aud", format!("useparagon.com/{}", self.id).into()),
            ("exp", (now() + 3_600).into()),
        ];
        claims.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect()
    }

    #[track_caller]
    fn sign(&self, header: &Header, claims: &Map<String, Value>) -> String {
        match EncodingKey::from_rsa_pem(self.signing_key.as_bytes()) {
            Ok(key) => encode(header, claims, &key),
            Err(error) => panic!("the project's signing key is no RSA private key: {error}"),
        }
    }
}

#[track_caller]
fn encode(header: &Header, claims: &Map<String, Value>, key: &EncodingKey) -> String {
    jsonwebtoken::encode(header, claims, key).unwrap_or_else(|error| panic!("the project's key does not sign: {error}"))
}

fn now() -> i64 {
    Timestamp::wall().as_millis() / 1_000
}
