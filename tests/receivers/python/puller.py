"""Pulls syncs by cursor: when they are due, again after a failure, and again later in case a pull was too early."""

import random
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

from sync_api import NotFound, Refused, Unavailable

WORKERS = 12
# Seconds between the pulls after an event, because the Sync API may lag behind its own webhook.
LOOKS = [0.3, 1, 3, 10, 30]
# Seconds between the regular pulls of each sync, because events can be lost for good.
IDLE = 60
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5
FIRST_TIMEOUT, LONGEST_TIMEOUT = 2, 30
# Limits for a sync that does not exist: the event was forged, or the sync is deleted.
REFUSALS, LONGEST_REST = 4, 3600
EMPTY_PAGES = 3


class Puller:
    def __init__(self, store, api):
        self.store, self.api = store, api
        self.workers = ThreadPoolExecutor(WORKERS)
        self.busy = set()
        self.something = threading.Event()
        self.locks, self.locks_lock = weakref.WeakValueDictionary(), threading.Lock()

    def start(self):
        threading.Thread(target=self.run, daemon=True).start()

    def wake(self):
        self.something.set()

    def lock(self, sync):
        """Returns the lock of a sync. Hold it from before a call until the result of the call is stored."""
        with self.locks_lock:
            return self.locks.setdefault(sync, threading.Lock())

    def run(self):
        while True:
            self.something.clear()
            # Copied before the due work is read: work that ends in between was read in its old form.
            busy = set(self.busy)
            for work in self.store.due_work():
                if work.sync not in busy | self.busy:
                    self.busy.add(work.sync)
                    self.workers.submit(self.work, work)
            self.something.wait(self.pause_until_due())

    def pause_until_due(self):
        """Returns the pause until other work is due. Work in progress wakes the loop itself when it ends."""
        due = self.store.next_due()
        if due is None:
            return None
        seconds = due - time.time()
        return seconds if seconds > 0 else (0.5 if self.busy else 0.01)

    def work(self, work):
        try:
            with self.lock(work.sync):
                self.look(work, timeout=min(FIRST_TIMEOUT * 2**work.failures, LONGEST_TIMEOUT))
            self.store.put_off(work, jitter(self.pause_after(work)), looks=work.looks + 1)
        except Refused as error:
            self.refused(work, error)
        except Exception as error:
            self.failed(work, error)
        finally:
            self.busy.discard(work.sync)
            self.wake()

    def look(self, work, timeout):
        self.pull(work.sync, work.user, timeout)

    def pause_after(self, work):
        return LOOKS[work.looks] if work.looks < len(LOOKS) else IDLE

    def failed(self, work, error):
        if not isinstance(error, Unavailable):
            print(f"unexpected: {error!r}", file=sys.stderr)
        pause = jitter(min(FIRST_PAUSE * 2**work.failures, LONGEST_PAUSE))
        pause = max(pause, getattr(error, "again_in", 0))
        print(f"{error}, again in {pause:.1f} s", file=sys.stderr)
        self.store.put_off(work, pause, work.looks, min(work.failures + 1, 20), work.refusals)

    def refused(self, work, error):
        """Keeps all held records. Forgets a user who never had the sync after a few tries."""
        refusals = work.refusals + 1
        if refusals < REFUSALS:
            self.store.put_off(work, jitter(LOOKS[refusals - 1]), refusals=refusals)
        elif self.store.owner(work.sync) == work.user:
            self.store.put_off(work, min(IDLE * 2 ** (refusals - REFUSALS), LONGEST_REST), refusals=min(refusals, 20))
        else:
            print(f"{error}, given up", file=sys.stderr)
            self.store.give_up(work)

    def pull(self, sync, user, timeout, deadline=None):
        """Pulls all changes since the last pull. Returns the ids of the changed records that exist."""
        cursor, empty, seen = self.store.cursor(sync), 0, set()
        while True:
            until = deadline or time.monotonic() + timeout
            try:
                page = self.api.page(sync, user, cursor, until)
            except NotFound:
                raise
            except Refused as error:
                if cursor is None:
                    raise
                # The cursor may be too old: cursors are stable, but nobody promises for how long.
                self.store.start_over(sync)
                raise Unavailable(f"the cursor is refused: {error}") from error
            went_on = page.cursor not in (None, cursor)
            # The last page may have no cursor. In that case the stored cursor stays.
            cursor = page.cursor or cursor
            self.take(sync, user, page.records, cursor)
            seen.update(record["id"] for record in page.records if self.store.held(sync, record["id"]))
            if page.remaining <= 0:
                return seen
            empty = 0 if went_on else empty + 1
            if empty > EMPTY_PAGES:
                raise Unavailable("more is said to remain, but it does not come")

    def take(self, sync, user, records, cursor):
        self.store.take_page(sync, user, records, cursor)


def jitter(seconds):
    """Varies a pause, so that syncs that failed together are not retried together."""
    return seconds * random.uniform(0.8, 1.2)
