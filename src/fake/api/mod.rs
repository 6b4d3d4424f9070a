//! The Sync API and the Permissions API: a request, the state, an answer. No I/O.

mod answer;
mod records;
mod syncs;

use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::timeline::{Call, What};
use super::token;
use super::world::World;
use crate::clock::Moment;
use crate::contract::{SyncId, UserId};
use answer::{Answer, Answered, Refusal};

/// The header in which a refusal says why, for the developer.
const REASON: &str = "paragon-testkit-reason";

impl World {
    /// Answers one request. `wall` judges the token's `exp`.
    pub(super) fn handle(&mut self, request: &Request<Vec<u8>>, wall: Moment) -> Response<Vec<u8>> {
        let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let user = token::verify(authorization, &self.verifying_key, &self.project.id, wall);
        let answer = match (&user, self.api_fault) {
            (_, Some(status)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                Err(Refusal::new(status, "Service Unavailable").because("simulated outage of the API"))
            }
            (Err(reason), None) => Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized").because(reason)),
            (Ok(user), None) => self.route(request, user),
        };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let mut response = Response::builder();
        let (status, body, reason) = match answer {
            Ok(Answered::Json(body)) => (StatusCode::OK, body, None),
            Ok(Answered::Empty) => (StatusCode::OK, String::new(), None),
            Err(refusal) => (refusal.status, refusal.body(), refusal.reason),
        };
        if !body.is_empty() {
            response = response.header("content-type", "application/json; charset=utf-8");
        }
        // What a client sent may be in it: a reason that no header can hold stays on the timeline.
        if let Some(reason) = reason.as_ref().and_then(|reason| HeaderValue::from_str(reason).ok()) {
            response = response.header(REASON, reason);
        }
        let sync = path.split(['/', '?']).nth(3).map(SyncId::from).filter(|id| self.engine.get(id).is_some());
        // A call about somebody's sync belongs to their story, also under another one's token.
        let owner = sync.as_ref().and_then(|id| self.engine.get(id)).map(|sync| sync.user.clone());
        let user = owner.or(user.ok());
        let call = Call { method: request.method().to_string(), path, status: status.as_u16(), reason };
        self.note(user, sync, What::Call(call));
        response.status(status).body(body.into_bytes()).unwrap_or_else(|error| unreachable!("valid headers: {error}"))
    }

    fn route(&mut self, request: &Request<Vec<u8>>, user: &UserId) -> Answer {
        let path: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        match (request.method(), &path[..]) {
            (&Method::POST, ["api", "syncs"]) => self.enable_sync(request.body(), user),
            (&Method::GET, ["api", "syncs"]) => Ok(self.list_syncs(user, query(request, &["credentialId"]).as_deref())),
            (&Method::GET, ["api", "syncs", id]) => self.sync_status(id, user),
            (&Method::PATCH, ["api", "syncs", id]) => self.update_sync(id, request.body(), user),
            (&Method::DELETE, ["api", "syncs", id]) => self.remove_sync(id, user),
            (&Method::POST, ["api", "syncs", id, "disable"]) => self.disable_sync(id, user),
            (&Method::POST, ["api", "syncs", id, "reenable"]) => self.reenable_sync(id, user),
            (&Method::GET, ["api", "syncs", id, "records"]) => self.pull(id, user, request),
            (&Method::GET, ["api", "syncs", id, "records", record]) => self.get_record(id, record, user),
            _ => {
                let message = format!("Cannot {} {}", request.method(), request.uri().path());
                Err(Refusal::new(StatusCode::NOT_FOUND, message).because("this fake has no such endpoint"))
            }
        }
    }
}

/// The first of the query's parameters with one of these names.
fn query(request: &Request<Vec<u8>>, names: &[&str]) -> Option<String> {
    let pairs = url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(name, _)| names.contains(&&**name)).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ProjectId;
    use crate::delivery::Policy;
    use crate::fake::Project;
    use crate::fake::world::Options;
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn world() -> (World, String) {
        let project = Project::new(ProjectId::from("p"), None);
        let key = EncodingKey::from_rsa_pem(project.signing_key.as_bytes()).unwrap();
        let claims = json!({"sub": "ada", "aud": "useparagon.com/p", "exp": 10});
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
        let options = Options { page_size: 100, page_size_cap: 1_000 };
        let mut world = World::new(project, Policy::paragon_assumed(), options, Moment::from_millis(0)).unwrap();
        world.connect(&"ada".into(), "googledrive", "default");
        (world, format!("Bearer {token}"))
    }

    fn ask(world: &mut World, method: &str, path: &str, token: &str, body: &[u8]) -> Option<(u16, Value)> {
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let answer = world.handle(&request.body(body.to_vec()).ok()?, Moment::from_millis(0));
        let status = answer.status().as_u16();
        let nothing = answer.body().is_empty();
        Some((status, if nothing { Value::Null } else { serde_json::from_slice(answer.body()).unwrap() }))
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_answered_in_json(
            method in prop::sample::select(vec!["GET", "POST", "DELETE", "PATCH"]),
            path in "/api/syncs(/(ID|[ -~]{0,12})(/records(/[!-~é]{0,12})?)?)?(\\?(cursor|pageSize|limit|x)=[!-~]{0,12}){0,2}",
            good_token in any::<bool>(),
            token in "[ -~]{0,20}",
            body in prop_oneof!["[ -~]{0,30}", r#"\{"integration":("googledrive"|"box"|1),"pipeline":("files"|"\\n"|null)\}"#],
        ) {
            let (mut world, good) = world();
            let enabled = ask(&mut world, "POST", "/api/syncs", &good, br#"{"integration":"googledrive","pipeline":"files"}"#);
            let id = enabled.unwrap().1["id"].as_str().unwrap().to_owned();
            let token = if good_token { good } else { token };
            if let Some((status, body)) = ask(&mut world, method, &path.replace("ID", &id), &token, body.as_bytes()) {
                prop_assert!([200, 400, 401, 404, 409].contains(&status), "{status}");
                prop_assert_eq!(good_token, status != 401);
                prop_assert!(status == 200 || body["statusCode"] == status, "{}", body);
            }
        }
    }
}
