//! The data that must not be lost, in one SQLite file: the records, the cursor of each sync, and the pulls that are
//! still due.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use crate::paragon::Page;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS syncs (id TEXT PRIMARY KEY, user TEXT NOT NULL, cursor TEXT);
    CREATE TABLE IF NOT EXISTS records (sync TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (sync, id));
    -- A sync that is to be pulled as a user. `events` counts them, so that one that comes during a pull is not lost.
    CREATE TABLE IF NOT EXISTS work (
        sync TEXT, user TEXT, due REAL NOT NULL, events INTEGER NOT NULL DEFAULT 1,
        looks INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (sync, user)
    );
    -- While it did not run, it may have missed something of every sync.
    UPDATE work SET due = 0;
";

/// A sync to be pulled.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) sync: String,
    pub(crate) user: String,
    events: i64,
    /// Number of pulls since the last event of the sync.
    pub(crate) looks: u32,
    /// Number of failed pulls in a row.
    pub(crate) failures: u32,
}

/// A connection behind a lock. One connection is enough, because each call is one small transaction.
pub(crate) struct Store(Mutex<Connection>);

impl Store {
    pub(crate) fn open(path: &str) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        // Committed data survives the end of the process. To survive a power cut too, set FULL.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(db)))
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores that an event has named this sync and this user, so that a pull is due at once.
    pub(crate) fn add_work(&self, sync: &str, user: &str) -> rusqlite::Result<()> {
        let mut db = self.db();
        let work = db.transaction()?;
        work.execute(
            "INSERT INTO work (sync, user, due) VALUES (?1, ?2, 0) ON CONFLICT DO UPDATE
             SET due = CASE failures WHEN 0 THEN 0 ELSE due END, events = events + 1, looks = 0",
            params![sync, user],
        )?;
        // The event may name the wrong user, so the other known users of the sync are due too.
        work.execute("UPDATE work SET due = 0 WHERE sync = ?1 AND user <> ?2 AND failures = 0", params![sync, user])?;
        work.commit()
    }

    /// Returns the due work, and the time until the next work is due.
    pub(crate) fn due(&self) -> rusqlite::Result<(Vec<Work>, Option<Duration>)> {
        let (db, now) = (self.db(), now());
        let mut due =
            db.prepare_cached("SELECT sync, user, events, looks, failures FROM work WHERE due <= ?1 ORDER BY due")?;
        let work = due.query_map([now], |row| {
            Ok(Work {
                sync: row.get(0)?,
                user: row.get(1)?,
                events: row.get(2)?,
                looks: row.get(3)?,
                failures: row.get(4)?,
            })
        })?;
        let work = work.collect::<Result<Vec<_>, _>>()?;
        let next: Option<f64> = db.query_row("SELECT min(due) FROM work WHERE due > ?1", [now], |row| row.get(0))?;
        Ok((work, next.map(|due| Duration::from_secs_f64((due - now).max(0.0)))))
    }

    /// Schedules the next pull after a pause, or at once if another event has come meanwhile.
    pub(crate) fn put_off(&self, work: &Work, pause: Duration, looks: u32, failures: u32) -> rusqlite::Result<()> {
        self.db().execute(
            "UPDATE work SET failures = ?4, due = CASE WHEN events = ?3 OR ?4 > 0 THEN ?5 ELSE 0 END,
                looks = CASE events WHEN ?3 THEN ?6 ELSE 0 END WHERE sync = ?1 AND user = ?2",
            params![work.sync, work.user, work.events, failures, now() + pause.as_secs_f64(), looks],
        )?;
        Ok(())
    }

    /// Removes the work for a sync that the user does not have, unless another event has come meanwhile.
    pub(crate) fn give_up(&self, work: &Work) -> rusqlite::Result<()> {
        self.db().execute(
            "DELETE FROM work WHERE sync = ?1 AND user = ?2 AND events = ?3",
            params![work.sync, work.user, work.events],
        )?;
        Ok(())
    }

    pub(crate) fn cursor(&self, sync: &str) -> rusqlite::Result<Option<String>> {
        let cursor = self.db().query_row("SELECT cursor FROM syncs WHERE id = ?1", [sync], |row| row.get(0));
        Ok(cursor.optional()?.flatten())
    }

    /// Returns whether this user is the last one for whom the Sync API served this sync.
    pub(crate) fn owns(&self, sync: &str, user: &str) -> rusqlite::Result<bool> {
        let owner = self.db().query_row("SELECT user FROM syncs WHERE id = ?1", [sync], |row| row.get::<_, String>(0));
        Ok(owner.optional()?.is_some_and(|owner| owner == user))
    }

    pub(crate) fn start_over(&self, sync: &str) -> rusqlite::Result<()> {
        self.db().execute("UPDATE syncs SET cursor = NULL WHERE id = ?1", [sync])?;
        Ok(())
    }

    /// Stores the records and the cursor of a page in one transaction, so that neither is stored without the other.
    pub(crate) fn take(&self, work: &Work, page: &Page) -> rusqlite::Result<()> {
        let mut db = self.db();
        let taking = db.transaction()?;
        for record in &page.data {
            take_record(&taking, &work.sync, record)?;
        }
        // The last page may have no cursor. In that case the stored cursor stays.
        taking.execute(
            "INSERT INTO syncs VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE
             SET user = excluded.user, cursor = coalesce(excluded.cursor, cursor)",
            params![work.sync, work.user, page.paging.cursor],
        )?;
        taking.commit()
    }

    pub(crate) fn records(&self) -> rusqlite::Result<Vec<(String, String, Value)>> {
        let db = self.db();
        let mut all = db.prepare_cached("SELECT sync, id, body FROM records ORDER BY sync, id")?;
        let records = all.query_map([], |row| {
            let body: String = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, serde_json::from_str(&body).unwrap_or_default()))
        })?;
        records.collect()
    }
}

fn take_record(taking: &Transaction<'_>, sync: &str, record: &Value) -> rusqlite::Result<()> {
    let Some(id) = record["id"].as_str() else { return Ok(()) };
    if is_tombstone(record) {
        taking.execute("DELETE FROM records WHERE sync = ?1 AND id = ?2", params![sync, id])?;
    } else {
        taking.execute("REPLACE INTO records VALUES (?1, ?2, ?3)", params![sync, id, record.to_string()])?;
    }
    Ok(())
}

/// Returns whether a record is a tombstone: it has only ids, or it has a mark.
fn is_tombstone(record: &Value) -> bool {
    let only_ids = |members: &serde_json::Map<_, _>| {
        members.keys().all(|name: &String| ["id", "externalId", "external_id", "deleted"].contains(&name.as_str()))
    };
    record["deleted"] == true || record.as_object().is_some_and(only_ids)
}

/// Returns the time in seconds since 1970.
fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}
