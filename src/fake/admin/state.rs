//! The whole state as one document. The signing key is no part of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Asked;
use super::body::{Refusal, read};
use crate::clock::{Clock, Moment};
use crate::contract::{CredentialId, ProjectId, SyncId};
use crate::delivery::{DeliveryId, Queue};
use crate::fake::faults::{FaultId, Faults};
use crate::fake::served::Served;
use crate::fake::timeline::What;
use crate::fake::world::{Delivered, Options, World};
use crate::source::Account;
use crate::sync::Engine;

/// The version of the document.
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
    start: Moment,
    clock: Clock,
    engine: Engine,
    queue: Queue,
    in_delivery: BTreeMap<DeliveryId, Vec<Delivered>>,
    faults: Faults,
    outage: Option<FaultId>,
    stale_reads: BTreeMap<SyncId, BTreeMap<u64, (Moment, u64)>>,
    served: Served,
}

impl World {
    pub(super) fn export(&self) -> String {
        serde_json::to_string(&self.written()).unwrap_or_else(|error| unreachable!("a state is plain data: {error}"))
    }

    /// Puts a state in the place of this one, which is returned. The timeline goes on.
    pub(super) fn import(&mut self, State(read): State) -> (Box<World>, Value) {
        let old = self.replace(read.seed);
        self.take(read);
        self.judge_audience();
        self.note(None, None, What::State("replaced by an imported one".to_owned()));
        (old, self.summary())
    }

    /// As at the start, with another seed if there is one. Project, policy, options and the webhook's URL stay.
    pub(super) fn start_again(&mut self, asked: &Asked<'_>) -> Result<(Box<World>, Value), Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            seed: Option<u64>,
        }
        let Wanted { seed } = asked.read()?;
        let old = self.replace(seed.unwrap_or(self.seed));
        self.note(None, None, What::State("reset".to_owned()));
        Ok((old, self.summary()))
    }

    fn summary(&self) -> Value {
        json!({
            "projectId": self.project.id, "seed": self.seed, "now": self.clock.now(), "accounts": self.accounts.len(),
            "syncs": self.engine.syncs().count(), "webhook": self.webhook(),
        })
    }
}

/// A state that can be imported.
pub(super) struct State(Read);

impl State {
    /// Reads and checks one. A large one takes its time: not to be done while the world is locked.
    pub(super) fn read(body: &[u8], project: &ProjectId) -> Result<Self, Refusal> {
        let read: Read = read(body)?;
        let problem = read.problem(project);
        problem.map_or(Ok(Self(read)), |why| Err(Refusal::bad(format!("/{why}"))))
    }
}

impl Read {
    /// What would make a world that cannot be.
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
