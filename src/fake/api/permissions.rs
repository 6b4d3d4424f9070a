//! The Permissions API. This module looks up the permissions of a sync and passes them to the endpoints in `access`.

use http::StatusCode;

use super::access::{self, ChangesParameters, Ids, Problem, Store};
use super::answer::{Answer, Answered, Refusal};
use super::{ApiCall, Endpoint, sync_of};
use crate::contract::{Pipeline, RecordId, integration};
use crate::source::permission::{ObjectType, PermissionItem};
use crate::source::{Account, Collection};
use crate::sync::Sync;

/// Maximum number of changes on a page (assumed).
const CHANGES: usize = 100;

/// The records of a sync, looked up by the numbers of its account.
struct Records<'a> {
    sync: &'a Sync,
    files: Option<&'a Collection>,
}

impl Ids for Records<'_> {
    fn record(&self, number: u64) -> RecordId {
        self.sync.feed.id_of(self.sync.key(number))
    }

    fn item(&self, record: &RecordId) -> Option<PermissionItem> {
        let key = self.sync.feed.key_of(record).filter(|key| self.sync.feed.holds(*key))?;
        let (_, number) = self.sync.origin(key).filter(|(credential, _)| *credential == self.sync.credential())?;
        self.files?.item(number)
    }

    fn is(&self, number: u64, kind: ObjectType) -> bool {
        self.sync.feed.holds(self.sync.key(number))
            && self.files.and_then(|files| files.item(number)).is_some_and(|item| item.kind == kind)
    }
}

impl ApiCall<'_> {
    fn records_of<'a>(&'a self, sync: &'a Sync) -> Records<'a> {
        let account = self.simulation.accounts.get(sync.credential());
        Records { sync, files: account.and_then(|account| account.collection(sync.pipeline)) }
    }

    /// Returns a sync of the token's user, and its account. Only syncs of file storage have permissions (documented);
    /// the 404 for any other sync is assumed.
    fn with_permissions(&self, id: &str) -> Result<(&Sync, &Account), Refusal> {
        let sync = sync_of(&self.simulation.engine, id, self.user)?;
        if !has_permissions(sync) {
            let message = format!("{} of {} have no permissions", sync.pipeline, sync.integration);
            return Err(Refusal::new(StatusCode::NOT_FOUND, "Authorization store not found").because(message));
        }
        let account = self.simulation.accounts.get(sync.credential());
        account.map(|account| (sync, account)).ok_or_else(|| Refusal::no_sync(id))
    }

    pub(super) fn permissions(&self) -> Answer {
        let (sync, account) = self.with_permissions(self.sync())?;
        let (ids, body) = (self.records_of(sync), self.request.body);
        let known = &sync.permissions;
        let answer = match self.endpoint {
            Endpoint::BatchCheckAccess => access::batch_check(body, known, &ids),
            Endpoint::ListUsers => access::list_users(body, known, &ids),
            Endpoint::ListObjects => access::list_objects(body, known, &ids),
            Endpoint::ExpandAccess => access::expand(body, known, &ids),
            Endpoint::StreamListObjects => {
                return Ok(Answered::Lines(access::streamed_list_objects(body, known, &ids)?.collect()));
            }
            Endpoint::GetPermissionChanges => {
                let [kind, start_time, token] =
                    [&["type"][..], &["startTime"], &["continuationToken", "continuation_token"]]
                        .map(|names| self.query(names));
                let parameters = ChangesParameters {
                    kind: kind.as_deref(),
                    start_time: start_time.as_deref(),
                    token: token.as_deref(),
                    size: CHANGES,
                };
                access::changes(parameters, account.permissions(), known.applied(), &ids)
            }
            _ => access::check(body, known, &ids),
        };
        Ok(Answered::Json(answer?.into()))
    }

    /// Streams the objects of all syncs of the token's user. An `ERRORED` sync has one line with its reason; syncs
    /// without permissions are left out.
    pub(super) fn stream_objects_of_all_syncs(&self) -> Answer {
        let syncs = self.simulation.engine.syncs().filter(|sync| sync.user == *self.user && has_permissions(sync));
        let records: Vec<Records<'_>> = syncs.map(|sync| self.records_of(sync)).collect();
        let stores = records.iter().map(|ids| Store {
            sync: &ids.sync.id,
            integration: &ids.sync.integration,
            permissions: match &ids.sync.reason {
                Some(reason) => Err(reason.clone()),
                None => Ok(&ids.sync.permissions),
            },
            ids,
        });
        Ok(Answered::Lines(access::streamed_list_objects_of_all(self.request.body, stores)?.collect()))
    }
}

fn has_permissions(sync: &Sync) -> bool {
    sync.pipeline == Pipeline::Files && integration(&sync.integration).is_ok_and(|known| known.permissions)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { code: problem.code, ..Self::new(problem.status, problem.message) }
    }
}
