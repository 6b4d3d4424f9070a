"""A correct receiver of the style "queue and worker with a database file", with the standard library only.

    PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… python3 queue_worker.py

The receiver stores each event before it responds. An event only says that its sync may have changed: workers pull the
sync from the stored cursor, and retry until the pull succeeds, also after a restart. The pages say whether a record was
created, changed or deleted, so forged, duplicate and late events do no harm.
"""

import os

from puller import Puller
from store import Store, state_file
from sync_api import SyncApi
from user_token import UserTokens
from webhook import Event, Malformed, serve


class QueueWorker:
    KNOWN = {"sync_complete", "sync_errored", "record_created", "record_updated", "record_deleted", "record_errored"}

    STORE, API, PULLER = Store, SyncApi, Puller

    def __init__(self, environment=os.environ):
        self.store = self.STORE(state_file(environment, "queue"))
        tokens = UserTokens(environment["PARAGON_SIGNING_KEY"], environment["PARAGON_PROJECT_ID"])
        self.api = self.API(environment["PARAGON_API_URL"], tokens)
        self.puller = self.PULLER(self.store, self.api)
        self.puller.start()

    def handle(self, body):
        """Handles the body of a webhook. Returns a status and a text."""
        try:
            event = Event(body)
        except Malformed as error:
            return error.status, str(error)
        return self.on_event(event)

    def on_event(self, event):
        if event.kind in self.KNOWN and event.sync and event.user:
            self.enqueue(event)
        return 200, "ok"

    def enqueue(self, event):
        self.store.add_work(event.sync, event.user)
        self.puller.wake()

    def state(self):
        return self.store.state()

    def close(self):
        self.store.close()


if __name__ == "__main__":
    serve(QueueWorker())
