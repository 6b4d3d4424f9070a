//! The endpoints that create, list, change and delete syncs.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Answered, Refusal, json, read};
use super::{ApiCall, sync_of};
use crate::contract::{CredentialId, Frequency, UserId};
use crate::fake::endpoint::usual_form;
use crate::source::Account;
use crate::sync::{Status, Update};

impl ApiCall<'_> {
    pub(super) fn enable_sync(&mut self) -> Answer {
        let (body, user) = (read("api/enable_sync_request", self.request.body)?, self.user);
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let (integration, pipeline) = (text("integration"), text("pipeline"));
        let account = match body["credentialId"].as_str() {
            Some(id) => self.account_of(&CredentialId::from(usual_form(id)), user, integration)?,
            None => {
                self.simulation.accounts.default_of(user, integration).ok_or_else(|| no_account(user, integration))?
            }
        };
        let (credential, name) = (account.credential().clone(), body["configurationName"].as_str());
        let configuration = body["configuration"].as_object().cloned().unwrap_or_default();
        let frequency = frequency(&body)?;
        let id = self.simulation.enable(&credential, pipeline, name.unwrap_or("default"), configuration, frequency)?;
        let sync = sync_of(&self.simulation.engine, id.as_str(), user)?;
        let answer = json!({
            "id": sync.id, "userId": sync.user, "integration": sync.integration, "pipeline": sync.pipeline,
            "projectId": self.simulation.engine.project(), "status": sync.status,
        });
        Ok(json(sync.revision, "api/enable_sync_response", &answer))
    }

    /// Returns the account with this credential. The account must belong to the token's user and to the integration
    /// (`enable.other-account`, assumed).
    fn account_of(&self, credential: &CredentialId, user: &UserId, integration: &str) -> Result<&Account, Refusal> {
        let account = self.simulation.accounts.get(credential);
        let own = account.filter(|account| account.user() == user && account.integration() == integration);
        own.ok_or_else(|| {
            Refusal::bad(format!("/credentialId: expected a connected account for {integration}, got {credential}"))
        })
    }

    pub(super) fn list_syncs(&self) -> Answered {
        let credential = self.query(&["credentialId"]);
        let of_user = self.simulation.engine.syncs().filter(|sync| sync.user == *self.user);
        let syncs =
            of_user.filter(|sync| credential.as_ref().is_none_or(|id| sync.credential().as_str() == usual_form(id)));
        let data: Vec<Value> = syncs
            .map(|sync| {
                let mut listed = json!({
                    "id": sync.id, "integration": sync.integration, "pipeline": sync.pipeline, "status": sync.status,
                    "configurationName": sync.configuration_name, "dateCreated": sync.created_at,
                    "dateUpdated": sync.last_synced_at.max(Some(sync.updated_at)),
                });
                if let Some(reason) = &sync.reason {
                    listed["reason"] = reason.as_str().into();
                }
                listed
            })
            .collect();
        json(self.simulation.engine.revision(), "api/list_syncs_response", &json!({"data": data}))
    }

    pub(super) fn sync_status(&self) -> Answer {
        let sync = sync_of(&self.simulation.engine, self.sync(), self.user)?;
        let mut status = json!({
            "status": sync.status,
            "summary": {
                "totalRecords": sync.feed.active(),
                "syncedRecordsCount": sync.feed.active(),
                "lastSyncedAt": sync.last_synced_at,
                "latestCursor": sync.feed.latest_cursor(),
            },
            "credentialId": sync.credential(),
        });
        if let Some(frequency) = sync.frequency {
            status["incrementalAccumulatorFrequency"] = frequency.name().into();
        }
        if let (Status::RateLimited, Some(backoff)) = (sync.status, sync.backoff) {
            status["rateLimitBackoffMs"] = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX).into();
        }
        if let Some(reason) = &sync.reason {
            status["reason"] = reason.as_str().into();
        }
        Ok(json(sync.revision, "api/sync_status_response", &status))
    }

    pub(super) fn update_sync(&mut self) -> Answer {
        let user = self.user;
        let sync = sync_of(&self.simulation.engine, self.sync(), user)?;
        let body = read("api/update_sync_request", self.request.body)?;
        let frequency = frequency(&body)?;
        let credential = match body["credentialId"].as_str() {
            Some(id) => {
                let credential = CredentialId::from(usual_form(id));
                Some(self.account_of(&credential, user, &sync.integration)?.credential().clone())
            }
            None => None,
        };
        if credential.is_none() && frequency.is_none() {
            return Err(Refusal::bad("expected credentialId or incrementalAccumulatorFrequency"));
        }
        let (id, now) = (sync.id.clone(), self.simulation.now());
        let mut data = json!({});
        for member in ["credentialId", "incrementalAccumulatorFrequency"] {
            if !body[member].is_null() {
                data[member] = body[member].clone();
            }
        }
        self.simulation.engine.update(&id, Update { credential, frequency }, now);
        let message = "Update request accepted and is being processed";
        let answer = json!({"id": id, "data": data, "message": message});
        Ok(json(sync_of(&self.simulation.engine, id.as_str(), user)?.revision, "api/update_sync_response", &answer))
    }

    /// Deletes the sync and answers 200 without a body. Nothing more is documented.
    pub(super) fn delete_sync(&mut self) -> Answer {
        let id = sync_of(&self.simulation.engine, self.sync(), self.user)?.id.clone();
        self.reads.forget(&id);
        self.simulation.engine.delete(&id);
        Ok(Answered::Empty)
    }

    pub(super) fn disable_sync(&mut self) -> Answer {
        let (id, now) = (sync_of(&self.simulation.engine, self.sync(), self.user)?.id.clone(), self.simulation.now());
        let sync = self.simulation.engine.disable(&id, now).ok_or_else(|| Refusal::no_sync(id.as_str()))?;
        Ok(json(sync.revision, "api/disable_sync_response", &json!({"id": sync.id, "status": sync.status})))
    }

    pub(super) fn reenable_sync(&mut self) -> Answer {
        let (id, now) = (sync_of(&self.simulation.engine, self.sync(), self.user)?.id.clone(), self.simulation.now());
        let sync = self.simulation.engine.reenable(&id, now).ok_or_else(|| Refusal::no_sync(id.as_str()))?;
        Ok(json(sync.revision, "api/reenable_sync_response", &json!({"id": sync.id, "status": sync.status})))
    }
}

fn no_account(user: &UserId, integration: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("no connected account for {integration}"))
        .because(format!("connect it first: paragon.user({user:?}).connect({integration:?})", user = user.as_str()))
}

fn frequency(body: &Value) -> Result<Option<Frequency>, Refusal> {
    let Some(text) = body["incrementalAccumulatorFrequency"].as_str() else { return Ok(None) };
    let names = Frequency::ALL.map(Frequency::name).join(", ");
    let unknown = || Refusal::bad(format!("/incrementalAccumulatorFrequency: expected one of {names}, got {text:?}"));
    Frequency::from_name(text).map(Some).ok_or_else(unknown)
}
