"""Receivers that are wrong on purpose: each has one bug, and is otherwise the receiver of receiver.py.

    python3 broken.py BUG
"""

import os
import sys

from receiver import ApiFailed, Receiver, serve

KNOWN_MEMBERS = {
    "": {"event", "sync", "syncInstanceId", "credentialId", "user", "data", "error"},
    "user": {"id"},
    "data": {"recordId", "model", "syncedAt", "numRecords"},
    "error": {"message", "recordId", "model"},
}


class DropsDeletions(Receiver):
    def remove(self, sync, record_id):
        pass


class PullsOnePage(Receiver):
    def on_sync_complete(self, sync, user):
        for record in self.get(f"/api/syncs/{sync}/records?pageSize=100", user)["data"]:
            self.take(sync, record)


class RejectsUnknownMembers(Receiver):
    def on_event(self, event):
        for place, known in KNOWN_MEMBERS.items():
            members = event.get(place, {}) if place else event
            if set(members) - known:
                return 500, f"unknown members: {set(members) - known}"
        return super().on_event(event)


class InsertsTwice(Receiver):
    def on_record_created(self, sync, user, record_id):
        before = self.records.get((sync, record_id), [])
        super().on_record_created(sync, user, record_id)
        with self.lock:
            if (sync, record_id) in self.records:
                self.records[sync, record_id] = before + self.records[sync, record_id]


class IgnoresCreated(Receiver):
    def on_record_created(self, sync, user, record_id):
        pass


class IgnoresUpdated(Receiver):
    def on_record_updated(self, sync, user, record_id):
        pass


class SkipsBodiesSeenBefore(Receiver):
    """Takes two equal bodies for one event that was sent twice; they may be two changes."""

    def handle(self, body):
        seen = self.__dict__.setdefault("seen", set())
        if body in seen:
            return 200, "seen before"
        status, word = super().handle(body)
        if status == 200:
            seen.add(body)
        return status, word


class CrashesOnMalformed(Receiver):
    def on_malformed(self):
        os._exit(1)


class AcceptsMalformed(Receiver):
    def on_malformed(self):
        return 200, "ok"


class FailsOnRecordErrored(Receiver):
    def on_event(self, event):
        if event.get("event") == "record_errored":
            return 500, "no handler"
        return super().on_event(event)


class SwallowsApiErrors(Receiver):
    def on_api_failed(self):
        return 200, "ok"


class StoresStubs(Receiver):
    """Keeps the id of a new record and never fetches what it stands for."""

    def on_record_created(self, sync, user, record_id):
        self.store(sync, record_id, {"id": record_id})


class Resurrects(Receiver):
    """When a new record cannot be fetched any more, it keeps its id instead of nothing."""

    def on_record_created(self, sync, user, record_id):
        answer = self.get(f"/api/syncs/{sync}/records/{record_id}", user)
        self.store(sync, record_id, answer["data"] if answer else {"id": record_id})


class ForgetsUser(Receiver):
    """Mints every token for the first user it saw."""

    def get(self, path, user):
        self.first_user = getattr(self, "first_user", user)
        answer = super().get(path, self.first_user)
        if answer is None and "?" in path:
            raise ApiFailed(f"{path}: 404")
        return answer


class DoesNothing(Receiver):
    def handle(self, body):
        return 200, "ok"


class NonsenseState(Receiver):
    def state(self):
        return {"records": "lots"}


BUGS = {
    "drops-deletions": DropsDeletions,
    "pulls-one-page": PullsOnePage,
    "rejects-unknown-members": RejectsUnknownMembers,
    "inserts-twice": InsertsTwice,
    "ignores-created": IgnoresCreated,
    "ignores-updated": IgnoresUpdated,
    "skips-bodies-seen-before": SkipsBodiesSeenBefore,
    "crashes-on-malformed": CrashesOnMalformed,
    "accepts-malformed": AcceptsMalformed,
    "fails-on-record-errored": FailsOnRecordErrored,
    "swallows-api-errors": SwallowsApiErrors,
    "stores-stubs": StoresStubs,
    "resurrects": Resurrects,
    "forgets-user": ForgetsUser,
    "does-nothing": DoesNothing,
    "nonsense-state": NonsenseState,
}

if __name__ == "__main__":
    bug = BUGS.get(" ".join(sys.argv[1:]))
    if bug is None:
        sys.exit("usage: broken.py BUG, one of:\n  " + "\n  ".join(BUGS))
    serve(bug())
