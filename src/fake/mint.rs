use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::project::Project;
use crate::clock::Moment;
use crate::contract::UserId;

/// Signs for a project that is not the fake's. As public as the other one.
const OTHER_KEY: &str = include_str!("other_key.pem");

/// The one thing that is wrong with a token from [`Project::bad_token`].
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
    /// `exp` was a minute ago.
    Expired,
    /// There is no `exp`.
    NoExpiry,
    /// `aud` names another project.
    WrongAudience,
    /// There is no `aud`.
    NoAudience,
    /// Signed by HS256 with a secret.
    WrongAlgorithm,
    /// Not signed: `alg` is `none`.
    Unsigned,
    /// Signed with the key of somebody else.
    WrongKey,
    /// There is no `sub`.
    NoSubject,
    /// `nbf` is in a minute (`api.not-before`, assumed).
    NotYetValid,
    /// No token at all.
    Garbage,
}

impl Flaw {
    /// All of them.
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

/// How a good token from [`Project::odd_token`] differs from the plain one. Clients that send such are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Oddity {
    /// The header names the key: `kid`.
    KeyId,
    /// It has `iat`.
    IssuedAt,
    /// It has `nbf`, which is past.
    NotBefore,
    /// `aud` begins with `dashboard.` (`api.audience-dashboard`, observed).
    DashboardAudience,
    /// `aud` is a list.
    AudienceList,
    /// It has the claim `urn:useparagon:connect:permissions`, JSON in a string.
    Permissions,
    /// It lives for 24 hours.
    Day,
}

impl Oddity {
    /// All of them.
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
    /// A good user token: RS256, the documented `aud`, for an hour by the wall clock.
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
    /// When the project's signing key is none; that of a running fake is one.
    #[track_caller]
    pub fn token(&self, user: &UserId) -> String {
        self.sign(&Header::new(Algorithm::RS256), &self.claims(user))
    }

    /// A token that is refused for one reason.
    ///
    /// # Panics
    ///
    /// When the project's signing key is none; that of a running fake is one.
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
                // Somebody may have taken the other key for their own.
                let same = self.signing_key.trim() == OTHER_KEY.trim();
                let other = Self::new(self.id.clone(), if same { None } else { Some(OTHER_KEY.to_owned()) });
                return other.token(user);
            }
            Flaw::Garbage => return "not.a.token".to_owned(),
        };
        self.sign(&Header::new(Algorithm::RS256), &claims)
    }

    /// A good token of a form that not everybody expects.
    ///
    /// # Panics
    ///
    /// When the project's signing key is none; that of a running fake is one.
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
    Moment::wall().as_millis() / 1_000
}
