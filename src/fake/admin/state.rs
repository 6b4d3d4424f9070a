//! Export and import of the whole state as one JSON document. The document does not contain the signing key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::AdminRequest;
use super::body::{Refusal, read};
use crate::clock::{Clock, Timestamp};
use crate::contract::{CredentialId, ProjectId, SyncId};
use crate::delivery::{DeliveryId, Queue};
use crate::fake::faults::Faults;
use crate::fake::served::Served;
use crate::fake::timeline::EntryKind;
use crate::fake::world::{Delivered, Options, World};
use crate::source::Account;
use crate::sync::Engine;

/// The version of the document's format.
const VERSION: u32 = 1;

macro_rules! document {
    ($($(#[$attribute:meta])* $name:ident: $type:ty,)*) => {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            version: u32,
            project: &'a ProjectId,
            accounts: Vec<&'a Account>,
            $($(#[$attribute])* $name: &'a $type,)*
        }

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct Read {
            version: u32,
            project: ProjectId,
            accounts: Vec<Account>,
            /// Written by earlier versions. An outage of the API is one of the faults, so nothing is lost.
            #[serde(default, rename = "outage")]
            _outage: serde::de::IgnoredAny,
            $($(#[$attribute])* $name: $type,)*
        }

        impl World {
            fn written(&self) -> Written<'_> {
                let accounts = self.connected.iter().filter_map(|credential| self.accounts.get(credential));
                Written {
                    version: VERSION,
                    project: &self.project.id,
                    accounts: accounts.collect(),
                    $($name: &self.$name,)*
                }
            }

            fn take(&mut self, read: Read) {
                self.connected = read.accounts.iter().map(|account| account.credential().clone()).collect();
                let named = |account: Account| (account.credential().clone(), account);
                self.accounts = read.accounts.into_iter().map(named).collect();
                $(self.$name = read.$name;)*
            }
        }
    };
}

document! {
    seed: u64,
    options: Options,
    start: Timestamp,
    clock: Clock,
    engine: Engine,
    queue: Queue,
    in_delivery: BTreeMap<DeliveryId, Vec<Delivered>>,
    faults: Faults,
    stale_reads: BTreeMap<SyncId, BTreeMap<u64, (Timestamp, u64)>>,
    served: Served,
}

impl World {
    pub(super) fn export(&self) -> String {
        serde_json::to_string(&self.written()).unwrap_or_else(|error| unreachable!("a state is plain data: {error}"))
    }

    /// Replaces the state by an imported one. Returns the old world and a summary of the new one. The timeline
    /// continues.
    pub(super) fn import(&mut self, State(read): State) -> (Box<World>, Value) {
        let old = self.replace(read.seed);
        self.take(read);
        self.judge_audience();
        self.note(None, None, EntryKind::State("replaced by an imported one".to_owned()));
        (old, self.summary())
    }

    /// Resets the world to its start, with another seed if the request has one. The project, the policy, the options
    /// and the webhook's URL stay. Returns the old world and a summary of the new one.
    pub(super) fn start_again(&mut self, asked: &AdminRequest<'_>) -> Result<(Box<World>, Value), Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            seed: Option<u64>,
        }
        let Wanted { seed } = asked.read()?;
        let old = self.replace(seed.unwrap_or(self.seed));
        self.note(None, None, EntryKind::State("reset".to_owned()));
        Ok((old, self.summary()))
    }

    fn summary(&self) -> Value {
        json!({
            "projectId": self.project.id, "seed": self.seed, "now": self.clock.now(), "accounts": self.accounts.len(),
            "syncs": self.engine.syncs().count(), "webhook": self.webhook(),
        })
    }
}

/// A checked state, ready to be imported.
pub(super) struct State(Read);

impl State {
    /// Reads and checks a state. Must not be called while the world is locked, because a large state takes time.
    pub(super) fn read(body: &[u8], project: &ProjectId) -> Result<Self, Refusal> {
        let read: Read = read(body)?;
        let problem = read.problem(project);
        problem.map_or(Ok(Self(read)), |why| Err(Refusal::bad(format!("/{why}"))))
    }
}

impl Read {
    /// Returns why the state cannot be imported: a wrong version or project, or an inconsistency.
    fn problem(&self, project: &ProjectId) -> Option<String> {
        if self.version != VERSION {
            return Some(format!("version: expected {VERSION}, got {}", self.version));
        }
        if self.project != *project {
            return Some(format!("project: expected {project}, got {}: start with this --project", self.project));
        }
        let mut accounts: BTreeMap<CredentialId, Account> = BTreeMap::new();
        for (index, account) in self.accounts.iter().enumerate() {
            if let Some(why) = account.problem() {
                return Some(format!("accounts/{index}/{why}"));
            }
            if accounts.insert(account.credential().clone(), account.clone()).is_some() {
                return Some(format!("accounts/{index}: the credential {} is there twice", account.credential()));
            }
        }
        self.engine.problem(project, &accounts).map(|why| format!("engine/{why}"))
    }
}
