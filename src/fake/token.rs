use std::collections::BTreeMap;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::Misconfigured;
use crate::clock::Timestamp;
use crate::contract::{ProjectId, UserId};

/// The audiences that a token may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Audience {
    /// Only `useparagon.com/<project id>` (`api.audience`, documented).
    Documented,
    /// `useparagon.com/<project id>` and `dashboard.useparagon.com/<project id>` (`api.audience-dashboard`, observed).
    #[default]
    Both,
}

/// Reason why a token is refused, for the developer: Paragon itself says only "Unauthorized".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadToken {
    pub(super) reason: String,
    /// Part of the receiver's configuration that is wrong, if the token shows it.
    pub(super) misconfigured: Option<Misconfigured>,
}

impl<T: Into<String>> From<T> for BadToken {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), misconfigured: None }
    }
}

/// The claims of a token that are checked.
struct Claims {
    sub: UserId,
    aud: Vec<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl Claims {
    fn read(claims: &Map<String, Value>) -> Result<Self, String> {
        let moment = |name: &str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                value.as_f64().map(Some).ok_or_else(|| format!("the token's `{name}` is {value}, no number"))
            }
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // `aud` is one string or several (RFC 7519).
        let aud = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().filter_map(text).collect(),
            one => one.and_then(text).into_iter().collect(),
        };
        let sub = claims.get("sub").and_then(text).unwrap_or_default();
        Ok(Self { sub: sub.into(), aud, exp: moment("exp")?, nbf: moment("nbf")? })
    }

    /// Returns the user of the token if the token is valid at the time `wall`. There is no tolerance for clock
    /// differences, because the receiver and the fake share one clock.
    fn judge(&self, project: &ProjectId, audience: Audience, wall: Timestamp) -> Result<UserId, BadToken> {
        let taken = |aud: &String| {
            let plain = aud.strip_prefix("dashboard.").filter(|_| audience == Audience::Both).unwrap_or(aud);
            plain.strip_prefix("useparagon.com/") == Some(project.as_str())
        };
        if !self.aud.iter().any(taken) {
            let expected = format!("useparagon.com/{project}");
            let reason = format!("the token's `aud` is {:?}, expected {expected:?}", self.aud);
            let names_another =
                |aud: &String| aud.split_once("useparagon.com/").is_some_and(|(_, id)| id != project.as_str());
            let is_another = self.aud.iter().any(names_another);
            return Err(BadToken { reason, misconfigured: is_another.then_some(Misconfigured::Project) });
        }
        let seconds = wall.as_millis() / 1_000;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this millennium")]
        let now = wall.as_millis() as f64;
        let exp = self.exp.ok_or("the token has no `exp`")?;
        if exp * 1_000.0 <= now {
            return Err(format!("the token expired: `exp` is {exp}, now is {seconds}").into());
        }
        if let Some(nbf) = self.nbf.filter(|nbf| nbf * 1_000.0 > now) {
            return Err(format!("the token is not valid yet: `nbf` is {nbf}, now is {seconds}").into());
        }
        if self.sub.as_str().is_empty() {
            return Err("the token has no `sub`".into());
        }
        Ok(self.sub.clone())
    }
}

/// Verifies the token of a request and returns its user. The verifier remembers the tokens whose signature it has
/// verified, because verifying is slow. It checks the time anew at each call.
pub(super) struct Verifier {
    key: DecodingKey,
    project: ProjectId,
    audience: Audience,
    /// The remembered headers are in two maps. When `young` is full it becomes `old`, and the headers that were not
    /// used meanwhile are forgotten. The maps are sorted, not hashed, because tokens are long, but differ soon after
    /// the beginning that all tokens share.
    young: BTreeMap<Box<[u8]>, Claims>,
    old: BTreeMap<Box<[u8]>, Claims>,
}

impl Verifier {
    /// Maximum number of headers that are remembered.
    const CAPACITY: usize = 1_024;
    /// Maximum length of a header that is remembered, in bytes. No user token is longer, and remembering many long
    /// headers would cost memory.
    const LONGEST: usize = 4_096;

    pub(super) fn new(key: DecodingKey, project: ProjectId, audience: Audience) -> Self {
        Self { key, project, audience, young: BTreeMap::new(), old: BTreeMap::new() }
    }

    /// Returns a verifier with the same settings that remembers nothing yet.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.key.clone(), self.project.clone(), self.audience)
    }

    /// Accepts these audiences from now on.
    pub(super) fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// Returns the user of the token, or the reason why the token is refused.
    pub(super) fn verify(&mut self, authorization: Option<&[u8]>, wall: Timestamp) -> Result<UserId, BadToken> {
        let header = authorization.ok_or("there is no Authorization header")?;
        if let Some(claims) = self.young.get(header) {
            return claims.judge(&self.project, self.audience, wall);
        }
        let claims = match self.old.remove(header) {
            Some(claims) => claims,
            None => open(header, &self.key)?,
        };
        let user = claims.judge(&self.project, self.audience, wall);
        if header.len() <= Self::LONGEST {
            if self.young.len() >= Self::CAPACITY / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(header.into(), claims);
        }
        user
    }
}

/// Verifies the signature of a token and returns its claims.
fn open(header: &[u8], key: &DecodingKey) -> Result<Claims, BadToken> {
    // The scheme is compared without case (RFC 9110, 11.1).
    let credentials = std::str::from_utf8(header).ok().and_then(|header| header.split_once(' '));
    let token = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, token)| token);
    let token = token.ok_or("the Authorization header is not `Bearer <token>`")?;
    // Time and audience are checked later, so that the reason for a refusal can be named.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token = jsonwebtoken::decode::<Map<String, Value>>(token.trim(), key, &validation).map_err(|error| {
        let is_other_key = matches!(error.kind(), ErrorKind::InvalidSignature);
        let reason = format!("the token is not signed with the project's key by RS256: {error}");
        BadToken { reason, misconfigured: is_other_key.then_some(Misconfigured::SigningKey) }
    })?;
    Ok(Claims::read(&token.claims)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Flaw, Oddity, Project};
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    fn project() -> Project {
        Project::new(ProjectId::from("p"), None)
    }

    fn verifier(audience: Audience) -> Verifier {
        Verifier::new(project().verifying_key().unwrap(), project().id, audience)
    }

    fn bearer(token: &str) -> String {
        format!("Bearer {token}")
    }

    fn signed(algorithm: Algorithm, claims: &Value) -> String {
        let key = EncodingKey::from_rsa_pem(project().signing_key.as_bytes()).unwrap();
        bearer(&jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap())
    }

    fn check(algorithm: Algorithm, claims: &Value) -> Result<UserId, BadToken> {
        verifier(Audience::Both).verify(Some(signed(algorithm, claims).as_bytes()), Timestamp::from_millis(1_000_000))
    }

    #[test]
    fn good_tokens_name_their_user() {
        let mut verifier = verifier(Audience::Both);
        let tokens = Oddity::ALL.map(|oddity| project().odd_token(&"ada".into(), oddity));
        for token in tokens.iter().chain([&project().token(&"ada".into())]) {
            assert_eq!(
                verifier.verify(Some(bearer(token).as_bytes()), Timestamp::wall()),
                Ok(UserId::from("ada")),
                "{token}"
            );
        }
    }

    #[test]
    fn every_flaw_is_refused_for_its_own_reason() {
        for (flaw, reason) in Flaw::ALL.into_iter().zip([
            "expired",
            "no `exp`",
            "`aud` is [\"useparagon.com/not-p\"]",
            "`aud` is []",
            "RS256: InvalidAlgorithm",
            "RS256: JSON error",
            "RS256: InvalidSignature",
            "no `sub`",
            "not valid yet",
            "RS256: Base64 error",
        ]) {
            let token = project().bad_token(&"ada".into(), flaw);
            let error =
                verifier(Audience::Both).verify(Some(bearer(&token).as_bytes()), Timestamp::wall()).unwrap_err().reason;
            assert!(error.contains(reason), "{flaw:?}: {error}");
        }
    }

    #[test]
    fn the_wrong_key_is_never_the_own_one() {
        let own = Project::new(ProjectId::from("p"), Some(include_str!("other_key.pem").to_owned()));
        let mut verifier = Verifier::new(own.verifying_key().unwrap(), own.id.clone(), Audience::Both);
        let mut ask = |token: &str| verifier.verify(Some(bearer(token).as_bytes()), Timestamp::wall());
        assert!(ask(&own.token(&"ada".into())).is_ok());
        assert!(ask(&own.bad_token(&"ada".into(), Flaw::WrongKey)).unwrap_err().reason.contains("InvalidSignature"));
    }

    #[test]
    fn another_project_and_another_key_are_told_from_other_flaws() {
        let own = Project::new(ProjectId::from("p"), Some(include_str!("other_key.pem").to_owned()));
        let shown = |audience, token: &str| {
            verifier(audience).verify(Some(bearer(token).as_bytes()), Timestamp::wall()).unwrap_err().misconfigured
        };
        for flaw in Flaw::ALL {
            let expected = match flaw {
                Flaw::WrongAudience => Some(Misconfigured::Project),
                Flaw::WrongKey => Some(Misconfigured::SigningKey),
                _ => None,
            };
            assert_eq!(shown(Audience::Both, &project().bad_token(&"ada".into(), flaw)), expected, "{flaw:?}");
        }
        assert_eq!(shown(Audience::Both, &own.token(&"ada".into())), Some(Misconfigured::SigningKey));
        let dashboard = project().odd_token(&"ada".into(), Oddity::DashboardAudience);
        assert_eq!(shown(Audience::Documented, &dashboard), None, "the project is the right one");
    }

    #[test]
    fn bad_tokens_are_refused_with_the_reason() {
        let good = json!({"sub": "ada", "aud": ["x", "useparagon.com/p"], "exp": 1001, "nbf": 1000});
        assert_eq!(check(Algorithm::RS256, &good), Ok(UserId::from("ada")));
        for (member, value, reason) in [
            ("aud", json!("useparagon.com/q"), "`aud` is [\"useparagon.com/q\"]"),
            ("aud", json!(null), "`aud` is []"),
            ("aud", json!(7), "`aud` is []"),
            ("exp", json!(1000), "expired"),
            ("exp", json!(null), "no `exp`"),
            ("exp", json!("1001"), "`exp` is \"1001\", no number"),
            ("nbf", json!(1000.5), "not valid yet"),
            ("sub", json!(""), "no `sub`"),
            ("sub", json!(7), "no `sub`"),
        ] {
            let mut claims = good.clone();
            claims[member] = value;
            let error = check(Algorithm::RS256, &claims).unwrap_err().reason;
            assert!(error.contains(reason), "{member}: {error}");
        }
        assert!(check(Algorithm::RS512, &good).unwrap_err().reason.contains("RS256"));
        for header in [None, Some("Basic x"), Some("Bearer "), Some("Bearer a.b.c"), Some("Bearer é")] {
            assert!(
                verifier(Audience::Both).verify(header.map(str::as_bytes), Timestamp::from_millis(0)).is_err(),
                "{header:?}"
            );
        }
        let error = Project::new(ProjectId::from("p"), Some("nonsense".into())).verifying_key().err().unwrap();
        assert!(error.to_string().starts_with("expected an RSA private key as PEM"), "{error}");
    }

    #[test]
    fn the_undocumented_audience_can_be_refused() {
        let dashboard = bearer(&project().odd_token(&"ada".into(), Oddity::DashboardAudience));
        let mut strict = verifier(Audience::Documented);
        assert!(strict.verify(Some(dashboard.as_bytes()), Timestamp::wall()).unwrap_err().reason.contains("dashboard"));
        assert!(strict.verify(Some(bearer(&project().token(&"ada".into())).as_bytes()), Timestamp::wall()).is_ok());
    }

    #[test]
    fn a_remembered_token_expires_all_the_same() {
        let token = signed(Algorithm::RS256, &json!({"sub": "ada", "aud": "useparagon.com/p", "exp": 10, "nbf": 5}));
        let mut verifier = verifier(Audience::Both);
        let mut at = |millis| verifier.verify(Some(token.as_bytes()), Timestamp::from_millis(millis));
        assert!(at(4_999).unwrap_err().reason.contains("not valid yet"));
        assert_eq!(at(5_000), Ok(UserId::from("ada")));
        assert_eq!(at(9_999), Ok(UserId::from("ada")));
        assert!(at(10_000).unwrap_err().reason.contains("expired"));
        assert_eq!(verifier.young.len(), 1);
    }

    #[test]
    fn only_so_many_are_remembered_and_those_in_use_stay() {
        let mut verifier = verifier(Audience::Both);
        let wall = Timestamp::from_millis(0);
        let claims = |n: usize| Claims {
            sub: n.to_string().into(),
            aud: vec!["useparagon.com/p".into()],
            exp: Some(1e9),
            nbf: None,
        };
        let used = signed(Algorithm::RS256, &json!({"sub": "ada", "aud": "useparagon.com/p", "exp": 10}));
        for n in 0..3 * Verifier::CAPACITY {
            // Signing thousands of tokens would take longer than the rest of the tests.
            verifier.old.insert(format!("Bearer {n}").into_bytes().into(), claims(n));
            assert_eq!(verifier.verify(Some(format!("Bearer {n}").as_bytes()), wall), Ok(UserId::from(n.to_string())));
            assert_eq!(verifier.verify(Some(used.as_bytes()), wall), Ok(UserId::from("ada")));
            assert!(verifier.young.len() + verifier.old.len() <= Verifier::CAPACITY);
        }
        assert!(verifier.young.contains_key(used.as_bytes()) || verifier.old.contains_key(used.as_bytes()));
        assert!(verifier.verify(Some(b"Bearer 0"), wall).is_err(), "it was forgotten, and never signed");
        let long = signed(Algorithm::RS256, &json!({"sub": "x".repeat(9_000), "aud": "useparagon.com/p", "exp": 10}));
        assert!(verifier.verify(Some(long.as_bytes()), wall).is_ok());
        assert!(!verifier.young.contains_key(long.as_bytes()));
    }
}
