//! What of the admin API takes its time: moving the clock, and following what is sent.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::body::Refusal;
use super::state::State;
use super::{Around, Move, Work};
use crate::fake::driver::{Driver, Replaced};
use crate::fake::reply::Reply;
use crate::fake::shared::lock;
use crate::fake::timeline::What;
use crate::fake::told::{delivery, told};
use crate::fake::world::World;
use crate::scenario::Scenario;

/// So many lines wait for a follower that reads slowly.
const AHEAD: usize = 64;

/// The answer when another world has been put in the place of the old one.
fn replaced(old: Box<World>, value: &Value) -> Reply {
    // A large one takes its time to be dropped, and others want to be served.
    drop(tokio::task::spawn_blocking(move || drop(old)));
    Reply::json(StatusCode::OK, value.to_string())
}

impl Driver {
    /// Answers a request of the admin API. What was begun is done, also when the client leaves.
    pub(in crate::fake) async fn administer(self: Arc<Self>, request: Request<Bytes>, api_url: String) -> Reply {
        let doing = tokio::spawn(self.work(request, api_url));
        doing.await.unwrap_or_else(|error| Reply::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    }

    async fn work(self: Arc<Self>, request: Request<Bytes>, api_url: String) -> Reply {
        let around = Around { api_url, speed: self.world.pace().map(|pace| pace.speed()) };
        let work = lock(&self.world).administer(&request, &around);
        let body = request.into_body();
        self.tell();
        match work {
            Err(refusal) => refusal.into(),
            Ok(Work::Answered(status, value)) => Reply::json(status, value.to_string()),
            Ok(Work::Replaced(old, value)) => replaced(old, &value),
            Ok(Work::Import) => self.import(body).await,
            Ok(Work::Move(how)) => {
                let mark = lock(&self.world).log.end();
                let moved = match how {
                    Move::By(span) => self.advance(span).await,
                    Move::Next => self.next().await,
                    Move::Idle => self.run_until_idle().await,
                };
                match moved {
                    Ok(()) => Reply::json(StatusCode::OK, self.fired(mark).to_string()),
                    Err(Replaced) => Refusal::conflict("the state was replaced meanwhile").into(),
                }
            }
            Ok(Work::Play(scenario)) => self.perform(&scenario).await,
            Ok(Work::Export) => {
                let _turn = self.turn().await;
                // What is under way is in no queue.
                self.landed().await;
                let state = lock(&self.world).export();
                Reply::json(StatusCode::OK, state)
            }
            Ok(Work::Follow(after)) => self.follow(after),
        }
    }

    async fn import(self: Arc<Self>, body: Bytes) -> Reply {
        let project = lock(&self.world).project.id.clone();
        let reading = tokio::task::spawn_blocking(move || State::read(&body, &project));
        match reading.await {
            Ok(Ok(state)) => {
                let (old, value) = lock(&self.world).import(state);
                self.tell();
                replaced(old, &value)
            }
            Ok(Err(refusal)) => refusal.into(),
            Err(error) => Reply::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    async fn perform(self: &Arc<Self>, scenario: &Scenario) -> Reply {
        let mark = lock(&self.world).log.end();
        match self.play(scenario).await {
            Ok(syncs) => {
                let mut answer = self.fired(mark);
                answer["syncs"] = syncs.iter().map(|sync| sync.id().as_str()).collect();
                Reply::json(StatusCode::OK, answer.to_string())
            }
            Err(error) => Refusal::conflict(error.to_string()).into(),
        }
    }

    /// What has happened since, and what time it is. Calls of the API are the receiver's affair, and what is queued is
    /// told by its attempts.
    fn fired(&self, mark: usize) -> Value {
        let world = lock(&self.world);
        let counts = |what: &What| match what {
            What::Call(_) => false,
            What::Queued { deliveries, .. } => deliveries.is_empty(),
            _ => true,
        };
        let fired = world.log.since(mark).filter(|(_, entry)| counts(&entry.what));
        let fired: Vec<Value> = fired.map(|(number, entry)| told(number, entry)).collect();
        let dropped = world.log.first().saturating_sub(mark);
        json!({"now": world.clock.now(), "fired": fired, "last": world.log.end(), "dropped": dropped})
    }

    /// What is sent from now on and, as far as it is kept, what was sent after this entry.
    fn follow(self: Arc<Self>, after: usize) -> Reply {
        let (lines, receiver) = mpsc::channel(AHEAD);
        let mut told = self.world.told();
        tokio::spawn(async move {
            let mut next = after;
            loop {
                told.borrow_and_update();
                let news: Vec<Value> = {
                    let world = lock(&self.world);
                    let log = &world.log;
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
        Reply::open("application/x-ndjson", receiver)
    }
}
