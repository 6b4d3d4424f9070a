//! The endpoints for syncs and their records.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AdminCall;
use super::body::{Answer, Refusal};
use crate::contract::{CredentialId, Frequency, SyncId, UserId};
use crate::sync::{RunKind, Sync};

/// Default `limit` of a list of records.
const LISTED: usize = 10_000;

impl AdminCall<'_> {
    /// Returns the sync in the path.
    fn sync_in(&self) -> Result<&Sync, Refusal> {
        self.state.simulation.engine.get(&SyncId::from(self.id())).ok_or_else(|| Refusal::missing("sync", self.id()))
    }

    pub(super) fn every_sync(&self) -> Value {
        json!({"data": self.state.simulation.engine.syncs().map(told).collect::<Vec<_>>()})
    }

    pub(super) fn create_sync(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct CreateSyncBody {
            user: UserId,
            integration: String,
            pipeline: String,
            configuration_name: Option<String>,
            #[serde(default)]
            configuration: Map<String, Value>,
            incremental_accumulator_frequency: Option<Frequency>,
            credential_id: Option<CredentialId>,
        }
        let body: CreateSyncBody = self.read()?;
        let (user, integration) = (&body.user, &body.integration);
        let account = match &body.credential_id {
            Some(id) => {
                self.state.simulation.accounts.get(id).filter(|of| of.user() == user && of.integration() == integration)
            }
            None => self.state.simulation.accounts.default_of(user, integration),
        };
        let none =
            || Refusal::bad(format!("{user} has no such account of {integration}: POST /_testkit/accounts first"));
        let credential = account.ok_or_else(none)?.credential().clone();
        let name = body.configuration_name.as_deref().unwrap_or("default");
        let frequency = body.incremental_accumulator_frequency;
        let enabled = self.state.simulation.enable(&credential, &body.pipeline, name, body.configuration, frequency);
        let id = enabled.map_err(|error| match error.existing() {
            Some(_) => Refusal::conflict(error.to_string()),
            None => Refusal::bad(error.to_string()),
        })?;
        Ok(self.state.simulation.engine.get(&id).map(told).unwrap_or_default())
    }

    pub(super) fn one_sync(&self) -> Answer {
        self.sync_in().map(told)
    }

    pub(super) fn drop_sync(&mut self) -> Answer {
        let id = self.sync_in()?.id.clone();
        self.state.delete_sync(&id);
        Ok(json!({"id": id}))
    }

    pub(super) fn list_records(&self) -> Answer {
        let feed = &self.sync_in()?.feed;
        let (limit, from) = (self.number("limit", LISTED)?, self.number("from", 0)?);
        let records = feed.live().skip(from).take(limit).filter_map(|entry| serde_json::from_str(&entry.json).ok());
        Ok(json!({"data": records.collect::<Vec<Value>>(), "total": feed.active()}))
    }

    pub(super) fn sync_log(&self) -> Answer {
        let sync = self.sync_in()?;
        let entries = sync.event_log().map(|(at, entry)| json!({"at": at, "entry": entry}));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "dropped": sync.log.dropped()}))
    }

    pub(super) fn list_unfetched(&self) -> Answer {
        let id = self.sync_in()?.id.clone();
        let records = self
            .state
            .unfetched(&id)
            .into_iter()
            .map(|it| json!({"recordId": it.record, "olderFetched": it.older_fetched}));
        Ok(json!({"data": records.collect::<Vec<_>>()}))
    }

    pub(super) fn run_sync(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct RunSyncBody {
            kind: RunKind,
        }
        let (id, now) = (self.sync_in()?.id.clone(), self.state.simulation.now());
        let RunSyncBody { kind } = self.read()?;
        Ok(self.state.simulation.engine.run_soon(&id, kind, now).map(told).unwrap_or_default())
    }

    pub(super) fn pause_sync(&mut self, pause: bool) -> Answer {
        self.nothing()?;
        let (id, now) = (self.sync_in()?.id.clone(), self.state.simulation.now());
        let sync = if pause {
            self.state.simulation.engine.disable(&id, now)
        } else {
            self.state.simulation.engine.reenable(&id, now)
        };
        Ok(sync.map(told).unwrap_or_default())
    }
}

fn told(sync: &Sync) -> Value {
    json!({
        "id": sync.id, "user": sync.user, "integration": sync.integration, "pipeline": sync.pipeline,
        "credentialId": sync.credential(), "configurationName": sync.configuration_name,
        "configuration": sync.configuration, "revision": sync.revision, "status": sync.status, "reason": sync.reason,
        "incrementalAccumulatorFrequency": sync.frequency, "createdAt": sync.created_at,
        "updatedAt": sync.updated_at, "lastSyncedAt": sync.last_synced_at, "due": sync.due(),
        "records": sync.feed.active(), "latestCursor": sync.feed.latest_cursor(),
    })
}
