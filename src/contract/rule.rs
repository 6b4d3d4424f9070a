use super::grade::Grade;

/// A behaviour of Paragon that the fake imitates and that verdicts rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Stable, dotted.
    pub id: &'static str,
    /// How sure it is.
    pub grade: Grade,
    /// What is so, in our words.
    pub says: &'static str,
    /// Where that was read, or why it was chosen.
    pub source: &'static str,
}

const WEBHOOKS: &str = "https://docs.useparagon.com/managed-sync/webhooks";
const SYNC_API: &str = "https://docs.useparagon.com/managed-sync/sync-api";
const PULL: &str = "https://docs.useparagon.com/managed-sync/api/pull-synced-records";

macro_rules! rules {
    ($($id:literal $grade:ident $says:literal, $source:expr;)*) => {
        const RULES: &[Rule] = &[$(Rule { id: $id, grade: Grade::$grade, says: $says, source: $source }),*];
    };
}

rules! {
    "webhook.2xx" Documented "an event is delivered when the receiver answers 2xx in time", WEBHOOKS;
    "webhook.redirect" Assumed "a redirect is a failure and is not followed", "Paragon documents 2xx only";
    "webhook.events" Documented "there are exactly six events", WEBHOOKS;
    "webhook.new-members" Observed "events gain members over time: credentialId came in 2026", "two ages of the webhooks page";
    "webhook.timeout" Assumed "an answer later than the time-out is a failure", "documented only as 'timely'";
    "webhook.retry" Assumed "a failed delivery is tried again later", "no schedule is documented; webhook senders retry";
    "webhook.disable" Assumed "a webhook is disabled after a number of failures in a row", "documented as 'repeatedly', without a number";
    "webhook.missed" Assumed "events while the webhook is disabled are not sent later", "undocumented";
    "webhook.duplicate" Assumed "the same event may arrive more than once", "undocumented; at-least-once follows from retries";
    "webhook.malformed" Assumed "a body that is not JSON may reach the endpoint", "anybody can reach a public URL";
    "sync.initial" Documented "an initial sync ends with sync_complete and sends no event per record", SYNC_API;
    "sync.incremental" Documented "an incremental sync, each minute, sends record_created and record_updated", SYNC_API;
    "sync.full" Documented "a full sync, each 24 hours, notices deletions and sends record_deleted", SYNC_API;
    "events.no-data" Documented "events about records carry the id, not the data", WEBHOOKS;
    "feed.cursor" Documented "a cursor is stable, and what changed later comes after it", PULL;
    "feed.caught-up" Documented "an empty page or remainingRecords 0 means caught up", PULL;
    "feed.moves" Assumed "a changed record moves to the end of the feed", "follows from the stable cursor";
    "feed.tombstone" Assumed "a deleted record stays in the feed as its ids and `deleted: true`", "the ids are documented, the marker observed in a client";
    "api.page-size" Assumed "a page has 100 records unless asked otherwise, and at most 1,000", "undocumented";
    "api.page-size-names" Observed "the page size is taken as pageSize, page_size or limit", "public clients send all three";
    "api.errors" Observed "errors have the form {message, error, statusCode}", "a recorded 409; assumed for the others";
    "api.deleted-record" Assumed "a deleted record is 404 when fetched by id", "undocumented";
    "api.unavailable" Assumed "the Sync API may answer 503 for a while", "undocumented; true of every service";
    "api.audience" Documented "the token's audience is useparagon.com/<project id>", SYNC_API;
    "api.audience-dashboard" Observed "dashboard.useparagon.com/<project id> is taken as well", "a sample of Paragon's";
}

/// Every rule.
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        for (i, rule) in RULES.iter().enumerate() {
            assert!(RULES[..i].iter().all(|other| other.id != rule.id), "{} twice", rule.id);
        }
    }
}
