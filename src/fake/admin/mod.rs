//! The admin API under `/_testkit/`. A test in another language uses it to control a fake that runs as a server. Its
//! endpoints do no I/O: they turn a request and the state into a response, or into work that the driver has to do.

mod accounts;
mod body;
mod drive;
mod events;
mod export;
mod route;
mod syncs;

use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoint::Parts;
use super::entry::EntryKind;
use super::log::Log;
use super::mint::{Flaw, Oddity};
use super::response::ApiResponse;
use super::state::State;
use crate::clock::duration;
use crate::contract::UserId;
use crate::scenario::Scenario;
use body::{Answer, Refusal, read, webhook};
use route::Route;

/// Prefix of the paths of all endpoints of the admin API.
pub(super) const ROOT: &str = "/_testkit/";

/// Facts about the running fake that the state does not hold.
pub(super) struct Around {
    pub(super) api_url: String,
    /// The speed of the clock; `None` if the clock does not move by itself.
    pub(super) speed: Option<f64>,
}

/// The outcome of a request: a response, or work that the driver has to do for one.
enum Work {
    Answered(StatusCode, Value),
    /// The old state, which was replaced, and the response. Dropping the old state takes time, so the driver does that.
    Replaced(Box<State>, Value),
    Move(Move),
    Play(Box<Scenario>),
    Export,
    Import,
    Follow(usize),
}

/// How far to move the clock.
#[derive(Clone, Copy)]
enum Move {
    By(Duration),
    Next,
    Idle,
}

/// Carries out a request, or returns the work that the driver has to do for it. A refused request has changed nothing.
fn administer(state: &mut State, request: &Request<Bytes>, around: &Around) -> Result<Work, Refusal> {
    let path = request.uri().path();
    let route = Route::of(request.method(), path).ok_or_else(|| Refusal::nowhere(request))?;
    AdminCall { path: Parts::of(path), request, around, state }.work(route)
}

/// A request to an endpoint of the admin API.
struct AdminCall<'a> {
    path: Parts<'a>,
    request: &'a Request<Bytes>,
    around: &'a Around,
    state: &'a mut State,
}

impl AdminCall<'_> {
    /// Returns the path segment after `accounts`, `syncs`, `deliveries` or `faults`.
    fn id(&self) -> &str {
        self.path.get(2).map_or("", |part| part)
    }

    /// Returns the path segment after `objects`.
    fn object(&self) -> &str {
        self.path.get(4).map_or("", |part| part)
    }

    fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, Refusal> {
        read(self.request.body())
    }

    fn log(&self) -> &Log {
        &self.state.simulation.journal.log
    }

    /// Checks that the body is empty or `{}`, for an endpoint that takes no members.
    fn nothing(&self) -> Result<(), Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}
        self.read::<Nothing>().map(|Nothing {}| ())
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.request.uri().query().unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Returns a number from the query; `otherwise` if the query does not have it.
    fn number(&self, name: &str, otherwise: usize) -> Result<usize, Refusal> {
        let Some(text) = self.query(name) else { return Ok(otherwise) };
        text.parse().map_err(|_| Refusal::bad(format!("?{name}: expected a number of at least 0, got {text:?}")))
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.query(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::bad(format!("?{name}: expected true or false, got {other:?}"))),
        }
    }
}

impl AdminCall<'_> {
    /// Carries out the request, or returns the work that the driver has to do for it. A refused request has changed
    /// nothing.
    fn work(&mut self, route: Route) -> Result<Work, Refusal> {
        let answered = |value| Ok(Work::Answered(StatusCode::OK, value));
        let created = |value| Ok(Work::Answered(StatusCode::CREATED, value));
        match route {
            Route::GetHealth => answered(self.health()),
            Route::ExportState => Ok(Work::Export),
            Route::ImportState => Ok(Work::Import),
            Route::Reset => {
                let old = self.reset()?;
                Ok(Work::Replaced(old, summary(self.state)))
            }
            Route::ListUsers => answered(self.users()),
            Route::CreateToken => created(self.token()?),
            Route::ListAccounts => answered(self.list_accounts()),
            Route::CreateAccount => created(self.create_account()?),
            Route::ListObjects => answered(self.list_objects()?),
            Route::CreateObject => created(self.create_object()?),
            Route::UpdateObject => answered(self.update_object()?),
            Route::DeleteObject => answered(self.delete_object()?),
            Route::SetAccess => answered(self.set_access()?),
            Route::SetUnreadable => answered(self.set_unreadable()?),
            Route::ShareObject => answered(self.set_role(true)?),
            Route::UnshareObject => answered(self.set_role(false)?),
            Route::FillAccount => answered(self.fill_account()?),
            Route::AddTrouble => answered(self.add_provider_fault()?),
            Route::EndTroubles => answered(self.end_provider_faults()?),
            Route::ListSyncs => answered(self.every_sync()),
            Route::CreateSync => created(self.create_sync()?),
            Route::GetSync => answered(self.one_sync()?),
            Route::DeleteSync => answered(self.drop_sync()?),
            Route::ListRecords => answered(self.list_records()?),
            Route::GetSyncLog => answered(self.sync_log()?),
            Route::ListUnfetched => answered(self.list_unfetched()?),
            Route::RunSync => answered(self.run_sync()?),
            Route::DisableSync => answered(self.pause_sync(true)?),
            Route::ReenableSync => answered(self.pause_sync(false)?),
            Route::GetClock => answered(self.time()),
            Route::AdvanceClock => Ok(Work::Move(Move::By(self.read::<By>()?.by))),
            Route::NextDue => self.nothing().map(|()| Work::Move(Move::Next)),
            Route::RunUntilIdle => self.nothing().map(|()| Work::Move(Move::Idle)),
            Route::Settle => self.nothing().map(|()| Work::Move(Move::By(Duration::ZERO))),
            Route::GetWebhook => answered(webhook(&self.state.simulation.queue)),
            Route::SetWebhook => answered(self.change_webhook()?),
            Route::EnableWebhook => answered(self.switch_webhook(true)?),
            Route::DisableWebhook => answered(self.switch_webhook(false)?),
            Route::SendEvent => answered(self.send_event()?),
            Route::ListDeliveries if self.flag("follow")? => Ok(Work::Follow(self.number("after", 0)?)),
            Route::ListDeliveries => answered(self.deliveries()?),
            Route::GetTimeline => answered(self.story()?),
            Route::ExplainDelivery => answered(self.explain_delivery()?),
            Route::ListAdversities => answered(self.list_delivery_faults()),
            Route::AddAdversity => created(self.add_delivery_fault()?),
            Route::EndAdversities => {
                self.state.simulation.queue.end_all();
                answered(json!({}))
            }
            Route::ListFaults => answered(self.list_api_faults()),
            Route::AddFault => created(self.add_api_fault()?),
            Route::EndFault => answered(self.end_api_fault()?),
            Route::EndFaults => {
                self.state.api.end_faults();
                answered(json!({}))
            }
            Route::PlayScenario => Ok(Work::Play(Box::new(self.scenario()?))),
        }
    }

    /// Resets the state to its start, with another seed if the request has one. The project, the policy, the options
    /// and the webhook's URL stay. Returns the old state.
    fn reset(&mut self) -> Result<Box<State>, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ResetBody {
            seed: Option<u64>,
        }
        let ResetBody { seed } = self.read()?;
        let old = self.state.replace(seed.unwrap_or(self.state.seed));
        self.state.simulation.note(None, None, EntryKind::State("reset".to_owned()));
        Ok(old)
    }

    fn health(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"), "projectId": self.state.project.id, "apiUrl": self.around.api_url,
            "seed": self.state.seed, "now": self.state.simulation.now(), "speed": self.around.speed,
        })
    }

    fn time(&self) -> Value {
        json!({"now": self.state.simulation.now(), "start": self.state.simulation.start, "speed": self.around.speed, "nextDue": self.state.simulation.next_due()})
    }

    fn token(&self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct CreateTokenBody {
            user: UserId,
            flaw: Option<Flaw>,
            oddity: Option<Oddity>,
        }
        let CreateTokenBody { user, flaw, oddity } = self.read()?;
        let token = match (flaw, oddity) {
            (None, None) => self.state.project.token(&user),
            (Some(flaw), None) => self.state.project.bad_token(&user, flaw),
            (None, Some(oddity)) => self.state.project.odd_token(&user, oddity),
            (Some(_), Some(_)) => return Err(Refusal::bad("/oddity: expected none beside a flaw")),
        };
        Ok(json!({"token": token}))
    }
}

/// Returns a summary of a state, for the response after the state was replaced.
fn summary(state: &State) -> Value {
    let simulation = &state.simulation;
    json!({
        "projectId": state.project.id, "seed": state.seed, "now": simulation.now(),
        "accounts": simulation.accounts.len(), "syncs": simulation.engine.syncs().count(),
        "webhook": webhook(&simulation.queue),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    #[serde(with = "duration")]
    by: Duration,
}

impl From<Refusal> for ApiResponse {
    fn from(refusal: Refusal) -> Self {
        Self::refusal(refusal.status, &refusal.message)
    }
}
