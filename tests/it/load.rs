//! Many clients at once, and receivers that call back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use paragon_testkit::contract::{ExternalId, File};
use paragon_testkit::delivery::WebhookState;
use paragon_testkit::fake::RunKind;
use paragon_testkit::fake::{Connection, Item, Server, SyncHandle};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;

use crate::api::Client;
use crate::described::FakeParagon;

const MINUTE: Duration = Duration::from_secs(60);
/// Limit of each wait. Only a hanging test reaches it.
const BOUND: Duration = Duration::from_secs(60);

const CLIENTS: usize = 1_000;
const USERS: usize = 10;
const ROUNDS: usize = 4;
/// Limit of simultaneous calls. Each call needs two file descriptors of this process, and some systems allow only 256.
const SOCKETS: usize = 80;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}

/// What the fake is expected to serve, kept independently of the fake.
struct Model {
    drive: Connection,
    sync: SyncHandle,
    files: BTreeMap<usize, Item<File>>,
    names: HashMap<ExternalId, String>,
    made: usize,
}

impl Model {
    fn new(drive: Connection) -> Self {
        let sync = drive.enable("files").unwrap();
        let mut model = Self { drive, sync, files: BTreeMap::new(), names: HashMap::new(), made: 0 };
        (0..25).for_each(|_| model.create());
        model
    }

    fn create(&mut self) {
        let name = format!("{} made", self.made);
        let file = self.drive.create(File::named(&name));
        self.names.insert(file.id().clone(), name);
        self.files.insert(self.made, file);
        self.made += 1;
    }

    /// Creates, updates and deletes some files.
    fn change(&mut self, round: usize) {
        (0..2).for_each(|_| self.create());
        let numbers: Vec<usize> = self.files.keys().copied().collect();
        for number in numbers {
            let file = &self.files[&number];
            if (number + round).is_multiple_of(9) {
                self.drive.delete(file);
                self.names.remove(file.id());
                self.files.remove(&number);
            } else if (number + round).is_multiple_of(4) {
                let name = format!("{number} in round {round}");
                self.drive.update(file, |file| file.name.clone_from(&name));
                self.names.insert(file.id().clone(), name);
            }
        }
    }
}

/// The records that one client holds of one sync, and every version that it has received.
#[derive(Default)]
struct Held {
    cursor: String,
    records: HashMap<String, Value>,
    seen: HashSet<String>,
    calls: usize,
}

impl Held {
    /// Pulls until the end of the feed.
    async fn pull(&mut self, client: &Client, sync: &str, size: usize, sockets: &Semaphore) {
        loop {
            let socket = sockets.acquire().await.unwrap();
            let page = client.pull(sync, &format!("?pageSize={size}&cursor={}", self.cursor)).await;
            drop(socket);
            self.calls += 1;
            for record in page["data"].as_array().unwrap() {
                let id = record["id"].as_str().unwrap().to_owned();
                assert!(self.seen.insert(record.to_string()), "a version came twice: {record}");
                if record["deleted"] == true {
                    self.records.remove(&id);
                } else {
                    self.records.insert(id, record.clone());
                }
            }
            page["paging"]["cursor"].as_str().unwrap_or_default().clone_into(&mut self.cursor);
            if page["paging"]["remainingRecords"] == 0 {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_lose_nothing_and_get_nothing_twice() {
    let paragon = FakeParagon::start_on(Server::Hyper).await;
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let receiver = Router::new().route(
        "/",
        post(async move || {
            let _ = count.fetch_add(1, Ordering::Relaxed);
        }),
    );
    paragon.set_webhook(serve(receiver).await).await;
    let user = |number: usize| format!("user {number}");
    let connect = |number| Model::new(paragon.user(user(number)).connect("googledrive"));
    let mut models: Vec<Model> = (0..USERS).map(connect).collect();
    let apps: Vec<Client> = (0..USERS).map(|number| Client::new(&paragon, &user(number))).collect();

    let sockets = Arc::new(Semaphore::new(SOCKETS));
    let (round, rounds) = watch::channel(0);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, sync) = (apps[number % USERS].clone(), models[number % USERS].sync.id().to_string());
        let (sockets, mut rounds) = (sockets.clone(), rounds.clone());
        clients.spawn(async move {
            let mut held = Held::default();
            // The clients start in different rounds, and each one skips different rounds.
            let mut next = number % 3;
            while next <= ROUNDS {
                rounds.wait_for(|round| *round >= next).await.unwrap();
                held.pull(&client, &sync, 3 + number % 40, &sockets).await;
                next += 1 + number % 4;
            }
            rounds.wait_for(|round| *round > ROUNDS).await.unwrap();
            held.pull(&client, &sync, 2 + number % 40, &sockets).await;
            (number % USERS, held)
        });
    }
    for number in 1..=ROUNDS {
        for model in &mut models {
            model.change(number);
        }
        // The clients pull while the runs and deliveries of this round take place.
        round.send(number).unwrap();
        paragon.advance(MINUTE).await;
    }
    for model in &models {
        model.sync.run_soon(RunKind::Full);
    }
    paragon.run_until_idle().await;
    paragon.settle().await;
    round.send(ROUNDS + 1).unwrap();

    let ended = timeout(BOUND, clients.join_all()).await.expect("no client hangs");
    assert_eq!(ended.len(), CLIENTS);
    for (user, held) in &ended {
        let model = &models[*user];
        let mut names: HashMap<ExternalId, String> = HashMap::new();
        for record in held.records.values() {
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            names.insert(text("externalId").into(), text("name"));
        }
        assert_eq!(names, model.names, "user {user}");
        assert_eq!(held.records.len(), names.len());
    }
    for model in &models {
        let served = model.sync.records().into_iter().map(|record| record["name"].as_str().unwrap().to_owned());
        assert_eq!(served.collect::<HashSet<_>>(), model.names.values().cloned().collect());
    }
    let calls = ended.iter().map(|(_, held)| held.calls).sum::<usize>();
    assert!(calls > 4 * CLIENTS);
    assert_eq!(paragon.webhook(), WebhookState::Enabled);
    assert!(told.load(Ordering::Relaxed) > USERS * 25);
}

/// This test hangs if the sender holds a lock of the API while it waits for a response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_call_back_before_they_answer_never_hang() {
    for server in [Server::Wiremock, Server::Hyper] {
        let mut all = JoinSet::new();
        for rounds in 3..6 {
            all.spawn(call_back_for(server, rounds));
        }
        timeout(BOUND, all.join_all()).await.expect("neither sender nor receiver hangs");
    }
}

/// Runs a fake whose receiver calls the API before it responds, while another client calls the API too.
async fn call_back_for(server: Server, rounds: usize) {
    let paragon = FakeParagon::start_on(server).await;
    let apps: Arc<HashMap<String, Client>> =
        Arc::new(["ada", "bob"].map(|user| (user.to_owned(), Client::new(&paragon, user))).into());
    let held: Arc<Mutex<HashMap<String, Value>>> = Arc::default();
    let router = Router::new().route("/", post(call_back)).with_state((apps.clone(), held.clone()));
    paragon.set_webhook(serve(router).await).await;
    let drives = ["ada", "bob"].map(|user| paragon.user(user).connect("googledrive"));
    for drive in &drives {
        drive.create(File::named("first"));
    }
    let syncs = drives.each_ref().map(|drive| drive.enable("files").unwrap());
    for round in 0..rounds {
        for drive in &drives {
            drive.create(File::named(format!("{round}")));
        }
        // Meanwhile another client calls the API, and the source changes.
        let other = async {
            for _ in 0..10 {
                assert_eq!(apps["ada"].get("/api/syncs").await.0, 200);
                drives[0].create(File::named("meanwhile"));
            }
        };
        tokio::join!(paragon.advance(MINUTE), other);
    }
    paragon.advance(MINUTE).await;
    for sync in &syncs {
        for record in sync.records() {
            assert_eq!(held.lock().unwrap().get(record["id"].as_str().unwrap()), Some(&record));
        }
    }
    let timeline = paragon.timeline();
    assert!(timeline.attempts().all(|attempt| attempt.record.outcome.to_string() == "200"), "{timeline}");
}

type Apps = (Arc<HashMap<String, Client>>, Arc<Mutex<HashMap<String, Value>>>);

/// Requests the status, the list and all records at the same time, and responds afterwards.
async fn call_back(State((apps, held)): State<Apps>, body: Bytes) {
    let event: Value = serde_json::from_slice(&body).unwrap();
    let (client, sync) = (&apps[event["user"]["id"].as_str().unwrap()], event["syncInstanceId"].as_str().unwrap());
    let path = format!("/api/syncs/{sync}");
    let (status, list, records) =
        tokio::join!(client.get(&path), client.get("/api/syncs"), client.pull_all(sync, None, 7));
    assert_eq!((status.0, list.0), (200, 200));
    let mut held = held.lock().unwrap();
    held.extend(records.0.into_iter().map(|record| (record["id"].as_str().unwrap().to_owned(), record)));
}
