"""Receivers that are wrong on purpose: each has one bug, and otherwise equals one of the good receivers.

    python3 broken.py BUG

../zoo.toml says what is wrong, and which cases find it.
"""

import json
import os
import re
import select
import socket
import sys
import threading
import time
from collections import Counter

from puller import Puller
from queue_worker import QueueWorker
from receiver import Background, Receiver
from store import Store
from sync_api import NotFound, Refused, SyncApi, Unavailable
from webhook import Event, Handler, Malformed, serve_chosen

DAY = 24 * 3600


# Bases: good receivers with less of a safety net, because the safety net would hide some bugs.


class Idle(Background):
    def start(self):
        pass


class FetchOnly(Receiver):
    """Fetches only what events name, and never pulls."""

    PULLER = Idle


class Once(Puller):
    """Waits for the next event after a successful pull."""

    def pause_after(self, work):
        return DAY


class LooksOnce(QueueWorker):
    PULLER = Once


class UntilNextEvent(Exception):
    """Raised to leave the sync alone until its next event."""


class GivingUp(Puller):
    """Treats some failures as final."""

    def failed(self, work, error):
        if self.is_final(error):
            print(f"{error}, forgotten", file=sys.stderr)
            self.store.put_off(work, DAY)
        else:
            super().failed(work, error)

    def is_final(self, error):
        return isinstance(error, UntilNextEvent)


# Answering.


class Hangs(Receiver):
    def handle(self, body):
        time.sleep(DAY)


class CrashesAtEvent(Receiver):
    def on_event(self, event):
        os._exit(1)


class DoesNothing(Receiver):
    def handle(self, body):
        return 200, "ok"


class FailsOnRecordErrored(Receiver):
    def on_event(self, event):
        if event.kind == "record_errored":
            return 500, "no handler"
        return super().on_event(event)


KNOWN_MEMBERS = {
    "": {"event", "sync", "syncInstanceId", "credentialId", "user", "data", "error"},
    "user": {"id"},
    "data": {"recordId", "model", "syncedAt", "numRecords"},
    "error": {"message", "recordId", "model"},
}


class RejectsUnknownMembers(Receiver):
    def on_event(self, event):
        if event.kind in QueueWorker.KNOWN:
            for place, known in KNOWN_MEMBERS.items():
                members = event.members.get(place, {}) if place else event.members
                if set(members) - known:
                    return 500, f"unknown members: {set(members) - known}"
        return super().on_event(event)


class RejectsUnknownEvents(Receiver):
    def on_event(self, event):
        if event.kind not in QueueWorker.KNOWN | {"webhook_verification"}:
            return 400, f"unknown event {event.kind}"
        return super().on_event(event)


class RequiresCredential(Receiver):
    """Requires a member that events have only since March 2026."""

    def on_event(self, event):
        if event.kind in QueueWorker.KNOWN and "credentialId" not in event.members:
            return 400, "expected a member `credentialId`"
        return super().on_event(event)


class RequiresUser(Receiver):
    """Reads the user of each event before it looks at the kind of event."""

    def on_event(self, event):
        event.members["user"]["id"]
        return super().on_event(event)


class CrashesOnMalformed(Receiver):
    def on_malformed(self, error):
        os._exit(1)


class AcceptsMalformed(Receiver):
    def on_malformed(self, error):
        return 200, "ok"


class FailsOnNesting(Receiver):
    """Catches the error of invalid JSON, but not the error of a parser that gives up at deep nesting."""

    def handle(self, body):
        try:
            json.loads(body)
        except ValueError:
            pass
        return super().handle(body)


class FailsOnBadUtf8(Receiver):
    def handle(self, body):
        body.decode()
        return super().handle(body)


class WaitsForApi(Receiver):
    """Fetches before it responds, however long the fetch takes."""

    class API(SyncApi):
        def get(self, path, user, deadline):
            return super().get(path, user, deadline + 60)


class SmallBodyLimit(Receiver):
    class HANDLER(Handler):
        def body(self):
            body = super().body()
            if len(body) > 16 * 1024:
                raise Malformed("too large", 413)
            return body


class AsciiOnly(Receiver):
    def handle(self, body):
        return super().handle(body.decode("latin-1").encode("ascii", "replace")) if body.isascii() else (400, "garbled")


class FindsEventByText(Receiver):
    """Searches the JSON as text, and expects one way of writing it."""

    def handle(self, body):
        if body[:1] == b"{" and b'"event"' in body and not re.search(rb'"event":"\w+"', body):
            return 400, "no event"
        return super().handle(body)


class OneAtATime(Receiver):
    """Handles one event at a time, with a slow system behind it."""

    turn = threading.Lock()

    def handle(self, body):
        with self.turn:
            time.sleep(0.15)
            return super().handle(body)


class NeedsContentLength(Receiver):
    class HANDLER(Handler):
        def body(self):
            if "Content-Length" not in self.headers:
                raise Malformed("a length is required", 411)
            return super().body()


class ReadsOnce(Receiver):
    """Takes the result of a single read for the whole body."""

    class HANDLER(Handler):
        def read(self, size):
            return self.rfile.read1(size) if size else b""


class ImpatientReader(Receiver):
    class HANDLER(Handler):
        def read(self, size):
            began = time.monotonic()
            body = super().read(size)
            if time.monotonic() - began > 0.1:
                raise Malformed("too slow", 408)
            return body


class RefusesExpect(Receiver):
    class HANDLER(Handler):
        def handle_expect_100(self):
            self.close_connection = True
            self.answer(400, "{}")
            return False


# Pulling.


class FirstPageOnly(Puller):
    def pull(self, sync, user, timeout, deadline=None):
        page = self.api.page(sync, user, None, deadline or time.monotonic() + timeout)
        self.take(sync, user, page.records, None)
        return {record["id"] for record in page.records if self.store.held(sync, record["id"])}


class PullsOnePage(Receiver):
    class PULLER(FirstPageOnly, Background):
        pass


class CrashesAtEmptyPage(QueueWorker):
    """Crashes at an empty page that is not the last one."""

    class API(SyncApi):
        def page(self, *asked):
            page = super().page(*asked)
            if not page.records and page.remaining > 0:
                os._exit(1)
            return page


class StopsAtEmptyPage(QueueWorker):
    """Takes an empty page for the final end of the sync."""

    class API(SyncApi):
        done = set()

        def page(self, sync, *asked):
            if sync in self.done:
                raise UntilNextEvent("the sync is done")
            page = super().page(sync, *asked)
            if not page.records and page.remaining > 0:
                self.done.add(sync)
                raise UntilNextEvent("an empty page")
            return page

    PULLER = GivingUp


class CursorNoneAsText(QueueWorker):
    """Stores str(cursor): after a last page without a cursor, it pulls after "None" for ever."""

    class PULLER(Puller):
        def take(self, sync, user, records, cursor):
            super().take(sync, user, records, str(self.last) if records else cursor)

        def pull(self, *args):
            try:
                return super().pull(*args)
            except Unavailable as error:
                if "cursor is refused" in str(error):
                    self.store.db.execute("UPDATE syncs SET cursor = 'None' WHERE sync = ?", [args[0]])
                raise

    class API(SyncApi):
        def page(self, *asked):
            page = super().page(*asked)
            CursorNoneAsText.PULLER.last = page.cursor
            return page


class InsertsEachPulled(QueueWorker):
    """Collects all pages of a pull, and inserts each record: a record that came twice is held twice."""

    class PULLER(Puller):
        def pull(self, *args):
            self.store.came.counts = {}
            return super().pull(*args)

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.twice, self.came = {}, threading.local()

        def put(self, sync, record):
            super().put(sync, record)
            came = self.came.counts
            came[record["id"]] = came.get(record["id"], 0) + 1
            self.twice[sync, record["id"]] = came[record["id"]]

        def state(self):
            return with_copies(super().state(), self.twice)


def with_copies(state, counts):
    """Returns a state in which some records are held several times."""
    records = json.loads(state)["records"]
    copies = [row for row in records for _ in range(counts.get((row["syncInstanceId"], row["recordId"]), 1))]
    return json.dumps({"records": copies})


class SkipsSeenInPull(QueueWorker):
    """Skips a record that comes again within one pull, although it may be a newer version."""

    class PULLER(Puller):
        seen = threading.local()

        def pull(self, *args):
            self.seen.ids = set()
            return super().pull(*args)

        def take(self, sync, user, records, cursor):
            fresh = [record for record in records if record["id"] not in self.seen.ids]
            self.seen.ids.update(record["id"] for record in records)
            super().take(sync, user, fresh, cursor)


class IgnoresRetryAfter(QueueWorker):
    class API(SyncApi):
        def call(self, *args):
            status, headers, body = super().call(*args)
            del headers["Retry-After"]
            return status, headers, body


class RetriesOnly503(QueueWorker):
    class PULLER(GivingUp):
        def is_final(self, error):
            return bool(re.search(r": 50[024]$", str(error)))


class NoTimeout(QueueWorker):
    class API(SyncApi):
        def call(self, path, token, deadline):
            return super().call(path, token, deadline + DAY)


class NoRetryAfterReset(QueueWorker):
    """Retries after bad statuses, but not after broken connections."""

    class PULLER(GivingUp):
        def is_final(self, error):
            cause = error.__cause__
            return cause is not None and not isinstance(cause, TimeoutError | ValueError)


class NoRetryAfterCutJson(QueueWorker):
    class PULLER(GivingUp):
        def is_final(self, error):
            return isinstance(error.__cause__, ValueError)


class GivesUpOn401(QueueWorker):
    class API(SyncApi):
        def call(self, path, token, deadline):
            status, headers, body = super().call(path, token, deadline)
            if status == 401:
                raise UntilNextEvent(f"{path}: 401")
            return status, headers, body

    PULLER = GivingUp


class Believes404(Receiver):
    """Takes a 404 at the first look as final."""

    class PULLER(Once, Background):
        pass

    def on_record_changed(self, sync, user, record_id, deadline):
        self.take(sync, user, record_id, self.fetch(sync, user, record_id, deadline), deadline)

    def remember(self, event):
        if event.kind == "sync_complete":
            super().remember(event)


class StartsOver(QueueWorker):
    """Pulls a sync from its start at each event."""

    class STORE(Store):
        def cursor(self, sync):
            return None


class Hammers(QueueWorker):
    """Retries at once, without a pause."""

    class PULLER(Puller):
        def failed(self, work, error):
            self.store.put_off(work, 0.002)


class FloodsApi(QueueWorker):
    def __init__(self):
        super().__init__()
        threading.Thread(target=self.flood, daemon=True).start()

    def flood(self):
        while True:
            rows = self.store.one("SELECT sync, user FROM syncs ORDER BY random() LIMIT 1")
            try:
                rows and self.api.page(*rows, None, time.monotonic() + 2)
            except (Refused, Unavailable):
                pass
            time.sleep(0 if rows else 0.1)


class RejectsNewApiMembers(QueueWorker):
    class API(SyncApi):
        def get(self, path, user, deadline):
            answer = super().get(path, user, deadline)
            known = {"totalRecords", "totalActiveRecords", "remainingRecords", "cursor", "lastSeen"}
            if set(answer) - {"data", "paging"} or set(answer.get("paging", {})) - known:
                raise Unavailable(f"{path}: members that are not known")
            return answer


class LoopsOn404(QueueWorker):
    class PULLER(Puller):
        def refused(self, work, error):
            self.store.put_off(work, 0.005)


# Records.


class DropsDeletions(FetchOnly):
    def on_record_deleted(self, *_):
        pass

    class STORE(Store):
        def remove(self, sync, record_id):
            pass


class KeepsTombstones(QueueWorker):
    """Stores a tombstone as if it were the record."""

    class STORE(Store):
        def take_page(self, sync, user, records, cursor):
            whole = [record | {"deleted": False, "tombstone": True} for record in records]
            super().take_page(sync, user, whole, cursor)


class IgnoresCreated(FetchOnly):
    def on_record_created(self, *_):
        pass


class IgnoresUpdated(Receiver):
    """Runs INSERT … ON CONFLICT DO NOTHING."""

    class STORE(Store):
        def put(self, sync, record):
            if self.held(sync, record["id"]) is None:
                super().put(sync, record)


class KeepsFirstNames(Receiver):
    """Stores nothing but names, and never replaces a name. Each row has a time at which the row was written."""

    class STORE(Store):
        def put(self, sync, record):
            name = (self.held(sync, record["id"]) or record).get("name")
            super().put(sync, {"id": record["id"], "name": name, "updatedAt": time.time()})


class KeepsDeletedFiles(DropsDeletions):
    """Stores no folders, documents without content, or empty files, and never removes a record."""

    class STORE(DropsDeletions.STORE):
        def put(self, sync, record):
            kind = record.get("mimeType", record.get("mime_type", ""))
            if kind and record.get("size") and not kind.startswith("application/vnd.google-apps."):
                super().put(sync, record)


class InsertsTwice(Receiver):
    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.created = Counter()

        def state(self):
            return with_copies(super().state(), self.created)

    def on_record_created(self, sync, user, record_id, deadline):
        super().on_record_created(sync, user, record_id, deadline)
        self.store.created[sync, record_id] += 1


class ChecksThenInserts(Receiver):
    """Checks whether it has the record, and inserts it later: correct only for one event at a time."""

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.created = Counter()

        def state(self):
            return with_copies(super().state(), self.created)

    def on_event(self, event):
        is_new = event.kind == "record_created" and not self.store.created[event.sync, event.record]
        if is_new:
            time.sleep(0.05)
        status = super().on_event(event)
        if is_new:
            self.store.created[event.sync, event.record] += 1
        return status


class SkipsBodiesSeenBefore(FetchOnly):
    """Takes two equal bodies for one event that was sent twice, although they may be two changes."""

    def handle(self, body):
        seen = self.__dict__.setdefault("seen", set())
        if body in seen:
            return 200, "seen before"
        status, word = super().handle(body)
        if status == 200:
            seen.add(body)
        return status, word


class NeverRevives(QueueWorker):
    """Never stores a record again once it was deleted, so that late events cannot bring it back."""

    class STORE(Store):
        gone = set()

        def remove(self, sync, record_id):
            super().remove(sync, record_id)
            self.gone.add((sync, record_id))

        def put(self, sync, record):
            if (sync, record["id"]) not in self.gone:
                super().put(sync, record)


class UpdatesOnlyKnown(FetchOnly):
    """Runs UPDATE … WHERE id = …, and ignores how many rows changed."""

    def on_record_updated(self, sync, user, record_id, deadline):
        if self.store.held(sync, record_id):
            super().on_record_updated(sync, user, record_id, deadline)


class FailsOnUnknownDeletion(Receiver):
    class STORE(Store):
        ever = set()

        def put(self, sync, record):
            super().put(sync, record)
            self.ever.add((sync, record["id"]))

    def on_record_deleted(self, sync, user, record_id, deadline):
        if (sync, record_id) not in self.store.ever:
            raise KeyError(record_id)
        super().on_record_deleted(sync, user, record_id, deadline)


class TrustsDeletions(Receiver):
    """Removes a record at any `record_deleted`, without asking the Sync API."""

    def on_record_deleted(self, sync, user, record_id, deadline):
        self.store.remove(sync, record_id)


class StubsForUnknownSyncs(Receiver):
    """Keeps the id of a record that it cannot fetch, so as not to lose it."""

    def on_event(self, event):
        answer = super().on_event(event)
        if event.record and event.sync and self.store.owner(event.sync) is None:
            self.store.put(event.sync, {"id": event.record})
        return answer


class CrashesOnUnknownSync(Receiver):
    def on_event(self, event):
        answer = super().on_event(event)
        if event.sync and event.user and self.store.owner(event.sync) is None:
            os._exit(1)
        return answer


class OneQueue(QueueWorker):
    """Has one queue for all syncs: an event that always fails blocks all later ones."""

    class PULLER(Puller):
        def run(self):
            while True:
                for work in self.store.due_work():
                    self.work(work)
                self.something.wait(0.05)
                self.something.clear()

        def refused(self, work, error):
            while True:
                try:
                    self.look(work, 2)
                    return
                except (Refused, Unavailable):
                    time.sleep(0.2)


class DropsErroredRecords(QueueWorker):
    """Never looks again at a record that could not be read once."""

    class STORE(Store):
        errored = set()

        def put(self, sync, record):
            if (sync, record["id"]) not in self.errored:
                super().put(sync, record)

    def on_event(self, event):
        if event.kind == "record_errored":
            record_id = (event.members.get("error") or {}).get("recordId")
            self.store.errored.add((event.sync, record_id))
            self.store.remove(event.sync, record_id)
        return super().on_event(event)


class DropsErroredSyncs(QueueWorker):
    def on_event(self, event):
        if event.kind == "sync_errored":
            self.store.db.execute("DELETE FROM records WHERE sync = ?", [event.sync])
            self.store.told = None
        return super().on_event(event)


class StopsAtSyncErrored(QueueWorker):
    errored = set()

    def on_event(self, event):
        if event.kind == "sync_errored":
            self.errored.add(event.sync)
            self.store.db.execute("DELETE FROM work WHERE sync = ?", [event.sync])
        return (200, "ok") if event.sync in self.errored else super().on_event(event)


class TrimsNames(QueueWorker):
    class STORE(Store):
        def put(self, sync, record):
            name = record.get("name")
            super().put(sync, record | {"name": " ".join(name.split())[:100]} if name else record)


class Int32Sizes(QueueWorker):
    class STORE(Store):
        def put(self, sync, record):
            size = record.get("size")
            super().put(sync, record | {"size": min(size, 2**31 - 1)} if isinstance(size, int) else record)


class StoresStubs(FetchOnly):
    """Keeps the id of a new record, and never fetches the record."""

    def on_record_created(self, sync, user, record_id, deadline):
        self.keep(sync, user, {"id": record_id})


class Resurrects(FetchOnly):
    """Keeps the id of a new record that cannot be fetched any more."""

    def on_record_created(self, sync, user, record_id, deadline):
        self.keep(sync, user, self.fetch(sync, user, record_id, deadline) or {"id": record_id})


class StaleCache(FetchOnly):
    """Keeps answers about records for a minute."""

    class API(SyncApi):
        answers = {}

        def record(self, sync, user, record_id, deadline):
            answer, until = self.answers.get((sync, record_id), (None, 0))
            if time.monotonic() >= until:
                answer, until = super().record(sync, user, record_id, deadline), time.monotonic() + 60
                self.answers[sync, record_id] = answer, until
            return answer


# Several users and syncs.


class ForgetsUser(FetchOnly):
    """Signs every token for the first user that it saw."""

    class API(SyncApi):
        def get(self, path, user, deadline):
            self.first_user = getattr(self, "first_user", user)
            try:
                return super().get(path, self.first_user, deadline)
            except NotFound as error:
                raise Unavailable(str(error)) from error


class GuessesUser(QueueWorker):
    """Tries the token of the first user that it saw before the right one."""

    class API(SyncApi):
        def get(self, path, user, deadline):
            self.first_user = getattr(self, "first_user", user)
            if user != self.first_user:
                try:
                    return super().get(path, self.first_user, deadline)
                except Refused:
                    pass
            return super().get(path, user, deadline)


class KeysByExternalId(QueueWorker):
    """Stores one row for each external id, however many users and syncs have the object."""

    class STORE(Store):
        def put(self, sync, record):
            external = record.get("externalId")
            self.db.execute(
                "DELETE FROM records WHERE sync <> ? AND json_extract(body, '$.externalId') = ?", [sync, external]
            )
            super().put(sync, record)


class OneSyncPerUser(QueueWorker):
    """Lets the second sync of a user replace the first one."""

    class STORE(Store):
        def own(self, sync, user):
            super().own(sync, user)
            others = "SELECT sync FROM syncs WHERE user = ? AND sync <> ?"
            self.db.execute(f"DELETE FROM records WHERE sync IN ({others})", [user, sync])


class DropsSyncAt404(QueueWorker):
    """Calls as the user of the latest event, and takes a sync that is not found for a deleted one."""

    class PULLER(Puller):
        def refused(self, work, error):
            self.store.db.execute("DELETE FROM records WHERE sync = ?", [work.sync])
            self.store.told = None
            self.store.put_off(work, DAY)


class DeletesEverywhere(QueueWorker):
    """Removes a deleted record by its external id, from all syncs."""

    class STORE(Store):
        def take_page(self, sync, user, records, cursor):
            super().take_page(sync, user, records, cursor)
            for record in records:
                if record.get("deleted"):
                    external = record.get("externalId")
                    self.db.execute("DELETE FROM records WHERE json_extract(body, '$.externalId') = ?", [external])
                    self.told = None


# Outages.


class SwallowsApiErrors(FetchOnly):
    def on_api_failed(self):
        return 200, "ok"


class ForgetsWhenApiFails(QueueWorker):
    class PULLER(GivingUp):
        def is_final(self, error):
            return isinstance(error, Unavailable)


class LosesEventWithAnswer(LooksOnce):
    """Marks the event as seen, responds, and works only if the connection stays open. Skips the copy as seen."""

    half_done = set()

    class HANDLER(Handler):
        def answer(self, status, body):
            super().answer(status, body)
            self.wfile.flush()
            # A closed or reset connection becomes readable: its stream ends. A kept connection is idle for this time.
            readable, _, _ = select.select([self.connection], [], [], 0.3)
            if not readable or self.connection.recv(1, socket.MSG_PEEK):
                self.server.receiver.answered()

    pending = threading.local()

    def enqueue(self, event):
        self.pending.event = None
        body = json.dumps(event.members)
        if body not in self.half_done:
            self.half_done.add(body)
            self.pending.event = event, body

    def answered(self):
        event, self.pending.event = getattr(self.pending, "event", None), None
        if event:
            super().enqueue(event[0])
            self.half_done.discard(event[1])


class KeepsStateInMemory(QueueWorker):
    class STORE(Store):
        def __init__(self, path):
            super().__init__(":memory:")


class KeepsRecordsInMemory(QueueWorker):
    """Stores the cursors in a file, but keeps the records in memory."""

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.db.execute("DELETE FROM records")


class AcksBeforeStoring(LooksOnce):
    """Keeps its queue in memory for a while after the response."""

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.db.execute("UPDATE work SET due = ?", [time.time() + DAY])

    def enqueue(self, event):
        threading.Timer(0.3, super().enqueue, [event]).start()


class StoresLate(QueueWorker):
    """Stores events late too, but looks at each known sync when it starts."""

    def enqueue(self, event):
        threading.Timer(0.3, super().enqueue, [event]).start()


class CursorBeforeRecords(QueueWorker):
    """Stores the cursor with each page, and the records only at the end of the pull."""

    class PULLER(Puller):
        pages = threading.local()

        def pull(self, sync, user, timeout, deadline=None):
            self.pages.records = []
            try:
                return super().pull(sync, user, timeout, deadline)
            finally:
                super().take(sync, user, self.pages.records, self.store.cursor(sync))

        def take(self, sync, user, records, cursor):
            self.pages.records += records
            super().take(sync, user, [], cursor)


class StaleLockFile(QueueWorker):
    """Does not start if its lock file exists."""

    class STORE(Store):
        def __init__(self, path):
            self.lock_file = path + ".lock"
            try:
                os.close(os.open(self.lock_file, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                sys.exit("it runs already")
            super().__init__(path)

        def close(self):
            super().close()
            os.remove(self.lock_file)


class WrongAudience(Receiver):
    def __init__(self, environment=os.environ):
        super().__init__(environment)
        self.api.tokens.audience = environment["PARAGON_PROJECT_ID"]


class KeepsLastRecord(QueueWorker):
    """Takes a sync without records for an error, and keeps the last record."""

    class STORE(Store):
        def remove(self, sync, record_id):
            held = json.loads(self.state())["records"]
            if sum(record["syncInstanceId"] == sync for record in held) > 1:
                super().remove(sync, record_id)


class DropsBursts(FetchOnly):
    """Handles ten events of a sync a second: further events get a response and are dropped."""

    taken = {}

    def on_event(self, event):
        taken = [at for at in self.taken.get(event.sync, []) if at > time.monotonic() - 1]
        self.taken[event.sync] = [*taken, time.monotonic()]
        return super().on_event(event) if len(taken) < 10 else (200, "too many")


class PlantedDeep(Receiver):
    """Ignores the deletion of a record after two events in a row that brought nothing new of it.

    The bug needs three things: two updates whose events both fetch the second version, as after an outage; another
    event of one of these updates; and then the deletion of the record.
    """

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.nothing_new = Counter()

        def remove(self, sync, record_id):
            if self.nothing_new[sync, record_id] < 2:
                super().remove(sync, record_id)

    def on_record_updated(self, sync, user, record_id, deadline):
        before = self.store.held(sync, record_id)
        super().on_record_updated(sync, user, record_id, deadline)
        brought_nothing = before is not None and before == self.store.held(sync, record_id)
        nothing_new = self.store.nothing_new
        nothing_new[sync, record_id] = nothing_new[sync, record_id] + 1 if brought_nothing else 0


class PlantedVersions(Receiver):
    """Keeps the first three versions of a record, and none after them."""

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.versions = Counter()

        def put(self, sync, record):
            if record == self.held(sync, record["id"]):
                return
            self.versions[sync, record["id"]] += 1
            if self.versions[sync, record["id"]] <= 3:
                super().put(sync, record)


class PlantedCopies(Receiver):
    """Ignores a record after four updates of it that changed nothing."""

    class STORE(Store):
        def __init__(self, path):
            super().__init__(path)
            self.copies = Counter()

        def put(self, sync, record):
            if self.copies[sync, record["id"]] < 4:
                super().put(sync, record)

    def on_record_updated(self, sync, user, record_id, deadline):
        # The sync is locked, so simultaneous copies of an event are handled one after another.
        held = self.store.held(sync, record_id)
        super().on_record_updated(sync, user, record_id, deadline)
        self.store.copies[sync, record_id] += self.store.held(sync, record_id) == held


class FailsOnOlder(Receiver):
    """Responds 503 as long as the Sync API serves a record with an older time than the held one."""

    class STORE(Store):
        def put(self, sync, record):
            held = self.held(sync, record["id"])
            if held and record["updatedAt"] < held["updatedAt"]:
                raise Unavailable("older than what is held")
            super().put(sync, record)


class FloodsLog(Receiver):
    def handle(self, body):
        for _ in range(64):
            print("received " + 64 * 1024 * "x")
        return super().handle(body)


class NonsenseState(Receiver):
    def state(self):
        return '{"records": "lots"}'


class StaleState(Receiver):
    """Returns the first state that was not empty for ever."""

    def state(self):
        told = self.__dict__.setdefault("told", {})
        if "records" not in told and '"recordId"' in (state := super().state()):
            told["records"] = state
        return told.get("records", '{"records":[]}')


BUGS = {
    "accepts-malformed": AcceptsMalformed,
    "acks-before-storing": AcksBeforeStoring,
    "ascii-only": AsciiOnly,
    "believes-404": Believes404,
    "checks-then-inserts": ChecksThenInserts,
    "crashes-at-empty-page": CrashesAtEmptyPage,
    "crashes-at-event": CrashesAtEvent,
    "crashes-on-malformed": CrashesOnMalformed,
    "crashes-on-unknown-sync": CrashesOnUnknownSync,
    "cursor-before-records": CursorBeforeRecords,
    "cursor-none-as-text": CursorNoneAsText,
    "deletes-everywhere": DeletesEverywhere,
    "does-nothing": DoesNothing,
    "drops-bursts": DropsBursts,
    "drops-deletions": DropsDeletions,
    "drops-errored-records": DropsErroredRecords,
    "drops-errored-syncs": DropsErroredSyncs,
    "drops-sync-at-404": DropsSyncAt404,
    "fails-on-bad-utf8": FailsOnBadUtf8,
    "fails-on-older": FailsOnOlder,
    "fails-on-nesting": FailsOnNesting,
    "fails-on-record-errored": FailsOnRecordErrored,
    "fails-on-unknown-deletion": FailsOnUnknownDeletion,
    "fetches-only": FetchOnly,
    "finds-event-by-text": FindsEventByText,
    "floods-api": FloodsApi,
    "floods-log": FloodsLog,
    "forgets-user": ForgetsUser,
    "forgets-when-api-fails": ForgetsWhenApiFails,
    "gives-up-on-401": GivesUpOn401,
    "guesses-user": GuessesUser,
    "hammers": Hammers,
    "hangs": Hangs,
    "ignores-created": IgnoresCreated,
    "ignores-retry-after": IgnoresRetryAfter,
    "ignores-updated": IgnoresUpdated,
    "impatient-reader": ImpatientReader,
    "inserts-each-pulled": InsertsEachPulled,
    "inserts-twice": InsertsTwice,
    "int32-sizes": Int32Sizes,
    "keeps-deleted-files": KeepsDeletedFiles,
    "keeps-first-names": KeepsFirstNames,
    "keeps-last-record": KeepsLastRecord,
    "keeps-records-in-memory": KeepsRecordsInMemory,
    "keeps-state-in-memory": KeepsStateInMemory,
    "keeps-tombstones": KeepsTombstones,
    "keys-by-external-id": KeysByExternalId,
    "looks-once": LooksOnce,
    "loops-on-404": LoopsOn404,
    "loses-event-with-answer": LosesEventWithAnswer,
    "needs-content-length": NeedsContentLength,
    "never-revives": NeverRevives,
    "no-retry-after-cut-json": NoRetryAfterCutJson,
    "no-retry-after-reset": NoRetryAfterReset,
    "no-timeout": NoTimeout,
    "nonsense-state": NonsenseState,
    "one-at-a-time": OneAtATime,
    "one-queue": OneQueue,
    "one-sync-per-user": OneSyncPerUser,
    "planted-copies": PlantedCopies,
    "planted-deep": PlantedDeep,
    "planted-versions": PlantedVersions,
    "pulls-one-page": PullsOnePage,
    "reads-once": ReadsOnce,
    "refuses-expect": RefusesExpect,
    "rejects-new-api-members": RejectsNewApiMembers,
    "rejects-unknown-events": RejectsUnknownEvents,
    "rejects-unknown-members": RejectsUnknownMembers,
    "requires-credential": RequiresCredential,
    "requires-user": RequiresUser,
    "resurrects": Resurrects,
    "retries-only-503": RetriesOnly503,
    "skips-bodies-seen-before": SkipsBodiesSeenBefore,
    "skips-seen-in-pull": SkipsSeenInPull,
    "small-body-limit": SmallBodyLimit,
    "stale-cache": StaleCache,
    "stale-lock-file": StaleLockFile,
    "stale-state": StaleState,
    "starts-over": StartsOver,
    "stops-at-empty-page": StopsAtEmptyPage,
    "stops-at-sync-errored": StopsAtSyncErrored,
    "stores-late": StoresLate,
    "stores-stubs": StoresStubs,
    "stubs-for-unknown-syncs": StubsForUnknownSyncs,
    "swallows-api-errors": SwallowsApiErrors,
    "trims-names": TrimsNames,
    "trusts-deletions": TrustsDeletions,
    "updates-only-known": UpdatesOnlyKnown,
    "waits-for-api": WaitsForApi,
    "wrong-audience": WrongAudience,
}

if __name__ == "__main__":
    serve_chosen(BUGS, "broken.py BUG")
