//! The endpoints that read the records of a sync.

use http::StatusCode;
use serde_json::Map;

use super::AuthorizedRequest;
use super::answer::{Answer, Answered, Refusal};
use crate::clock::Timestamp;
use crate::contract::api::Paging;
use crate::contract::{RecordId, SyncId};
use crate::fake::fault::{ApiFaultKind, Stale};
use crate::fake::world::World;
use crate::source::Seen;
use crate::source::content::content;
use crate::sync::{Page, Sync};

/// Number of bytes to reserve for everything on a page except its records. This part is hardly ever longer.
const PAGING: usize = 384;

impl World {
    pub(super) fn pull(&mut self, asked: &AuthorizedRequest<'_>) -> Answer {
        let size = match asked.query(&["pageSize", "page_size", "limit"]) {
            None => self.options.page_size,
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => return Err(Refusal::bad(format!("pageSize must be a positive integer, got {text:?}"))),
            },
        };
        let most = self.strike.short_pages().unwrap_or(usize::MAX).min(self.options.page_size_cap);
        let cursor = asked.query(&["cursor"]).filter(|cursor| !cursor.is_empty());
        let sync = self.sync_of(asked.sync(), asked.user)?;
        let (id, changed_at) = (sync.id.clone(), sync.feed.last_seen());
        self.judge_age(sync, cursor.as_deref())?;
        let lags = changed_at.is_some_and(|at| self.is_stale(&id, u64::MAX, at));
        // Two runs are at least a millisecond apart, so this moment excludes only the last run.
        let until = changed_at.filter(|_| lags).map(|at| Timestamp::from_millis(at.as_millis() - 1));
        let sync = self.engine.get(&id).ok_or_else(|| Refusal::no_sync(asked.sync()))?;
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
        self.served.note(&self.strike, &id, page.entries.iter().map(|entry| entry.version));
        if let Some(evidence) = &mut self.evidence {
            let versions = page.entries.iter().map(|entry| entry.version);
            evidence.note_served(&self.strike, &id, versions, self.log.end());
        }
        Ok(Answered::Json(body.into()))
    }

    /// Refuses the cursor if it is older than `Options::cursor_lifetime`.
    fn judge_age(&self, sync: &Sync, cursor: Option<&str>) -> Result<(), Refusal> {
        let (Some(cursor), Some(lifetime)) = (cursor, self.options.cursor_lifetime) else { return Ok(()) };
        match sync.feed.cursor_seen_at(cursor) {
            Ok(seen_at) if self.clock.now() - seen_at > lifetime => {
                Err(Refusal::bad("the cursor has expired; pull from the start"))
            }
            _ => Ok(()),
        }
    }

    /// Applies the faults that concern pages to a page.
    fn tamper(&self, sync: &Sync, asked_for: Option<&str>, page: &mut Page<'_>) {
        if self.strike.has(ApiFaultKind::EmptyPage) {
            page.remaining += page.entries.len();
            page.entries.clear();
            page.last_seen = None;
            page.cursor = asked_for.map(str::to_owned).or_else(|| sync.feed.first_cursor());
        } else if self.strike.has(ApiFaultKind::RepeatedRecord)
            && page.remaining > 0
            && let [.., before, _] = &page.entries[..]
        {
            page.remaining += 1;
            page.cursor = sync.feed.cursor_of(before);
        }
        if self.strike.has(ApiFaultKind::NullCursorAtEnd) && page.remaining == 0 {
            page.cursor = None;
        }
    }

    /// Counts a read, and returns whether a fault makes the read stale, so that it shows the state before `changed_at`.
    /// `key` is the key of a record, or `u64::MAX` for the end of the feed.
    fn is_stale(&mut self, sync: &SyncId, key: u64, changed_at: Timestamp) -> bool {
        let now = self.clock.now();
        let strikes: Vec<Stale> = self.strike.stale().collect();
        strikes.into_iter().any(|stale| match stale {
            Stale::Reads(reads) => {
                let of_sync = self.stale_reads.entry(sync.clone()).or_default();
                let (changed, read) = of_sync.entry(key).or_insert((changed_at, 0));
                if *changed != changed_at {
                    (*changed, *read) = (changed_at, 0);
                }
                *read += 1;
                *read <= reads
            }
            Stale::For(span) => now < changed_at + span,
        })
    }

    pub(super) fn get_record(&mut self, asked: &AuthorizedRequest<'_>) -> Answer {
        let sync = self.sync_of(asked.sync(), asked.user)?;
        let (id, key) = (sync.id.clone(), sync.feed.key_of(&RecordId::from(asked.record())).ok_or_else(no_record)?);
        let changed_at = sync.feed.get_stale(key).1;
        let lags = changed_at.is_some_and(|at| self.is_stale(&id, key, at));
        let sync = self.sync_of(asked.sync(), asked.user)?;
        let entry = if lags { sync.feed.get_stale(key).0 } else { sync.feed.get(key) };
        let Some(entry) = entry else {
            let is_gone = !lags && sync.feed.has_seen(key);
            if let Some(evidence) = self.evidence.as_mut().filter(|_| is_gone && !self.strike.is_lost()) {
                evidence.note_gone(&id, key, self.log.end());
            }
            return Err(no_record());
        };
        let bare = self.options.bare_records;
        let body = if bare { entry.json.to_string() } else { format!(r#"{{"data":{}}}"#, entry.json) };
        let version = entry.version;
        self.served.note(&self.strike, &id, [version]);
        if let Some(evidence) = &mut self.evidence {
            evidence.note_served(&self.strike, &id, [version], self.log.end());
        }
        Ok(Answered::Json(body.into()))
    }

    /// Answers with the content that the provider has now, which may be newer than what the last run saw.
    pub(super) fn download(&self, asked: &AuthorizedRequest<'_>) -> Answer {
        let sync = self.sync_of(asked.sync(), asked.user)?;
        let key = sync.feed.key_of(&RecordId::from(asked.record())).filter(|key| sync.feed.holds(*key));
        let (credential, number) = key.and_then(|key| sync.origin(key)).ok_or_else(no_record)?;
        let collection = self.accounts.get(credential).and_then(|account| account.collection(sync.pipeline));
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
