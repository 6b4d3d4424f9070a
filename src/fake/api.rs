use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::timeline::{Call, What};
use super::token;
use super::world::World;
use crate::clock::Moment;
use crate::contract::{RecordId, SyncId, UserId};
use crate::sync::{EnableError, Sync};

/// The header in which a refusal says why, for the developer. Paragon's own body says less.
const REASON: &str = "paragon-testkit-reason";

/// What an endpoint answers: a body, or a refusal.
type Answer = Result<String, Refusal>;

struct Refusal {
    status: StatusCode,
    message: String,
    reason: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), reason: None }
    }

    fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    fn no_sync(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Sync not found").because(format!("the token's user has no sync {id:?}"))
    }

    /// The form of a recorded 409 (`api.errors`: observed there, assumed elsewhere).
    fn body(&self) -> String {
        let error = self.status.canonical_reason().unwrap_or("Error");
        json!({"message": self.message, "error": error, "statusCode": self.status.as_u16()}).to_string()
    }
}

impl World {
    /// Answers one request to the Sync API. `wall` judges the token's `exp`.
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
        let mut response = Response::builder().header("content-type", "application/json; charset=utf-8");
        let (status, body, reason) = match answer {
            Ok(body) => (StatusCode::OK, body, None),
            Err(refusal) => (refusal.status, refusal.body(), refusal.reason),
        };
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
        let (get, post) = (request.method() == Method::GET, request.method() == Method::POST);
        match path[..] {
            ["api", "syncs"] if post => self.enable(request.body(), user),
            ["api", "syncs"] if get => Ok(self.list(user, query(request, &["credentialId"]).as_deref())),
            ["api", "syncs", id] if get => self.sync_of(id, user).map(status),
            ["api", "syncs", id, "records"] if get => self.pull(id, user, request),
            ["api", "syncs", id, "records", record] if get => self.get_record(id, record, user),
            _ => {
                let message = format!("Cannot {} {}", request.method(), request.uri().path());
                Err(Refusal::new(StatusCode::NOT_FOUND, message).because("this fake has no such endpoint"))
            }
        }
    }

    fn sync_of(&self, id: &str, user: &UserId) -> Result<&Sync, Refusal> {
        let sync = self.engine.get(&SyncId::from(id)).filter(|sync| sync.user == *user);
        sync.ok_or_else(|| Refusal::no_sync(id))
    }

    fn enable(&mut self, body: &[u8], user: &UserId) -> Answer {
        let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, message);
        let body: Value =
            serde_json::from_slice(body).map_err(|error| bad(&format!("the body is not JSON: {error}")))?;
        let member = |name: &str| body[name].as_str().ok_or_else(|| bad(&format!("{name} must be a string")));
        let (integration, pipeline) = (member("integration")?, member("pipeline")?);
        let configuration = match &body["configurationName"] {
            Value::Null => "default",
            name => name.as_str().ok_or_else(|| bad("configurationName must be a string"))?,
        };
        let connection = self.connection_of(user, integration).cloned();
        let connection = connection.ok_or_else(|| {
            bad(&format!("no connected account for {integration}")).because(format!(
                "connect it first: paragon.user({user:?}).connect({integration:?})",
                user = user.as_str()
            ))
        })?;
        let now = self.clock.now();
        let sync = self.engine.enable(&connection, pipeline, configuration, now).map_err(|error| match error {
            EnableError::Exists(_) => Refusal::new(StatusCode::CONFLICT, error.to_string()),
            EnableError::UnknownPipeline(_) => bad(&error.to_string()),
        })?;
        let body = json!({
            "id": sync.id, "userId": sync.user, "integration": sync.integration, "pipeline": sync.pipeline,
            "projectId": self.project.id, "status": sync.status,
        });
        Ok(sync.revision.write("api/enable_sync_response", &body).to_string())
    }

    fn list(&self, user: &UserId, credential: Option<&str>) -> String {
        let of_user = self.engine.syncs().filter(|sync| sync.user == *user);
        let syncs = of_user.filter(|sync| credential.is_none_or(|id| sync.credential.as_str() == id));
        let data: Vec<Value> = syncs
            .map(|sync| {
                json!({
                    "id": sync.id, "integration": sync.integration, "pipeline": sync.pipeline, "status": sync.status,
                    "configurationName": sync.configuration_name, "dateCreated": sync.created_at,
                    "dateUpdated": sync.last_synced_at.unwrap_or(sync.created_at),
                })
            })
            .collect();
        self.engine.revision().write("api/list_syncs_response", &json!({"data": data})).to_string()
    }

    fn pull(&mut self, id: &str, user: &UserId, request: &Request<Vec<u8>>) -> Answer {
        let bad = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
        let size = match query(request, &["pageSize", "page_size", "limit"]) {
            None => self.options.page_size,
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => return Err(bad(format!("pageSize must be a positive integer, got {text:?}"))),
            },
        };
        let cursor = query(request, &["cursor"]).filter(|cursor| !cursor.is_empty());
        let sync = self.sync_of(id, user)?;
        let page = sync
            .feed
            .page(cursor.as_deref(), size.min(self.options.page_size_cap))
            .map_err(|error| bad(error.to_string()))?;
        let paging = json!({
            "totalRecords": page.total, "totalActiveRecords": page.active, "remainingRecords": page.remaining,
            "cursor": page.cursor, "lastSeen": page.last_seen.map(Moment::as_millis),
        });
        let paging = sync.revision.write("common/paging", &paging);
        let data: Vec<&str> = page.entries.iter().map(|(_, _, json)| &**json).collect();
        let body = format!(r#"{{"data":[{}],"paging":{paging}}}"#, data.join(","));
        let sync = sync.id.clone();
        self.served.extend(page.entries.into_iter().map(|(record, version, _)| ((sync.clone(), record), version)));
        Ok(body)
    }

    fn get_record(&mut self, id: &str, record: &str, user: &UserId) -> Answer {
        let sync = self.sync_of(id, user)?;
        let record = RecordId::from(record);
        let (json, version) = sync.feed.get(&record).ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, "Record not found").because("deleted, or never in this sync")
        })?;
        let body = format!(r#"{{"data":{json}}}"#);
        let key = (sync.id.clone(), record);
        self.served.insert(key, version);
        Ok(body)
    }
}

/// The documented members, and those that the documented ones leave out (`summary.latestCursor` of an empty feed).
fn status(sync: &Sync) -> String {
    let newest = json!({
        "status": sync.status,
        "summary": {
            "totalRecords": sync.feed.active(),
            "syncedRecordsCount": sync.feed.active(),
            "lastSyncedAt": sync.last_synced_at,
            "latestCursor": sync.feed.latest_cursor(),
        },
        "credentialId": sync.credential,
    });
    sync.revision.write("api/sync_status_response", &newest).to_string()
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

    fn world() -> (World, String) {
        let project = Project::new(ProjectId::from("p"), None);
        let key = EncodingKey::from_rsa_pem(project.signing_key.as_bytes()).unwrap();
        let claims = json!({"sub": "ada", "aud": "useparagon.com/p", "exp": 10});
        let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap();
        let options = Options { page_size: 100, page_size_cap: 1_000 };
        let mut world = World::new(project, Policy::paragon_assumed(), options, Moment::from_millis(0)).unwrap();
        world.connect(&"ada".into(), "googledrive");
        (world, format!("Bearer {token}"))
    }

    fn ask(world: &mut World, method: &str, path: &str, token: &str, body: &[u8]) -> Option<(u16, Value)> {
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let answer = world.handle(&request.body(body.to_vec()).ok()?, Moment::from_millis(0));
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(answer.body()).unwrap()))
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
