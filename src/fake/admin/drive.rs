//! The requests of the admin API that take time: for example moving the clock, playing a scenario, and following the
//! deliveries.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::Refusal;
use super::export::{Import, export, import};
use super::{Around, Move, Work, administer, summary};
use crate::fake::driver::{Driver, Replaced};
use crate::fake::entry::EntryKind;
use crate::fake::entry_json::{delivery, told};
use crate::fake::response::ApiResponse;
use crate::fake::state::State;
use crate::scenario::Scenario;

/// Maximum number of lines that wait for a follower that reads slowly.
const AHEAD: usize = 64;

/// Returns the response after a state was replaced, and drops the old state.
fn replaced(old: Box<State>, value: &Value) -> ApiResponse {
    // Dropping a large state takes time. It is dropped on another thread, so that other requests are served meanwhile.
    drop(tokio::task::spawn_blocking(move || drop(old)));
    ApiResponse::json(StatusCode::OK, value.to_string())
}

impl Driver {
    /// Answers a request of the admin API. The work is finished even if the client leaves.
    pub(in crate::fake) async fn administer(self: Arc<Self>, request: Request<Bytes>, api_url: String) -> ApiResponse {
        let doing = tokio::spawn(self.work(request, api_url));
        doing.await.unwrap_or_else(|error| ApiResponse::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    }

    async fn work(self: Arc<Self>, request: Request<Bytes>, api_url: String) -> ApiResponse {
        let around = Around { api_url, speed: self.shared.pace().map(|pace| pace.speed()) };
        let work = administer(&mut self.shared.lock(), &request, &around);
        let body = request.into_body();
        self.tell();
        match work {
            Err(refusal) => refusal.into(),
            Ok(Work::Answered(status, value)) => ApiResponse::json(status, value.to_string()),
            Ok(Work::Replaced(old, value)) => replaced(old, &value),
            Ok(Work::Import) => self.import(body).await,
            Ok(Work::Move(how)) => {
                let mark = self.shared.lock().simulation.journal.log.end();
                let moved = match how {
                    Move::By(span) => self.advance(span).await,
                    Move::Next => self.next().await,
                    Move::Idle => self.run_until_idle().await,
                };
                match moved {
                    Ok(()) => ApiResponse::json(StatusCode::OK, self.fired(mark).to_string()),
                    Err(Replaced) => Refusal::conflict("the state was replaced meanwhile").into(),
                }
            }
            Ok(Work::Play(scenario)) => self.perform(&scenario).await,
            Ok(Work::Export) => {
                let _turn = self.turn().await;
                // Attempts under way are in no queue, so an export would miss them.
                self.landed().await;
                let state = export(&self.shared.lock());
                ApiResponse::json(StatusCode::OK, state)
            }
            Ok(Work::Follow(after)) => self.follow(after),
        }
    }

    async fn import(self: Arc<Self>, body: Bytes) -> ApiResponse {
        let project = self.shared.lock().project.id.clone();
        let reading = tokio::task::spawn_blocking(move || Import::read(&body, &project));
        match reading.await {
            Ok(Ok(imported)) => {
                let (old, value) = {
                    let mut state = self.shared.lock();
                    (import(&mut state, imported), summary(&state))
                };
                self.tell();
                replaced(old, &value)
            }
            Ok(Err(refusal)) => refusal.into(),
            Err(error) => ApiResponse::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    async fn perform(self: &Arc<Self>, scenario: &Scenario) -> ApiResponse {
        let mark = self.shared.lock().simulation.journal.log.end();
        match self.play(scenario).await {
            Ok(syncs) => {
                let mut answer = self.fired(mark);
                answer["syncs"] = syncs.iter().map(|sync| sync.id().as_str()).collect();
                ApiResponse::json(StatusCode::OK, answer.to_string())
            }
            Err(error) => Refusal::conflict(error.to_string()).into(),
        }
    }

    /// Returns the timeline entries since `mark` and the current time. Calls of the API are left out, because the
    /// receiver makes them. A queued event with deliveries is left out, because the attempts of its deliveries are
    /// listed.
    fn fired(&self, mark: usize) -> Value {
        let state = self.shared.lock();
        let log = &state.simulation.journal.log;
        let counts = |what: &EntryKind| match what {
            EntryKind::Call(_) => false,
            EntryKind::Queued { deliveries, .. } => deliveries.is_empty(),
            _ => true,
        };
        let fired = log.since(mark).filter(|(_, entry)| counts(&entry.what));
        let fired: Vec<Value> = fired.map(|(number, entry)| told(number, entry)).collect();
        let dropped = log.first().saturating_sub(mark);
        json!({"now": state.simulation.now(), "fired": fired, "last": log.end(), "dropped": dropped})
    }

    /// Streams the attempts and the dropped deliveries: those after entry `after` that are still kept, then all new
    /// ones.
    fn follow(self: Arc<Self>, after: usize) -> ApiResponse {
        let (lines, receiver) = mpsc::channel(AHEAD);
        let mut told = self.shared.told();
        tokio::spawn(async move {
            let mut next = after;
            loop {
                told.borrow_and_update();
                let news: Vec<Value> = {
                    let state = self.shared.lock();
                    let log = &state.simulation.journal.log;
                    let lost = log.first().saturating_sub(next);
                    let lost = (lost > 0 && next > after).then(|| json!({"kind": "lost", "entries": lost}));
                    let news = log.since(next).filter_map(|(number, entry)| delivery(number, entry));
                    let news = lost.into_iter().chain(news).collect();
                    next = next.max(log.end());
                    news
                };
                for line in news {
                    if lines.send(format!("{line}\n").into()).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    _ = told.changed() => {}
                    () = lines.closed() => return,
                }
            }
        });
        ApiResponse::open("application/x-ndjson", receiver)
    }
}
