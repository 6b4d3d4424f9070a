//! The admin API under `/_testkit/`. A test in another language uses it to control a fake that runs as a server. Its
//! endpoints do no I/O: they turn a request and the state into a response, or into work that the driver has to do.

mod accounts;
mod body;
mod drive;
mod events;
mod route;
mod state;
mod syncs;

use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoint::Parts;
use super::mint::{Flaw, Oddity};
use super::response::ApiResponse;
use super::world::World;
use crate::clock::duration;
use crate::contract::UserId;
use crate::scenario::Scenario;
use body::{Answer, Refusal, read};
use route::Route;

/// Prefix of the paths of all endpoints of the admin API.
pub(super) const ROOT: &str = "/_testkit/";

/// Facts about the running fake that the world does not hold.
pub(super) struct Around {
    pub(super) api_url: String,
    /// The speed of the clock; `None` if the clock does not move by itself.
    pub(super) speed: Option<f64>,
}

/// The outcome of a request: a response, or work that the driver has to do for one.
enum Work {
    Answered(StatusCode, Value),
    /// The old world, which was replaced, and the response. Dropping the old world takes time, so the driver does that.
    Replaced(Box<World>, Value),
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

/// A request to an endpoint of the admin API.
struct AdminRequest<'a> {
    path: Parts<'a>,
    request: &'a Request<Bytes>,
}

impl AdminRequest<'_> {
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

    fn query(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.request.uri().query().unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Returns a number from the query; `otherwise` if the query does not have it.
    fn number(&self, name: &str, otherwise: usize) -> Result<usize, Refusal> {
        let Some(text) = self.query(name) else { return Ok(otherwise) };
        text.parse().map_err(|_| Refusal::bad(format!("?{name}: expected a number from 0 on, got {text:?}")))
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.query(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::bad(format!("?{name}: expected true or false, got {other:?}"))),
        }
    }
}

impl World {
    /// Carries out a request, or returns the work that the driver has to do for it. A refused request has changed
    /// nothing.
    fn administer(&mut self, request: &Request<Bytes>, around: &Around) -> Result<Work, Refusal> {
        let path = request.uri().path();
        let route = Route::of(request.method(), path).ok_or_else(|| Refusal::nowhere(request))?;
        let asked = AdminRequest { path: Parts::of(path), request };
        let answered = |value| Ok(Work::Answered(StatusCode::OK, value));
        let created = |value| Ok(Work::Answered(StatusCode::CREATED, value));
        match route {
            Route::GetHealth => answered(self.health(around)),
            Route::ExportState => Ok(Work::Export),
            Route::ImportState => Ok(Work::Import),
            Route::Reset => {
                let (old, answer) = self.start_again(&asked)?;
                Ok(Work::Replaced(old, answer))
            }
            Route::ListUsers => answered(self.users()),
            Route::CreateToken => created(self.token(&asked)?),
            Route::ListAccounts => answered(self.list_accounts()),
            Route::CreateAccount => created(self.create_account(&asked)?),
            Route::ListObjects => answered(self.list_objects(&asked)?),
            Route::CreateObject => created(self.create_object(&asked)?),
            Route::UpdateObject => answered(self.update_object(&asked)?),
            Route::DeleteObject => answered(self.delete_object(&asked)?),
            Route::SetAccess => answered(self.set_access(&asked)?),
            Route::SetUnreadable => answered(self.set_unreadable(&asked)?),
            Route::ShareObject => answered(self.set_role(&asked, true)?),
            Route::UnshareObject => answered(self.set_role(&asked, false)?),
            Route::FillAccount => answered(self.fill_account(&asked)?),
            Route::AddTrouble => answered(self.add_trouble(&asked)?),
            Route::EndTroubles => answered(self.end_troubles(&asked)?),
            Route::ListSyncs => answered(self.every_sync()),
            Route::CreateSync => created(self.create_sync(&asked)?),
            Route::GetSync => answered(self.one_sync(&asked)?),
            Route::DeleteSync => answered(self.drop_sync(&asked)?),
            Route::ListRecords => answered(self.list_records(&asked)?),
            Route::GetSyncLog => answered(self.sync_log(&asked)?),
            Route::ListUnfetched => answered(self.list_unfetched(&asked)?),
            Route::RunSync => answered(self.run_sync(&asked)?),
            Route::DisableSync => answered(self.pause_sync(&asked, true)?),
            Route::ReenableSync => answered(self.pause_sync(&asked, false)?),
            Route::GetClock => answered(self.time(around)),
            Route::AdvanceClock => Ok(Work::Move(Move::By(asked.read::<By>()?.by))),
            Route::NextDue => nothing(&asked).map(|()| Work::Move(Move::Next)),
            Route::RunUntilIdle => nothing(&asked).map(|()| Work::Move(Move::Idle)),
            Route::Settle => nothing(&asked).map(|()| Work::Move(Move::By(Duration::ZERO))),
            Route::GetWebhook => answered(self.webhook()),
            Route::SetWebhook => answered(self.change_webhook(&asked)?),
            Route::EnableWebhook => answered(self.switch_webhook(&asked, true)?),
            Route::DisableWebhook => answered(self.switch_webhook(&asked, false)?),
            Route::SendEvent => answered(self.send_event(&asked)?),
            Route::ListDeliveries if asked.flag("follow")? => Ok(Work::Follow(asked.number("after", 0)?)),
            Route::ListDeliveries => answered(self.deliveries(&asked)?),
            Route::GetTimeline => answered(self.story(&asked)?),
            Route::ExplainDelivery => answered(self.explain_delivery(&asked)?),
            Route::ListAdversities => answered(self.list_adversities()),
            Route::AddAdversity => created(self.add_adversity(&asked)?),
            Route::EndAdversities => {
                self.queue.end_all();
                answered(json!({}))
            }
            Route::ListFaults => answered(self.list_faults()),
            Route::AddFault => created(self.add_fault(&asked)?),
            Route::EndFault => answered(self.end_fault(&asked)?),
            Route::EndFaults => {
                self.end_faults();
                answered(json!({}))
            }
            Route::PlayScenario => Ok(Work::Play(Box::new(self.scenario(&asked)?))),
        }
    }

    fn health(&self, around: &Around) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"), "projectId": self.project.id, "apiUrl": around.api_url,
            "seed": self.seed, "now": self.clock.now(), "speed": around.speed,
        })
    }

    fn time(&self, around: &Around) -> Value {
        json!({"now": self.clock.now(), "start": self.start, "speed": around.speed, "nextDue": self.next_due()})
    }

    fn token(&self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            user: UserId,
            flaw: Option<Flaw>,
            oddity: Option<Oddity>,
        }
        let Wanted { user, flaw, oddity } = asked.read()?;
        let token = match (flaw, oddity) {
            (None, None) => self.project.token(&user),
            (Some(flaw), None) => self.project.bad_token(&user, flaw),
            (None, Some(oddity)) => self.project.odd_token(&user, oddity),
            (Some(_), Some(_)) => return Err(Refusal::bad("/oddity: expected none beside a flaw")),
        };
        Ok(json!({"token": token}))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    #[serde(with = "duration")]
    by: Duration,
}

/// Checks that the body of a request is empty or `{}`, for an endpoint that takes no members.
fn nothing(asked: &AdminRequest<'_>) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    asked.read::<Nothing>().map(|Nothing {}| ())
}

impl From<Refusal> for ApiResponse {
    fn from(refusal: Refusal) -> Self {
        Self::refusal(refusal.status, &refusal.message)
    }
}
