//! The endpoints for syncs and their records.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AdminRequest;
use super::body::{Answer, Refusal};
use crate::contract::{CredentialId, Frequency, SyncId, UserId};
use crate::fake::world::World;
use crate::sync::{EnableError, RunKind, Sync};

/// Default `limit` of a list of records.
const LISTED: usize = 10_000;

impl World {
    /// Returns the sync in the path.
    fn sync_in(&self, asked: &AdminRequest<'_>) -> Result<&Sync, Refusal> {
        self.engine.get(&SyncId::from(asked.id())).ok_or_else(|| Refusal::missing("sync", asked.id()))
    }

    pub(super) fn every_sync(&self) -> Value {
        json!({"data": self.engine.syncs().map(told).collect::<Vec<_>>()})
    }

    pub(super) fn create_sync(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        struct Wanted {
            user: UserId,
            integration: String,
            pipeline: String,
            configuration_name: Option<String>,
            #[serde(default)]
            configuration: Map<String, Value>,
            incremental_accumulator_frequency: Option<Frequency>,
            credential_id: Option<CredentialId>,
        }
        let wanted: Wanted = asked.read()?;
        let (user, integration) = (&wanted.user, &wanted.integration);
        let account = match &wanted.credential_id {
            Some(id) => self.accounts.get(id).filter(|of| of.user() == user && of.integration() == integration),
            None => self.default_account(user, integration),
        };
        let none =
            || Refusal::bad(format!("{user} has no such account of {integration}: POST /_testkit/accounts first"));
        let credential = account.ok_or_else(none)?.credential().clone();
        let name = wanted.configuration_name.as_deref().unwrap_or("default");
        let frequency = wanted.incremental_accumulator_frequency;
        let enabled = self.enable(&credential, &wanted.pipeline, name, wanted.configuration, frequency);
        let id = enabled.map_err(|error| match error {
            EnableError::Exists(_) => Refusal::conflict(error.to_string()),
            _ => Refusal::bad(error.to_string()),
        })?;
        Ok(self.engine.get(&id).map(told).unwrap_or_default())
    }

    pub(super) fn one_sync(&self, asked: &AdminRequest<'_>) -> Answer {
        self.sync_in(asked).map(told)
    }

    pub(super) fn drop_sync(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let id = self.sync_in(asked)?.id.clone();
        self.delete_sync(&id);
        Ok(json!({"id": id}))
    }

    pub(super) fn list_records(&self, asked: &AdminRequest<'_>) -> Answer {
        let feed = &self.sync_in(asked)?.feed;
        let (limit, from) = (asked.number("limit", LISTED)?, asked.number("from", 0)?);
        let records = feed.live().skip(from).take(limit).filter_map(|entry| serde_json::from_str(&entry.json).ok());
        Ok(json!({"data": records.collect::<Vec<Value>>(), "total": feed.active()}))
    }

    pub(super) fn sync_log(&self, asked: &AdminRequest<'_>) -> Answer {
        let sync = self.sync_in(asked)?;
        let entries = sync.event_log().map(|(at, entry)| json!({"at": at, "entry": entry}));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "dropped": sync.log.dropped()}))
    }

    pub(super) fn list_unfetched(&self, asked: &AdminRequest<'_>) -> Answer {
        let id = self.sync_in(asked)?.id.clone();
        let records = self.unfetched(&id).into_iter().map(|(id, older)| json!({"recordId": id, "olderFetched": older}));
        Ok(json!({"data": records.collect::<Vec<_>>()}))
    }

    pub(super) fn run_sync(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            kind: RunKind,
        }
        let (id, now) = (self.sync_in(asked)?.id.clone(), self.clock.now());
        let Wanted { kind } = asked.read()?;
        Ok(self.engine.run_soon(&id, kind, now).map(told).unwrap_or_default())
    }

    pub(super) fn pause_sync(&mut self, asked: &AdminRequest<'_>, pause: bool) -> Answer {
        super::nothing(asked)?;
        let (id, now) = (self.sync_in(asked)?.id.clone(), self.clock.now());
        let sync = if pause { self.engine.disable(&id, now) } else { self.engine.reenable(&id, now) };
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
