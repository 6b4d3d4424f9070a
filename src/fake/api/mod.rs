//! The Sync API and the Permissions API. This module computes a response from a request and the state, without I/O.

mod access;
mod answer;
mod permissions;
mod records;
mod syncs;

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::endpoint::{Endpoint, Parts};
use super::fault::ApiFaultKind;
use super::faults::CallInfo;
use super::received::Received;
use super::response::ApiResponse;
use super::timeline::{Call, EntryKind};
use super::world::World;
use crate::clock::Timestamp;
use crate::contract::UserId;
use answer::{Answer, Answered, Refusal};

/// The response header that tells the developer why a request was refused.
const REASON: HeaderName = HeaderName::from_static("paragon-testkit-reason");

/// A request to an endpoint, with a valid token.
struct AuthorizedRequest<'a> {
    endpoint: Endpoint,
    /// The path, split into its segments.
    path: &'a [Cow<'a, str>],
    request: &'a Received<'a>,
    user: &'a UserId,
}

impl AuthorizedRequest<'_> {
    /// Returns the sync id in the path, or an empty string if the path has none.
    fn sync(&self) -> &str {
        self.path.get(2).map_or("", |part| part)
    }

    /// Returns the record id in the path, or an empty string if the path has none.
    fn record(&self) -> &str {
        self.path.get(4).map_or("", |part| part)
    }

    /// Returns the value of the first query parameter with one of these names.
    fn query(&self, names: &[&str]) -> Option<Cow<'_, str>> {
        self.request.parameter(names)
    }
}

impl World {
    /// Answers one request. `wall` is the wall-clock time: the token is checked at this time, and a date in
    /// `retry-after` counts from this time.
    pub(super) fn handle(&mut self, request: &Received<'_>, wall: Timestamp) -> ApiResponse {
        let authorization = request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let user = self.verifier.verify(authorization, wall);
        let path = Parts::of(request.path);
        let path: &[Cow<'_, str>] = &path;
        let endpoint = Endpoint::at(request.method, path);
        let sync = path.get(2).and_then(|id| self.engine.get(&**id));
        // In the timeline, a call about a sync belongs to the owner of the sync, even if the token is another user's.
        let (sync, owner) = sync.map(|sync| (sync.id.clone(), sync.user.clone())).unzip();
        let call = CallInfo { endpoint, user: user.as_ref().ok(), sync: sync.as_ref() };
        self.strike = self.faults.decide(&call, self.clock.now());

        let (reply, reason) = match (&user, self.strike.refusal(wall)) {
            (_, Some(reply)) => (reply, None),
            (Err(reason), None) => refuse(Refusal::unauthorized(reason)),
            (Ok(_), None) if self.strike.has(ApiFaultKind::ExpiredTokens) => {
                refuse(Refusal::unauthorized("a fault: all tokens count as expired"))
            }
            (Ok(user), None) => match endpoint {
                Some(endpoint) => match self.answer(&AuthorizedRequest { endpoint, path, request, user }) {
                    Ok(answered) => (answered.into(), None),
                    Err(refusal) => refuse(refusal),
                },
                None => refuse(Refusal::nowhere(request)),
            },
        };
        let faults: Vec<String> = self.strike.troubles().map(in_words).collect();
        let reason = if faults.is_empty() { reason } else { Some(format!("fault: {}", faults.join(", "))) };
        let reply = self.strike.spoil(reply);

        let target = request.target();
        self.note_activity(&target, reply.status);
        let user = owner.or(user.ok());
        let call = Call { method: request.method.clone(), path: target, status: reply.status.as_u16(), reason };
        self.note(user, sync, EntryKind::Call(call));
        reply
    }

    fn answer(&mut self, asked: &AuthorizedRequest<'_>) -> Answer {
        match asked.endpoint {
            Endpoint::EnableSync => self.enable_sync(asked),
            Endpoint::ListSyncs => Ok(self.list_syncs(asked)),
            Endpoint::GetSyncStatus => self.sync_status(asked),
            Endpoint::UpdateSync => self.update_sync(asked),
            Endpoint::DeleteSync => self.remove_sync(asked),
            Endpoint::DisableSync => self.disable_sync(asked),
            Endpoint::ReenableSync => self.reenable_sync(asked),
            Endpoint::PullRecords => self.pull(asked),
            Endpoint::GetRecord => self.get_record(asked),
            Endpoint::DownloadContent => self.download(asked),
            Endpoint::StreamListObjectsAllSyncs => self.stream_objects_of_all_syncs(asked),
            Endpoint::CheckAccess
            | Endpoint::BatchCheckAccess
            | Endpoint::ListUsers
            | Endpoint::ListObjects
            | Endpoint::StreamListObjects
            | Endpoint::ExpandAccess
            | Endpoint::GetPermissionChanges => self.permissions(asked),
        }
    }
}

/// Returns the name of a fault for the timeline: `status 503`, `stale reads`.
fn in_words(trouble: ApiFaultKind) -> String {
    match (trouble, serde_json::to_value(trouble)) {
        (ApiFaultKind::Status { code, .. }, _) => format!("status {code}"),
        (_, Ok(Value::String(name))) => name.replace('_', " "),
        (_, Ok(Value::Object(members))) => members.keys().map(|name| name.replace('_', " ")).collect(),
        (other, _) => format!("{other:?}"),
    }
}

/// Returns the response, and the reason for the timeline.
fn refuse(refusal: Refusal) -> (ApiResponse, Option<String>) {
    let reply = ApiResponse::json(refusal.status, refusal.body());
    // The reason may quote what the client sent. A reason that is no valid header value appears only in the timeline.
    match refusal.reason.as_ref().and_then(|reason| HeaderValue::from_str(reason).ok()) {
        Some(reason) => (reply.header(REASON, reason), refusal.reason),
        None => (reply, refusal.reason),
    }
}

impl From<Answered> for ApiResponse {
    fn from(answered: Answered) -> Self {
        match answered {
            Answered::Json(body) => Self::json(StatusCode::OK, body),
            Answered::Empty => Self::empty(),
            Answered::Content(content) => Self::content(content),
            Answered::Lines(lines) => Self::lines(lines),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::ProjectId;
    use crate::delivery::{Policy, Queue};
    use crate::fake::Project;
    use crate::fake::world::Options;
    use http::Request;
    use hyper::body::Bytes;
    use proptest::prelude::*;

    fn world() -> (World, String) {
        let project = Project::new(ProjectId::from("p"), None);
        let token = project.token(&"ada".into());
        let queue = Queue::new(Policy::paragon_assumed(), 0).unwrap();
        let mut world = World::new(project, queue, Options::default(), Timestamp::wall()).unwrap();
        world.connect(&"ada".into(), "googledrive", "default");
        (world, format!("Bearer {token}"))
    }

    fn ask(world: &mut World, method: &str, path: &str, token: &str, body: &[u8]) -> Option<(u16, Bytes)> {
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let request = request.body(body.to_vec().into()).ok()?;
        let reply = world.handle(&(&request).into(), Timestamp::wall());
        Some((reply.status.as_u16(), reply.body.joined()))
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_answered_in_json(
            method in prop::sample::select(vec!["GET", "POST", "DELETE", "PATCH"]),
            path in prop_oneof![
                "/api/syncs(/(ID|[ -~]{0,12})(/(records|disable|reenable)(/[!-~é]{0,12})?(/content)?)?)?(\\?(cursor|pageSize|limit|x)=[!-~]{0,12}){0,2}",
                "/api/permissions/(ID/)?(check|batch-check|list-users|list-objects|streamed-list-objects|expand|changes)",
            ],
            good_token in any::<bool>(),
            token in "[ -~]{0,20}",
            body in prop_oneof![
                "[ -~]{0,30}",
                r#"\{"integration":("googledrive"|"box"|1),"pipeline":("files"|"\\n"|null)\}"#,
                r#"\{"(object|user|role|objectType|checks|credentialId)":("ada"|null|\[\]|"can_read")\}"#,
            ],
        ) {
            let (mut world, good) = world();
            let enabled = ask(&mut world, "POST", "/api/syncs", &good, br#"{"integration":"googledrive","pipeline":"files"}"#);
            let enabled: Value = serde_json::from_slice(&enabled.unwrap().1).unwrap();
            let id = enabled["id"].as_str().unwrap().to_owned();
            let token = if good_token { good } else { token };
            if let Some((status, body)) = ask(&mut world, method, &path.replace("ID", &id), &token, body.as_bytes()) {
                prop_assert!([200, 400, 401, 404, 409].contains(&status), "{status}");
                prop_assert_eq!(good_token, status != 401);
                if status != 200 {
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    prop_assert_eq!(&body["statusCode"], status);
                }
            }
        }
    }
}
