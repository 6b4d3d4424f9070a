use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::clock::Moment;
use crate::contract::{ProjectId, UserId};

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
}

/// A claim that is one string or several (RFC 7519).
#[derive(Deserialize)]
#[serde(from = "serde_json::Value")]
struct Audience(Vec<String>);

impl From<serde_json::Value> for Audience {
    fn from(value: serde_json::Value) -> Self {
        let all = match value {
            serde_json::Value::Array(all) => all,
            one => vec![one],
        };
        Self(all.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).collect())
    }
}

/// Whose token it is, or why it is none. The reason is for the developer: Paragon itself says only "Unauthorized".
pub(super) fn verify(
    authorization: Option<&str>,
    key: &DecodingKey,
    project: &ProjectId,
    wall: Moment,
) -> Result<UserId, String> {
    let header = authorization.ok_or("there is no Authorization header")?;
    let token = header.strip_prefix("Bearer ").ok_or("the Authorization header is not `Bearer <token>`")?;
    // Time and audience are judged below, so that the reason can be told.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(token.trim(), key, &validation)
        .map_err(|error| format!("the token is not signed with the project's key by RS256: {error}"))?
        .claims;
    let audiences = claims.aud.map(|aud| aud.0).unwrap_or_default();
    let accepted = [format!("useparagon.com/{project}"), format!("dashboard.useparagon.com/{project}")];
    if !audiences.iter().any(|audience| accepted.contains(audience)) {
        return Err(format!("the token's `aud` is {audiences:?}, expected {:?}", accepted[0]));
    }
    let exp = claims.exp.ok_or("the token has no `exp`")?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this millennium")]
    if exp * 1_000.0 <= wall.as_millis() as f64 {
        return Err(format!("the token expired: `exp` is {exp}, now is {}", wall.as_millis() / 1_000));
    }
    claims.sub.filter(|sub| !sub.is_empty()).map(UserId::from).ok_or_else(|| "the token has no `sub`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Project;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    fn check(algorithm: Algorithm, claims: &serde_json::Value) -> Result<UserId, String> {
        let project = Project::new(ProjectId::from("p"), None);
        let key = match algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(b"x"),
            _ => EncodingKey::from_rsa_pem(project.signing_key.as_bytes()).unwrap(),
        };
        let token = jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap();
        let key = project.verifying_key().unwrap();
        verify(Some(&format!("Bearer {token}")), &key, &project.id, Moment::from_millis(1_000_000))
    }

    #[test]
    fn good_tokens_name_their_user() {
        for aud in [json!("useparagon.com/p"), json!("dashboard.useparagon.com/p"), json!(["x", "useparagon.com/p"])] {
            let claims = json!({"sub": "ada", "aud": aud, "exp": 1001, "nbf": 0,
                "urn:useparagon:connect:permissions": "{}"});
            assert_eq!(check(Algorithm::RS256, &claims), Ok(UserId::from("ada")));
        }
    }

    #[test]
    fn bad_tokens_are_refused_with_the_reason() {
        let good = json!({"sub": "ada", "aud": "useparagon.com/p", "exp": 1001});
        for (member, value, reason) in [
            ("aud", json!("useparagon.com/q"), "`aud` is [\"useparagon.com/q\"]"),
            ("aud", json!(null), "`aud` is []"),
            ("exp", json!(1000), "expired"),
            ("exp", json!(null), "no `exp`"),
            ("sub", json!(""), "no `sub`"),
        ] {
            let mut claims = good.clone();
            claims[member] = value;
            let error = check(Algorithm::RS256, &claims).unwrap_err();
            assert!(error.contains(reason), "{member}: {error}");
        }
        for algorithm in [Algorithm::HS256, Algorithm::RS512] {
            assert!(check(algorithm, &good).unwrap_err().contains("RS256"));
        }
        let project = Project::new(ProjectId::from("p"), None);
        let key = project.verifying_key().unwrap();
        for header in [None, Some("Basic x"), Some("Bearer "), Some("Bearer a.b.c")] {
            assert!(verify(header, &key, &project.id, Moment::from_millis(0)).is_err(), "{header:?}");
        }
        let error = Project::new(ProjectId::from("p"), Some("nonsense".into())).verifying_key().err().unwrap();
        assert!(error.to_string().starts_with("expected an RSA private key as PEM"), "{error}");
    }
}
