"""Full pulls: a sync is pulled from the start, and records that the feed no longer contains are removed.

A cursor leads to the changes after it. It does not lead to records that disappeared while the sync itself was deleted:
a sync that is deleted and enabled again has the same id, but a new feed. So a full pull is due after `sync_complete`,
after a 404 for the sync, after a refused cursor, and once a day.

Import this module first: it makes the modules in ../python importable.
"""

import os
import sys
import time
from contextlib import contextmanager

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "python"))

from puller import Puller  # noqa: E402
from queue_worker import QueueWorker  # noqa: E402
from receiver import Background, Receiver  # noqa: E402
from store import Store  # noqa: E402
from sync_api import NotFound, Unavailable  # noqa: E402

DAY = 24 * 3600

SCHEMA = """
-- `wanted`: a full pull is due. `running`: one has begun. `done`: when the last one ended, in seconds since 1970.
CREATE TABLE IF NOT EXISTS full_pulls (
    sync TEXT PRIMARY KEY, wanted INTEGER NOT NULL, running INTEGER NOT NULL, done REAL NOT NULL
) WITHOUT ROWID;

-- The records that the running full pull has found.
CREATE TABLE IF NOT EXISTS found (sync TEXT, record TEXT, PRIMARY KEY (sync, record)) WITHOUT ROWID;
"""


class FullPullStore(Store):
    def __init__(self, path):
        super().__init__(path)
        self.db.executescript(SCHEMA)

    @contextmanager
    def transaction(self):
        """As in `Store`, but one transaction may contain another."""
        with self.lock:
            if self.db.in_transaction:
                yield self.db
            else:
                with super().transaction() as db:
                    yield db

    def want_full_pull(self, sync):
        """Makes a full pull due if the sync was pulled before: the first pull of a sync is a full one anyway."""
        with self.transaction() as db:
            db.execute("UPDATE full_pulls SET wanted = 1 WHERE sync = ?", [sync])

    def begin_full_pull(self, sync):
        """Begins a full pull if one is due and none is running."""
        with self.transaction() as db:
            due = "wanted OR done < ?"
            row = db.execute(f"SELECT running, {due} FROM full_pulls WHERE sync = ?", [time.time() - DAY, sync])
            running, due = row.fetchone() or (0, 1)
            if running or not due:
                return
            db.execute("REPLACE INTO full_pulls VALUES (?, 0, 1, 0)", [sync])
            db.execute("DELETE FROM found WHERE sync = ?", [sync])
            db.execute("UPDATE syncs SET cursor = NULL WHERE sync = ?", [sync])

    def end_full_pull(self, sync):
        """Removes held records that the full pull did not find. Returns whether another full pull is due."""
        with self.transaction() as db:
            row = db.execute("SELECT wanted, running FROM full_pulls WHERE sync = ?", [sync]).fetchone()
            wanted, running = row or (0, 0)
            if running:
                for record in self.held_ids(sync) - self.found_ids(sync):
                    self.remove(sync, record)
                db.execute("DELETE FROM found WHERE sync = ?", [sync])
                db.execute("UPDATE full_pulls SET running = 0, done = ? WHERE sync = ?", [time.time(), sync])
            return bool(wanted)

    def start_over(self, sync):
        """Handles a refused cursor. A running full pull begins again, because the feed may be a new one."""
        with self.transaction() as db:
            super().start_over(sync)
            db.execute("UPDATE full_pulls SET wanted = 1, running = 0 WHERE sync = ?", [sync])

    def not_there(self, sync, user):
        """Handles a 404 of the Sync API. It says nothing about the sync if the sync belongs to another user."""
        with self.transaction() as db:
            if self.owner(sync) == user:
                self.want_full_pull(sync)
            elif self.owner(sync) is None:
                db.execute("DELETE FROM full_pulls WHERE sync = ?", [sync])

    def put(self, sync, record):
        super().put(sync, record)
        self.was_found(sync, record["id"])

    def was_found(self, sync, record_id):
        self.db.execute(
            "INSERT OR IGNORE INTO found SELECT sync, ? FROM full_pulls WHERE sync = ? AND running", [record_id, sync]
        )

    def held_ids(self, sync):
        return {record for (record,) in self.db.execute("SELECT record FROM records WHERE sync = ?", [sync])}

    def found_ids(self, sync):
        return {record for (record,) in self.db.execute("SELECT record FROM found WHERE sync = ?", [sync])}


class FullPulls:
    """Mixed into a puller."""

    def pull(self, sync, user, timeout, deadline=None):
        seen = set()
        while True:
            self.store.begin_full_pull(sync)
            try:
                seen |= super().pull(sync, user, timeout, deadline)
            except NotFound:
                # A sync that comes back after this has a new feed.
                self.store.not_there(sync, user)
                raise
            if not self.store.end_full_pull(sync):
                return seen


class QueuePuller(FullPulls, Puller):
    pass


class FetchPuller(FullPulls, Background):
    pass


class FetchReceiver(Receiver):
    """Fetches each record before it answers."""

    STORE, PULLER = FullPullStore, FetchPuller
    # Seconds between the event and the first pull of its sync in the background.
    BACKGROUND = 0.5

    def remember(self, event):
        with self.store.transaction():
            if event.kind == "sync_complete":
                self.store.want_full_pull(event.sync)
            self.store.add_work(event.sync, event.user, self.BACKGROUND)
        self.puller.wake()

    def on_sync_complete(self, sync, user, record, deadline):
        """The event is already stored: what is not pulled before the deadline is pulled in the background."""
        try:
            super().on_sync_complete(sync, user, record, deadline)
        except Unavailable as error:
            print(f"pulled later: {error}", file=sys.stderr)


class QueueReceiver(QueueWorker):
    """Stores the event, answers, and pulls the sync in the background. The base of most styles."""

    STORE, PULLER = FullPullStore, QueuePuller

    def enqueue(self, event):
        with self.store.transaction():
            if event.kind == "sync_complete":
                self.store.want_full_pull(event.sync)
            self.store.add_work(event.sync, event.user, self.delay())
        self.puller.wake()

    def delay(self):
        return 0
