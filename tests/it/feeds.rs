//! Whatever happens, a client that pulls by cursor ends with the records of the source.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use paragon_testkit::contract::{ExternalId, File};
use paragon_testkit::fake::ProviderFault;
use paragon_testkit::fake::{ApiFault, ApiFaultKind, Connection, Item, Server, Stale, SyncHandle};
use paragon_testkit::fake::{RunKind, Status};
use paragon_testkit::source;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::api::Client;
use crate::described::FakeParagon;

const SYNCS: usize = 4;
/// Two clients pull each sync, and stop at different pages.
const CLIENTS: usize = 2 * SYNCS;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Update(Index),
    Delete(Index),
    Hide(Index),
    Show(Index),
    Break(Index),
    Mend(Index),
    Trouble(usize, source::ProviderFaultKind, u32),
    Disable(usize),
    Reenable(usize),
    RunSoon(usize, RunKind),
    Fault(ApiFaultKind, u64),
    Advance(u64),
    Pull(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (account, sync, client) = (0..2_usize, 0..SYNCS, 0..CLIENTS);
    let provider = select(vec![
        source::ProviderFaultKind::RateLimited { backoff: Duration::from_secs(90) },
        source::ProviderFaultKind::Network,
        source::ProviderFaultKind::AccessTokenExpired,
        source::ProviderFaultKind::CredentialRevoked,
    ]);
    let api = select(vec![
        ApiFaultKind::Status { code: 500, retry_after: None },
        ApiFaultKind::ResetBefore,
        ApiFaultKind::ResetInside,
        ApiFaultKind::CutJson,
        ApiFaultKind::MalformedJson,
        ApiFaultKind::WrongContentType,
        ApiFaultKind::StaleReads(Stale::Reads(2)),
        ApiFaultKind::StaleReads(Stale::For(Duration::from_secs(60))),
        ApiFaultKind::ShortPages(2),
        ApiFaultKind::EmptyPage,
        ApiFaultKind::RepeatedRecord,
        ApiFaultKind::NullCursorAtEnd,
        ApiFaultKind::ExpiredTokens,
    ]);
    prop_oneof![
        5 => account.clone().prop_map(Step::Create),
        4 => any::<Index>().prop_map(Step::Update),
        2 => any::<Index>().prop_map(Step::Delete),
        1 => any::<Index>().prop_map(Step::Hide),
        1 => any::<Index>().prop_map(Step::Show),
        1 => any::<Index>().prop_map(Step::Break),
        1 => any::<Index>().prop_map(Step::Mend),
        1 => (account, provider, 1..3_u32).prop_map(|(account, trouble, runs)| Step::Trouble(account, trouble, runs)),
        1 => sync.clone().prop_map(Step::Disable),
        1 => sync.clone().prop_map(Step::Reenable),
        1 => (sync, select(vec![RunKind::Incremental, RunKind::Full])).prop_map(|(sync, kind)| Step::RunSoon(sync, kind)),
        2 => (api, 1..4_u64).prop_map(|(trouble, calls)| Step::Fault(trouble, calls)),
        4 => select(vec![1, 30, 60, 3_600, 86_400]).prop_map(Step::Advance),
        8 => (client, 1..6_usize).prop_map(|(client, size)| Step::Pull(client, size)),
    ]
}

/// A file of the source, and whether it is hidden or unreadable.
struct Kept {
    account: usize,
    item: Item<File>,
    name: String,
    hidden: bool,
    broken: bool,
}

#[derive(Default)]
struct Held {
    cursor: Option<String>,
    names: HashMap<ExternalId, String>,
    seen: HashSet<String>,
}

struct Play {
    paragon: FakeParagon,
    accounts: Vec<Connection>,
    syncs: Vec<SyncHandle>,
    apps: Vec<Client>,
    held: Vec<Held>,
    files: BTreeMap<usize, Kept>,
    made: usize,
    /// Whether a client may receive a version twice, because a fault has repeated records.
    repeats: bool,
}

impl Play {
    async fn start() -> Self {
        let paragon = FakeParagon::start_on(Server::Hyper).await;
        let users = ["ada", "bob"];
        let accounts: Vec<_> = users.iter().map(|user| paragon.user(*user).connect("googledrive")).collect();
        let enable = |number: usize| accounts[number % 2].enable_as("files", ["a", "b"][number / 2]).unwrap();
        let syncs = (0..SYNCS).map(enable).collect();
        let apps = users.iter().map(|user| Client::new(&paragon, user)).collect();
        let held = (0..CLIENTS).map(|_| Held::default()).collect();
        Self { paragon, accounts, syncs, apps, held, files: BTreeMap::new(), made: 0, repeats: false }
    }

    fn pick(&mut self, index: Index) -> Option<(&mut Kept, Connection)> {
        let number = *self.files.keys().nth(index.index(self.files.len().max(1)))?;
        let kept = self.files.get_mut(&number)?;
        let account = self.accounts[kept.account].clone();
        Some((kept, account))
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Create(account) => {
                let name = format!("{} made", self.made);
                let item = self.accounts[account].create(File::named(&name));
                self.files.insert(self.made, Kept { account, item, name, hidden: false, broken: false });
                self.made += 1;
            }
            Step::Update(index) => {
                let version = self.made;
                self.made += 1;
                if let Some((kept, account)) = self.pick(index) {
                    kept.name = format!("{version} changed");
                    account.update(&kept.item, |file| file.name.clone_from(&kept.name));
                }
            }
            Step::Delete(index) => {
                if let Some((kept, account)) = self.pick(index) {
                    account.delete(&kept.item);
                    let item = kept.item.clone();
                    self.files.retain(|_, kept| kept.item != item);
                }
            }
            // A file is either hidden or unreadable: each state ends the other.
            Step::Hide(index) => {
                if let Some((kept, account)) = self.pick(index) {
                    account.revoke_access(&kept.item);
                    (kept.hidden, kept.broken) = (true, false);
                }
            }
            Step::Break(index) => {
                if let Some((kept, account)) = self.pick(index) {
                    account.make_unreadable(&kept.item, "Request failed with status code 500");
                    (kept.hidden, kept.broken) = (false, true);
                }
            }
            Step::Show(index) | Step::Mend(index) => {
                self.made += 1;
                let version = self.made;
                if let Some((kept, account)) = self.pick(index) {
                    account.grant_access(&kept.item);
                    // Makes a new version of the file, so that a record that arrives twice differs from it.
                    kept.name = format!("{version} shown");
                    account.update(&kept.item, |file| file.name.clone_from(&kept.name));
                    (kept.hidden, kept.broken) = (false, false);
                }
            }
            Step::Trouble(account, trouble, runs) => {
                self.accounts[account].provider_fault(ProviderFault::new(trouble).next(runs));
            }
            Step::Disable(sync) => self.syncs[sync].disable(),
            Step::Reenable(sync) => self.syncs[sync].reenable(),
            Step::RunSoon(sync, kind) => self.syncs[sync].run_soon(kind),
            Step::Fault(trouble, calls) => {
                let lost = [
                    ApiFaultKind::ResetBefore,
                    ApiFaultKind::ResetInside,
                    ApiFaultKind::CutJson,
                    ApiFaultKind::MalformedJson,
                ];
                // With these faults the client cannot read the response. With all other faults it may read records that
                // it receives again later.
                self.repeats |= !lost.contains(&trouble);
                self.paragon.api_fault(ApiFault::new(trouble).next(calls));
            }
            Step::Advance(seconds) => self.paragon.advance(Duration::from_secs(seconds)).await,
            Step::Pull(client, size) => {
                self.pull(client, size, 4).await;
            }
        }
    }

    /// Pulls with at most `calls` calls. Returns whether the client has reached the end of the feed.
    async fn pull(&mut self, number: usize, size: usize, calls: usize) -> bool {
        let (sync, client) = (&self.syncs[number / 2], &self.apps[number / 2 % 2]);
        let held = &mut self.held[number];
        for _ in 0..calls {
            let cursor = held.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let path = format!("/api/syncs/{}/records?pageSize={size}{cursor}", sync.id());
            let Ok(answer) = client.request("GET", &path).send().await else { continue };
            let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
            let Ok(bytes) = answer.bytes().await else { continue };
            let json = kind.is_some_and(|kind| kind.to_str().unwrap().starts_with("application/json"));
            let Ok(page) = serde_json::from_slice::<Value>(&bytes) else { continue };
            if status != 200 || !json {
                assert!([200, 401, 500].contains(&status.as_u16()), "{page}");
                continue;
            }
            for record in page["data"].as_array().unwrap() {
                let new = held.seen.insert(record.to_string());
                assert!(new || self.repeats || record["deleted"] == true, "a version came twice: {record}");
                let external = record["externalId"].as_str().unwrap().into();
                match record["name"].as_str() {
                    Some(name) => held.names.insert(external, name.to_owned()),
                    None => held.names.remove(&external),
                };
            }
            if let Some(cursor) = page["paging"]["cursor"].as_str() {
                held.cursor = Some(cursor.to_owned());
            }
            if page["paging"]["remainingRecords"] == 0 {
                return true;
            }
        }
        false
    }

    /// Ends all faults, lets two days pass, lets every client pull to the end, and compares the result with the source.
    async fn end(mut self) {
        self.accounts.iter().for_each(Connection::end_provider_faults);
        self.paragon.end_api_faults();
        for kept in self.files.values_mut().filter(|kept| kept.broken) {
            let account = &self.accounts[kept.account];
            account.make_readable(&kept.item);
            kept.name += ", mended";
            account.update(&kept.item, |file| file.name.clone_from(&kept.name));
        }
        self.syncs.iter().for_each(SyncHandle::reenable);
        self.paragon.advance(2 * DAY).await;
        for client in 0..CLIENTS {
            assert!(self.pull(client, 3, 1_000).await, "client {client} is never caught up");
            let sync = &self.syncs[client / 2];
            assert_eq!(sync.status(), Some(Status::Idle));
            let here = |kept: &&Kept| kept.account == client / 2 % 2 && !kept.hidden;
            let files = self.files.values().filter(here);
            let expected: HashMap<_, _> = files.map(|kept| (kept.item.id().clone(), kept.name.clone())).collect();
            assert_eq!(self.held[client].names, expected, "client {client}");
            let records = sync.records();
            let served: HashSet<_> = records.iter().map(|record| record["name"].as_str().unwrap()).collect();
            assert_eq!(served, expected.values().map(String::as_str).collect());
            assert_eq!(sync.unfetched(), []);
        }
    }
}

proptest! {
    // Each case starts a server, so there are few cases.
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_client_that_pulls_by_cursor_ends_with_the_source(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut play = Play::start().await;
            for step in steps {
                play.step(step).await;
            }
            play.end().await;
        });
    }
}
