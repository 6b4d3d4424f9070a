"""A correct receiver of the style "fetch each record, before answering", with the standard library only.

    PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… python3 receiver.py

At an event about a record, the receiver fetches the record. If the fetch fails or takes too long, the receiver responds
503, and Paragon sends the event again. In the background the receiver pulls every sync by cursor, which brings the
changes whose events were lost.
"""

import os
import sys
import time

from puller import Puller
from store import Store, state_file
from sync_api import NotFound, Refused, SyncApi, Unavailable
from user_token import UserTokens
from webhook import Event, Malformed, serve

# Seconds for handling an event: the documentation asks for a response "in a timely manner".
TIME_FOR_A_DELIVERY = 1.4
SECOND_LOOK = 0.15
# Seconds between an event and the first pull in the background, so that the event is handled first.
BACKGROUND = 0.5


class Background(Puller):
    """Pulls, and fetches recently fetched records again, because a read right after an event may be stale."""

    def look(self, work, timeout):
        seen = self.pull(work.sync, work.user, timeout)
        for record_id in self.store.to_look_at(work.sync):
            try:
                now = self.api.record(work.sync, work.user, record_id, time.monotonic() + timeout)
            except NotFound:
                now = None
            if now == self.store.held(work.sync, record_id) or (now is None and record_id in seen):
                self.store.looked_at(work.sync, record_id)
                continue
            # The record has changed since, so it is fetched once more at the next look.
            with self.store.transaction():
                if now is None:
                    self.store.remove(work.sync, record_id)
                else:
                    self.store.put(work.sync, now)


class Receiver:
    STORE, API, PULLER = Store, SyncApi, Background

    def __init__(self, environment=os.environ):
        self.store = self.STORE(state_file(environment, "fetch"))
        tokens = UserTokens(environment["PARAGON_SIGNING_KEY"], environment["PARAGON_PROJECT_ID"])
        self.api = self.API(environment["PARAGON_API_URL"], tokens)
        self.puller = self.PULLER(self.store, self.api)
        self.puller.start()

    def handle(self, body):
        """Handles the body of a webhook. Returns a status and a text."""
        try:
            event = Event(body)
        except Malformed as error:
            return self.on_malformed(error)
        try:
            return self.on_event(event)
        except Unavailable as error:
            print(f"cannot fetch: {error}", file=sys.stderr)
            return self.on_api_failed()

    def on_event(self, event):
        if not event.sync or not event.user:
            return 200, "nothing to do"
        match event.kind:
            case "sync_complete":
                self.promptly(event, self.on_sync_complete)
            case "record_created" if event.record:
                self.promptly(event, self.on_record_created)
            case "record_updated" if event.record:
                self.promptly(event, self.on_record_updated)
            case "record_deleted" if event.record:
                self.promptly(event, self.on_record_deleted)
            case "sync_errored" | "record_errored" | "record_created" | "record_updated" | "record_deleted":
                self.remember(event)
        return 200, "ok"

    def on_malformed(self, error):
        return error.status, str(error)

    def on_api_failed(self):
        return 503, "try again"

    def remember(self, event):
        """Stores the sync of an event in any case: the background pulls this sync soon, and regularly after that."""
        self.store.add_work(event.sync, event.user, BACKGROUND)
        self.puller.wake()

    def promptly(self, event, work):
        """Handles an event within the time limit of a delivery."""
        self.remember(event)
        deadline = time.monotonic() + TIME_FOR_A_DELIVERY
        lock = self.puller.lock(event.sync)
        if not lock.acquire(timeout=TIME_FOR_A_DELIVERY):
            raise Unavailable("the sync is being pulled")
        try:
            for user in self.askers(event):
                try:
                    return work(event.sync, user, event.record, deadline)
                except Refused as error:
                    print(f"{error}, as {user}", file=sys.stderr)
        finally:
            lock.release()

    def askers(self, event):
        """Returns the user that the event names, and the known user of the sync if that is another one."""
        owner = self.store.owner(event.sync)
        return [event.user] if owner in (None, event.user) else [event.user, owner]

    def on_sync_complete(self, sync, user, _, deadline):
        self.puller.pull(sync, user, TIME_FOR_A_DELIVERY, deadline)

    def on_record_created(self, sync, user, record_id, deadline):
        self.on_record_changed(sync, user, record_id, deadline)

    def on_record_updated(self, sync, user, record_id, deadline):
        self.on_record_changed(sync, user, record_id, deadline)

    def on_record_changed(self, sync, user, record_id, deadline):
        record = self.fetch(sync, user, record_id, deadline)
        if record is None:
            # The record may not be visible yet.
            time.sleep(SECOND_LOOK)
            record = self.fetch(sync, user, record_id, deadline)
        self.take(sync, user, record_id, record, deadline)

    def on_record_deleted(self, sync, user, record_id, deadline):
        """Asks the Sync API whether the record is deleted, because anybody can send an event."""
        self.take(sync, user, record_id, self.fetch(sync, user, record_id, deadline), deadline)

    def fetch(self, sync, user, record_id, deadline):
        """Returns the latest version of a record; None if there is no such record, or no such sync for this user."""
        try:
            return self.api.record(sync, user, record_id, deadline)
        except NotFound:
            return None

    def take(self, sync, user, record_id, record, deadline):
        if record is not None:
            self.keep(sync, user, record)
        # If the sync can be pulled, the 404 was about the record.
        elif record_id not in self.puller.pull(sync, user, TIME_FOR_A_DELIVERY, deadline):
            self.drop(sync, record_id)

    def keep(self, sync, user, record):
        with self.store.transaction():
            self.store.own(sync, user)
            self.store.put(sync, record)
            self.store.look_again(sync, record["id"])

    def drop(self, sync, record_id):
        with self.store.transaction():
            self.store.remove(sync, record_id)
            self.store.look_again(sync, record_id)

    def state(self):
        return self.store.state()

    def close(self):
        self.store.close()


if __name__ == "__main__":
    serve(Receiver())
