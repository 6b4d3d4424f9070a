//! Export and import of the whole state as one JSON document. The document does not contain the signing key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::body::{Refusal, read};
use crate::clock::{Clock, Timestamp};
use crate::contract::{CredentialId, ProjectId};
use crate::delivery::Queue;
use crate::fake::entry::EntryKind;
use crate::fake::faults::Faults;
use crate::fake::options::Options;
use crate::fake::reads::StaleReads;
use crate::fake::served::Served;
use crate::fake::simulation::{InDelivery, Simulation};
use crate::fake::state::State;
use crate::source::Account;
use crate::sync::Engine;

/// The version of the document's format.
const VERSION: u32 = 1;

/// A reference to each part of a state, in the form of the document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    version: u32,
    project: &'a ProjectId,
    accounts: Vec<&'a Account>,
    seed: u64,
    options: &'a Options,
    start: Timestamp,
    clock: &'a Clock,
    engine: &'a Engine,
    queue: &'a Queue,
    in_delivery: &'a InDelivery,
    faults: &'a Faults,
    stale_reads: &'a StaleReads,
    served: &'a Served,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Read {
    version: u32,
    project: ProjectId,
    accounts: Vec<Account>,
    seed: u64,
    options: Options,
    start: Timestamp,
    clock: Clock,
    engine: Engine,
    queue: Queue,
    in_delivery: InDelivery,
    faults: Faults,
    /// Written by earlier versions. An outage of the API is one of the faults, so that nothing is lost.
    #[serde(default, rename = "outage")]
    _outage: serde::de::IgnoredAny,
    stale_reads: StaleReads,
    served: Served,
}

/// Returns the state as a document.
pub(super) fn export(state: &State) -> String {
    let State { project, seed, simulation, api, .. } = state;
    let Simulation { start, clock, accounts, engine, queue, in_delivery, .. } = simulation;
    let written = Written {
        version: VERSION,
        project: &project.id,
        accounts: accounts.iter().collect(),
        seed: *seed,
        options: &api.options,
        start: *start,
        clock,
        engine,
        queue,
        in_delivery,
        faults: &api.faults,
        stale_reads: &api.reads.stale,
        served: &api.reads.served,
    };
    serde_json::to_string(&written).unwrap_or_else(|error| unreachable!("a state is plain data: {error}"))
}

/// Replaces the state by an imported one. Returns the old state. The timeline continues.
pub(super) fn import(state: &mut State, Import(read): Import) -> Box<State> {
    let old = state.replace(read.seed);
    let simulation = &mut state.simulation;
    simulation.start = read.start;
    simulation.clock = read.clock;
    simulation.accounts = read.accounts.into_iter().collect();
    simulation.engine = read.engine;
    simulation.queue = read.queue;
    simulation.in_delivery = read.in_delivery;
    state.api.set_options(read.options);
    state.api.faults = read.faults;
    state.api.reads.stale = read.stale_reads;
    state.api.reads.served = read.served;
    state.simulation.note(None, None, EntryKind::State("replaced by an imported one".to_owned()));
    old
}

/// A checked state, ready to be imported.
pub(super) struct Import(Read);

impl Import {
    /// Reads and checks an exported state. Must not be called while the state of the fake is locked, because reading a
    /// large export takes time.
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
