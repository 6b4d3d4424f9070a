//! The endpoints that read the records of a sync.

use http::StatusCode;
use serde_json::Map;

use super::answer::{Answer, Answered, Refusal};
use super::{ApiCall, sync_of};
use crate::clock::Timestamp;
use crate::contract::RecordId;
use crate::contract::api::Paging;
use crate::fake::fault::ApiFaultKind;
use crate::fake::reads::END_OF_FEED;
use crate::source::Seen;
use crate::source::content::content;
use crate::sync::{Page, Sync};

/// Number of bytes to reserve for everything on a page except its records. This part is hardly ever longer.
const PAGING: usize = 384;

impl ApiCall<'_> {
    pub(super) fn pull(&mut self) -> Answer {
        let size = match self.query(&["pageSize", "page_size", "limit"]) {
            None => self.options.page_size,
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => return Err(Refusal::bad(format!("pageSize must be a positive integer, got {text:?}"))),
            },
        };
        let most = self.decision.short_pages().unwrap_or(usize::MAX).min(self.options.page_size_cap);
        let cursor = self.query(&["cursor"]).filter(|cursor| !cursor.is_empty());
        let (sync, now) = (sync_of(&self.simulation.engine, self.sync(), self.user)?, self.simulation.now());
        self.check_age(sync, cursor.as_deref())?;
        let changed_at = sync.feed.last_seen();
        let is_stale = changed_at.is_some_and(|at| self.reads.is_stale(self.decision, &sync.id, END_OF_FEED, at, now));
        // Two runs are at least a millisecond apart, so this moment excludes only the last run.
        let until = changed_at.filter(|_| is_stale).map(|at| Timestamp::from_millis(at.as_millis() - 1));
        let page = sync.feed.page_until(cursor.as_deref(), size.min(most), until);
        let mut page = page.map_err(|error| Refusal::bad(error.to_string()))?;
        self.tamper(sync, cursor.as_deref(), &mut page);
        let paging = Paging {
            total_records: page.total as u64,
            total_active_records: page.active as u64,
            remaining_records: page.remaining as u64,
            cursor: page.cursor,
            last_seen: page.last_seen.map(Timestamp::as_millis),
            other: Map::new(),
        };
        let length: usize = page.entries.iter().map(|entry| entry.json.len() + 1).sum();
        let mut body = Vec::with_capacity(length + PAGING);
        body.extend_from_slice(br#"{"data":["#);
        for (index, entry) in page.entries.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(entry.json.as_bytes());
        }
        body.extend_from_slice(br#"],"paging":"#);
        sync.revision.print_into(&mut body, "common/paging", &paging);
        body.push(b'}');
        let versions = page.entries.iter().map(|entry| entry.version);
        self.reads.note_served(self.decision, &sync.id, versions, self.simulation.journal.log.end());
        Ok(Answered::Json(body.into()))
    }

    /// Refuses the cursor if it is older than `Options::cursor_lifetime`.
    fn check_age(&self, sync: &Sync, cursor: Option<&str>) -> Result<(), Refusal> {
        let (Some(cursor), Some(lifetime)) = (cursor, self.options.cursor_lifetime) else { return Ok(()) };
        match sync.feed.cursor_seen_at(cursor) {
            Ok(seen_at) if self.simulation.now() - seen_at > lifetime => {
                Err(Refusal::bad("the cursor has expired; pull from the start"))
            }
            _ => Ok(()),
        }
    }

    /// Applies the faults that concern pages to a page.
    fn tamper(&self, sync: &Sync, asked_for: Option<&str>, page: &mut Page<'_>) {
        if self.decision.has(ApiFaultKind::EmptyPage) {
            page.remaining += page.entries.len();
            page.entries.clear();
            page.last_seen = None;
            page.cursor = asked_for.map(str::to_owned).or_else(|| sync.feed.first_cursor());
        } else if self.decision.has(ApiFaultKind::RepeatedRecord)
            && page.remaining > 0
            && let [.., before, _] = &page.entries[..]
        {
            page.remaining += 1;
            page.cursor = sync.feed.cursor_of(before);
        }
        if self.decision.has(ApiFaultKind::NullCursorAtEnd) && page.remaining == 0 {
            page.cursor = None;
        }
    }

    pub(super) fn get_record(&mut self) -> Answer {
        let (sync, now) = (sync_of(&self.simulation.engine, self.sync(), self.user)?, self.simulation.now());
        let key = sync.feed.key_of(&RecordId::from(self.record())).ok_or_else(no_record)?;
        let (before, changed_at) = sync.feed.get_stale(key);
        let is_stale = changed_at.is_some_and(|at| self.reads.is_stale(self.decision, &sync.id, key, at, now));
        let call = self.simulation.journal.log.end();
        let Some(entry) = (if is_stale { before } else { sync.feed.get(key) }) else {
            if !is_stale && sync.feed.has_seen(key) {
                self.reads.note_gone(self.decision, &sync.id, key, call);
            }
            return Err(no_record());
        };
        let bare = self.options.bare_records;
        let body = if bare { entry.json.to_string() } else { format!(r#"{{"data":{}}}"#, entry.json) };
        self.reads.note_served(self.decision, &sync.id, std::iter::once(entry.version), call);
        Ok(Answered::Json(body.into()))
    }

    /// Answers with the content that the provider has now, which may be newer than what the last run saw.
    pub(super) fn download(&self) -> Answer {
        let sync = sync_of(&self.simulation.engine, self.sync(), self.user)?;
        let key = sync.feed.key_of(&RecordId::from(self.record())).filter(|key| sync.feed.holds(*key));
        let (credential, number) = key.and_then(|key| sync.origin(key)).ok_or_else(no_record)?;
        let collection = self.simulation.accounts.get(credential).and_then(|account| account.collection(sync.pipeline));
        let collection = collection.ok_or_else(no_record)?;
        let upstream = |reason: &str| Refusal::new(StatusCode::NOT_FOUND, "Content not found").because(reason);
        match collection.look(number) {
            Seen::Here(object) => content(&object, &collection.external_id(number), &sync.integration)
                .map(Answered::Content)
                .map_err(|reason| Refusal::bad(reason.to_string())),
            Seen::Gone => Err(upstream("the provider no longer has it")),
            Seen::Unreadable(reason) => Err(upstream(reason)),
        }
    }
}

fn no_record() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Record not found").because("deleted, or never in this sync")
}
