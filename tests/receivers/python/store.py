"""The data that a receiver must not lose, in one SQLite file: the records, the cursors, and the work to be done.

SQLite hands each transaction to the operating system before `commit` returns, so nothing is lost when the process is
killed. To lose nothing in a power cut either, set `synchronous=FULL`.
"""

import glob
import hashlib
import json
import os
import sqlite3
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass

SCHEMA = """
-- One row for each sync that was ever pulled: whose it is, as the Sync API confirmed, and the cursor to go on from.
CREATE TABLE IF NOT EXISTS syncs (sync TEXT PRIMARY KEY, user TEXT NOT NULL, cursor TEXT);

CREATE TABLE IF NOT EXISTS records (
    sync TEXT, record TEXT, body TEXT NOT NULL, PRIMARY KEY (sync, record)
) WITHOUT ROWID;

-- The queue. One row for each sync and user that an event named: the sync is to be pulled with this user's token.
CREATE TABLE IF NOT EXISTS work (
    sync TEXT, user TEXT,
    due REAL NOT NULL,          -- when to pull, in seconds since 1970
    events INTEGER NOT NULL,    -- how many came
    looks INTEGER NOT NULL,     -- how often it was pulled since the last one
    failures INTEGER NOT NULL,  -- how often in a row the Sync API could not be asked
    refusals INTEGER NOT NULL,  -- how often in a row it said that there is no such sync
    PRIMARY KEY (sync, user)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS work_by_due ON work (due);

-- Records that were fetched one by one a moment ago, and are looked at again in case that was too early.
CREATE TABLE IF NOT EXISTS again (sync TEXT, record TEXT, PRIMARY KEY (sync, record)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Work:
    sync: str
    user: str
    events: int
    looks: int
    failures: int
    refusals: int


class Store:
    def __init__(self, path):
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.executescript(SCHEMA)
        # Every sync is due at the start, because the receiver may have missed changes while it did not run.
        self.db.execute("UPDATE work SET due = min(due, ?)", [time.time()])
        self.told = None

    @contextmanager
    def transaction(self):
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    def close(self):
        with self.lock:
            self.db.close()

    # Syncs.

    def owner(self, sync):
        """Returns the user of a sync, if the user is known."""
        row = self.one("SELECT user FROM syncs WHERE sync = ?", sync)
        return row and row[0]

    def cursor(self, sync):
        row = self.one("SELECT cursor FROM syncs WHERE sync = ?", sync)
        return row and row[0]

    def start_over(self, sync):
        with self.transaction() as db:
            db.execute("UPDATE syncs SET cursor = NULL WHERE sync = ?", [sync])

    def own(self, sync, user):
        """Stores that the Sync API has served this sync to this user."""
        self.db.execute(
            "INSERT INTO syncs VALUES (?, ?, NULL) ON CONFLICT DO UPDATE SET user = excluded.user", [sync, user]
        )

    # Records.

    def take_page(self, sync, user, records, cursor):
        """Stores the records and the cursor of a page together, so that neither is stored without the other."""
        with self.transaction() as db:
            self.own(sync, user)
            for record in records:
                if is_tombstone(record):
                    self.remove(sync, record["id"])
                else:
                    self.put(sync, record)
            db.execute("UPDATE syncs SET cursor = ? WHERE sync = ?", [cursor, sync])

    def put(self, sync, record):
        self.told = None
        self.db.execute("REPLACE INTO records VALUES (?, ?, ?)", [sync, record["id"], json.dumps(record)])

    def remove(self, sync, record_id):
        self.told = None
        self.db.execute("DELETE FROM records WHERE sync = ? AND record = ?", [sync, record_id])

    def held(self, sync, record_id):
        row = self.one("SELECT body FROM records WHERE sync = ? AND record = ?", sync, record_id)
        return row and json.loads(row[0])

    def state(self):
        """Returns all records as JSON, in the form of the state probe. The JSON is cached until something changes."""
        with self.lock:
            if self.told is None:
                rows = self.db.execute("SELECT sync, record, body FROM records")
                told = (
                    f'{{"syncInstanceId":{json.dumps(sync)},"recordId":{json.dumps(record)},"record":{body}}}'
                    for sync, record, body in rows
                )
                self.told = '{"records":[' + ",".join(told) + "]}"
            return self.told

    # Work.

    def add_work(self, sync, user, delay=0):
        """Stores that an event asks for a pull. If the last pull of the sync failed, the time of its retry stays."""
        with self.transaction() as db:
            due = time.time() + delay
            db.execute(
                "INSERT INTO work VALUES (?, ?, ?, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
                [sync, user, due],
            )
            # The event may name the wrong user, so the other known users of the sync look too.
            db.execute(
                "UPDATE work SET due = CASE failures WHEN 0 THEN min(due, ?) ELSE due END,"
                " events = events + 1, looks = 0, refusals = 0 WHERE sync = ?",
                [due, sync],
            )

    def due_work(self):
        with self.lock:
            rows = self.db.execute(
                "SELECT sync, user, events, looks, failures, refusals FROM work WHERE due <= ? ORDER BY due",
                [time.time()],
            )
            return [Work(*row) for row in rows]

    def next_due(self):
        return self.one("SELECT min(due) FROM work")[0]

    def put_off(self, work, seconds, looks=0, failures=0, refusals=0):
        """Puts off the next pull, unless another event came meanwhile: the sync is then due already."""
        with self.transaction() as db:
            db.execute(
                "UPDATE work SET failures = ?, due = CASE WHEN events = ? OR ? > 0 THEN ? ELSE due END,"
                " looks = CASE events WHEN ? THEN ? ELSE 0 END, refusals = CASE events WHEN ? THEN ? ELSE 0 END"
                " WHERE sync = ? AND user = ?",
                [
                    failures, work.events, failures, time.time() + seconds,
                    work.events, looks, work.events, refusals,
                    work.sync, work.user,
                ],
            )  # fmt: skip

    def give_up(self, work):
        with self.transaction() as db:
            db.execute(
                "DELETE FROM work WHERE sync = ? AND user = ? AND events = ?", [work.sync, work.user, work.events]
            )

    # Records to look at again.

    def look_again(self, sync, record_id):
        self.db.execute("INSERT OR IGNORE INTO again VALUES (?, ?)", [sync, record_id])

    def to_look_at(self, sync):
        with self.lock:
            return [record for (record,) in self.db.execute("SELECT record FROM again WHERE sync = ?", [sync])]

    def looked_at(self, sync, record_id):
        with self.transaction() as db:
            db.execute("DELETE FROM again WHERE sync = ? AND record = ?", [sync, record_id])

    def one(self, query, *values):
        with self.lock:
            return self.db.execute(query, values).fetchone()


def is_tombstone(record):
    """Returns whether a record is a tombstone: a deleted record has only its ids."""
    return bool(record.get("deleted")) or not set(record) - {"id", "externalId", "external_id", "deleted"}


def state_file(environment, kind):
    """Returns STATE_FILE, or a default path that is the same when the receiver is started again."""
    if path := environment.get("STATE_FILE"):
        return path
    folder = tempfile.gettempdir()
    sweep(os.path.join(folder, "paragon-receiver-*"))
    url = hashlib.sha256(environment["PARAGON_API_URL"].encode()).hexdigest()[:12]
    return os.path.join(folder, f"paragon-receiver-{kind}-{environment['PORT']}-{url}.db")


def sweep(pattern, age=24 * 3600):
    """Removes files that no receiver has touched for a day."""
    for path in glob.glob(pattern):
        try:
            if os.stat(path).st_mtime < time.time() - age:
                os.remove(path)
        except OSError:
            pass
