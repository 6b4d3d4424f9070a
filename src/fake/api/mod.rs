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
use super::entry::{Call, EntryKind, Misconfigured};
use super::fault::ApiFaultKind;
use super::faults::{CallInfo, Decision, Faults};
use super::options::Options;
use super::project::{KeyError, Project};
use super::reads::Reads;
use super::received::Received;
use super::response::ApiResponse;
use super::simulation::Simulation;
use super::token::Verifier;
use crate::clock::Timestamp;
use crate::contract::{Revision, UserId};
use crate::sync::{Engine, Sync};
use answer::{Answer, Answered, Refusal};

/// The response header that tells the developer why a request was refused.
const REASON: HeaderName = HeaderName::from_static("paragon-testkit-reason");

/// The API of a fake: its options and faults, the verifier of user tokens, and the record of what was served.
pub(super) struct Api {
    verifier: Verifier,
    pub(super) options: Options,
    pub(super) faults: Faults,
    pub(super) reads: Reads,
}

/// A call that was answered.
pub(super) struct Handled {
    pub(super) response: ApiResponse,
    /// Faults that struck the call.
    pub(super) decision: Decision,
    /// Contract revision of the response: that of the sync in the path, or else that of the fake.
    pub(super) revision: Revision,
}

/// A call of an endpoint with a valid token: the request, and the parts of the fake that the endpoints read and change.
struct ApiCall<'a> {
    endpoint: Endpoint,
    /// The path, split into its segments.
    path: &'a [Cow<'a, str>],
    request: &'a Received<'a>,
    user: &'a UserId,
    /// Faults that strike the call.
    decision: &'a Decision,
    options: &'a Options,
    reads: &'a mut Reads,
    simulation: &'a mut Simulation,
}

impl Api {
    pub(super) fn new(project: &Project, options: Options, seed: u64) -> Result<Self, KeyError> {
        let verifier = Verifier::new(project.verifying_key()?, project.id.clone(), options.audience);
        Ok(Self { verifier, options, faults: Faults::new(seed), reads: Reads::default() })
    }

    /// Returns the API as at the start, with the same options.
    pub(super) fn empty(&self, seed: u64) -> Self {
        Self {
            verifier: self.verifier.fresh(),
            options: self.options.clone(),
            faults: Faults::new(seed),
            reads: self.reads.empty(),
        }
    }

    /// Replaces the options.
    pub(super) fn set_options(&mut self, options: Options) {
        self.verifier.set_audience(options.audience);
        self.options = options;
    }

    /// Ends all faults of the API.
    pub(super) fn end_faults(&mut self) {
        self.faults.clear();
        self.reads.stale.clear();
    }

    /// Answers one request. `wall` is the wall-clock time: the token is checked at this time, and a date in
    /// `retry-after` counts from this time.
    pub(super) fn handle(&mut self, simulation: &mut Simulation, request: &Received<'_>, wall: Timestamp) -> Handled {
        let authorization = request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let user = self.verifier.verify(authorization, wall);
        let path = Parts::of(request.path);
        let path: &[Cow<'_, str>] = &path;
        let endpoint = Endpoint::at(request.method, path);
        let sync = path.get(2).and_then(|id| simulation.engine.get(&**id));
        let revision = sync.map(|sync| sync.revision);
        // In the timeline, a call about a sync belongs to the owner of the sync, even if the token is another user's.
        let (sync, owner) = sync.map(|sync| (sync.id.clone(), sync.user.clone())).unzip();
        let call = CallInfo { endpoint, user: user.as_ref().ok(), sync: sync.as_ref() };
        let decision = self.faults.decide(&call, simulation.now());

        let (response, reason, misconfigured) = match (&user, decision.refusal(wall)) {
            (_, Some(response)) => (response, None, None),
            (Err(why), None) => refuse(Refusal::bad_token(why)),
            (Ok(_), None) if decision.has(ApiFaultKind::ExpiredTokens) => {
                refuse(Refusal::unauthorized("a fault: all tokens count as expired"))
            }
            (Ok(user), None) => match endpoint {
                Some(endpoint) => {
                    let (options, reads) = (&self.options, &mut self.reads);
                    let decision = &decision;
                    let call = ApiCall { endpoint, path, request, user, decision, options, reads, simulation };
                    match call.answer() {
                        Ok(answered) => (answered.into(), None, None),
                        Err(refusal) => refuse(refusal),
                    }
                }
                None => refuse(Refusal::nowhere(request, path)),
            },
        };
        let faults: Vec<String> = decision.kinds().map(in_words).collect();
        let reason = if faults.is_empty() { reason } else { Some(format!("fault: {}", faults.join(", "))) };
        let response = decision.apply(response);

        let target = request.target();
        self.reads.note_call(&decision, &target, response.status);
        let user = owner.or(user.ok());
        let (method, status) = (request.method.clone(), response.status.as_u16());
        let call = Call { method, path: target, status, reason, misconfigured };
        simulation.note(user, sync, EntryKind::Call(call));
        let revision = revision.unwrap_or_else(|| simulation.engine.revision());
        Handled { response, decision, revision }
    }
}

impl<'a> ApiCall<'a> {
    /// Returns the sync id in the path, or an empty string if the path has none.
    fn sync(&self) -> &'a str {
        self.path.get(2).map_or("", |part| part)
    }

    /// Returns the record id in the path, or an empty string if the path has none.
    fn record(&self) -> &'a str {
        self.path.get(4).map_or("", |part| part)
    }

    /// Returns the value of the first query parameter with one of these names.
    fn query(&self, names: &[&str]) -> Option<Cow<'a, str>> {
        self.request.parameter(names)
    }

    fn answer(mut self) -> Answer {
        match self.endpoint {
            Endpoint::EnableSync => self.enable_sync(),
            Endpoint::ListSyncs => Ok(self.list_syncs()),
            Endpoint::GetSyncStatus => self.sync_status(),
            Endpoint::UpdateSync => self.update_sync(),
            Endpoint::DeleteSync => self.delete_sync(),
            Endpoint::DisableSync => self.disable_sync(),
            Endpoint::ReenableSync => self.reenable_sync(),
            Endpoint::PullRecords => self.pull(),
            Endpoint::GetRecord => self.get_record(),
            Endpoint::DownloadContent => self.download(),
            Endpoint::StreamListObjectsAllSyncs => self.stream_objects_of_all_syncs(),
            Endpoint::CheckAccess
            | Endpoint::BatchCheckAccess
            | Endpoint::ListUsers
            | Endpoint::ListObjects
            | Endpoint::StreamListObjects
            | Endpoint::ExpandAccess
            | Endpoint::GetPermissionChanges => self.permissions(),
        }
    }
}

/// Returns the sync with this id if it belongs to the user. A sync of another user counts as not found.
fn sync_of<'a>(engine: &'a Engine, id: &str, user: &UserId) -> Result<&'a Sync, Refusal> {
    let sync = engine.get(id).filter(|sync| sync.user == *user);
    sync.ok_or_else(|| Refusal::no_sync(id))
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

/// Returns the response, and what the timeline says about it: the reason, and the part of the configuration that is
/// wrong.
fn refuse(refusal: Refusal) -> (ApiResponse, Option<String>, Option<Misconfigured>) {
    let reply = ApiResponse::json(refusal.status, refusal.body());
    // The reason may quote what the client sent. A reason that is no valid header value appears only in the timeline.
    let reply = match refusal.reason.as_ref().and_then(|reason| HeaderValue::from_str(reason).ok()) {
        Some(reason) => reply.header(REASON, reason),
        None => reply,
    };
    (reply, refusal.reason, refusal.misconfigured)
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
    use crate::fake::state::State;
    use http::Request;
    use hyper::body::Bytes;
    use proptest::prelude::*;

    fn state() -> (State, String) {
        let project = Project::new(ProjectId::from("p"), None);
        let token = project.token(&"ada".into());
        let queue = Queue::new(Policy::paragon_assumed(), 0).unwrap();
        let mut state = State::new(project, queue, Options::default(), Timestamp::wall(), 0).unwrap();
        state.simulation.connect(&"ada".into(), "googledrive", "default");
        (state, format!("Bearer {token}"))
    }

    fn ask(state: &mut State, method: &str, path: &str, token: &str, body: &[u8]) -> Option<(u16, Bytes)> {
        let request = Request::builder().method(method).uri(path).header("authorization", token);
        let request = request.body(body.to_vec().into()).ok()?;
        let response = state.handle(&(&request).into(), Timestamp::wall()).response;
        Some((response.status.as_u16(), response.body.joined()))
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
            let (mut state, good) = state();
            let enabled = ask(&mut state, "POST", "/api/syncs", &good, br#"{"integration":"googledrive","pipeline":"files"}"#);
            let enabled: Value = serde_json::from_slice(&enabled.unwrap().1).unwrap();
            let id = enabled["id"].as_str().unwrap().to_owned();
            let token = if good_token { good } else { token };
            if let Some((status, body)) = ask(&mut state, method, &path.replace("ID", &id), &token, body.as_bytes()) {
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
