//! What a sync has pulled.

use std::fmt::Write as _;

use http::{Request, StatusCode};
use serde_json::json;

use super::answer::{Answer, Answered, Refusal};
use super::query;
use crate::clock::Moment;
use crate::contract::{RecordId, SyncId, UserId};
use crate::fake::world::World;

impl World {
    pub(super) fn pull(&mut self, id: &str, user: &UserId, request: &Request<Vec<u8>>) -> Answer {
        let size = match query(request, &["pageSize", "page_size", "limit"]) {
            None => self.options.page_size,
            Some(text) => match text.parse() {
                Ok(size) if size > 0 => size,
                _ => return Err(Refusal::bad(format!("pageSize must be a positive integer, got {text:?}"))),
            },
        };
        let cursor = query(request, &["cursor"]).filter(|cursor| !cursor.is_empty());
        let sync = self.sync_of(id, user)?;
        let page = sync.feed.page(cursor.as_deref(), size.min(self.options.page_size_cap));
        let page = page.map_err(|error| Refusal::bad(error.to_string()))?;
        let paging = json!({
            "totalRecords": page.total, "totalActiveRecords": page.active, "remainingRecords": page.remaining,
            "cursor": page.cursor, "lastSeen": page.last_seen.map(Moment::as_millis),
        });
        let paging = sync.revision.write("common/paging", &paging);
        let mut body = String::from(r#"{"data":["#);
        for (index, entry) in page.entries.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&entry.json);
        }
        let _ = write!(body, r#"],"paging":{paging}}}"#);
        let versions: Vec<usize> = page.entries.iter().map(|entry| entry.version).collect();
        self.note_served(&SyncId::from(id), versions);
        Ok(Answered::Json(body))
    }

    pub(super) fn get_record(&mut self, id: &str, record: &str, user: &UserId) -> Answer {
        let sync = self.sync_of(id, user)?;
        let key = sync.feed.key_of(&RecordId::from(record));
        let entry = key.and_then(|key| sync.feed.get(key)).ok_or_else(no_record)?;
        let (body, version) = (format!(r#"{{"data":{}}}"#, entry.json), entry.version);
        self.note_served(&SyncId::from(id), [version]);
        Ok(Answered::Json(body))
    }
}

fn no_record() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Record not found").because("deleted, or never in this sync")
}
