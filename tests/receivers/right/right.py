"""Receivers that are right, in styles that real teams use.

    python3 right.py STYLE

Without a style, the program lists them. README.md says what is unusual about each.
"""

import hashlib
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

# First: this module makes the modules in ../python importable.
from full_pull import DAY, FetchPuller, FetchReceiver, FullPullStore, QueuePuller, QueueReceiver

# isort: split
from puller import LOOKS, jitter
from sync_api import Refused, SyncApi, Unavailable, quoted
from webhook import Handler, serve_chosen


# How work is done.


class EventPuller(QueuePuller):
    """Looks again a few times after an event, and then waits for the next event: no timer runs."""

    def pause_after(self, work):
        return LOOKS[work.looks] if work.looks < len(LOOKS) else 100 * 365 * DAY


class PullsAtEachEvent(QueueReceiver):
    """Pulls before it answers, and answers 503 when that fails. It never fetches single records."""

    PULLER = EventPuller
    TIME = 1.5

    def on_event(self, event):
        if not (event.kind in self.KNOWN and event.sync and event.user):
            return 200, "ok"
        self.enqueue(event)
        deadline = time.monotonic() + self.TIME
        lock = self.puller.lock(event.sync)
        if not lock.acquire(timeout=self.TIME):
            return 503, "the sync is being pulled"
        try:
            self.puller.pull(event.sync, event.user, self.TIME, deadline)
        except Refused:
            return 200, "there is no such sync for this user"
        except Unavailable as error:
            return 503, str(error)
        finally:
            lock.release()
        return 200, "ok"

    def delay(self):
        return LOOKS[0]


class BatchPuller(QueuePuller):
    EVERY = 3

    def run(self):
        under_way = {}
        while True:
            time.sleep(self.EVERY)
            for work in self.store.due_work():
                key = (work.sync, work.user)
                # Unfinished work of the batch before, which still waits for the Sync API, does not hold up this batch.
                if key not in under_way or under_way[key].done():
                    under_way[key] = self.workers.submit(self.work, work)


class Batches(QueueReceiver):
    """Answers 202. Every three seconds it handles everything that is due."""

    PULLER = BatchPuller

    def on_event(self, event):
        super().on_event(event)
        return 202, "accepted"


class PollStore(FullPullStore):
    def add_work(self, sync, user, delay=0):
        """Notes that there is such a sync. Nothing becomes due sooner because of an event."""
        with self.transaction() as db:
            db.execute("INSERT INTO work VALUES (?, ?, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING", [sync, user])
            db.execute("UPDATE work SET events = events + 1, refusals = 0 WHERE sync = ?", [sync])


class Poller(BatchPuller):
    EVERY = 5

    def pause_after(self, work):
        return 0


class Polls(QueueReceiver):
    """Pulls all known syncs every five seconds. An event only tells that there is such a sync."""

    STORE, PULLER = PollStore, Poller


class OneByOne(QueuePuller):
    """One worker for everything. Work that fails goes to the back of the queue."""

    LONGEST_CALL = 10

    def __init__(self, store, api):
        super().__init__(store, api)
        self.workers = ThreadPoolExecutor(1)

    def look(self, work, timeout):
        super().look(work, min(timeout, self.LONGEST_CALL))


class OneWorker(QueueReceiver):
    PULLER = OneByOne


class EveryHalfMinute(FetchPuller):
    """Makes no additional pulls after an event: the next round finds what the event did not bring."""

    EVERY = 30

    def pause_after(self, work):
        return self.EVERY


class Reconciles(FetchReceiver):
    PULLER = EveryHalfMinute

    # Seconds between the event and the pull of its sync.
    BACKGROUND = EveryHalfMinute.EVERY


class Breaker(FetchReceiver):
    """After a failed call it answers 503 to every event for three seconds."""

    PAUSE = 3
    closed_at = 0.0

    def handle(self, body):
        if time.monotonic() < self.closed_at:
            return 503, "the breaker is open"
        return super().handle(body)

    def on_api_failed(self):
        self.closed_at = time.monotonic() + self.PAUSE
        return super().on_api_failed()


class WarmsUp(QueueReceiver):
    """Answers 503 to every event for the first two seconds."""

    PAUSE = 2

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.ready_at = time.monotonic() + self.PAUSE

    def handle(self, body):
        return super().handle(body) if time.monotonic() >= self.ready_at else (503, "starting")


class PatientPuller(QueuePuller):
    """Waits 60 s for each call, and 1, 2, 4, 8, 16 s between calls that fail."""

    def look(self, work, timeout):
        super().look(work, 60)

    def failed(self, work, error):
        pause = max(jitter(min(2**work.failures, 16)), getattr(error, "again_in", 0))
        print(f"{error}, again in {pause:.1f} s", file=sys.stderr)
        self.store.put_off(work, pause, work.looks, min(work.failures + 1, 20), work.refusals)


class Patient(QueueReceiver):
    PULLER = PatientPuller


class LimitedApi(SyncApi):
    """Makes at most five calls a second, for all users together."""

    PER_SECOND = 5

    def __init__(self, url, tokens):
        super().__init__(url, tokens)
        self.next, self.next_lock = 0, threading.Lock()

    def call(self, path, token, deadline):
        with self.next_lock:
            turn = max(self.next, time.monotonic())
            self.next = turn + 1 / self.PER_SECOND
        pause = max(0, turn - time.monotonic())
        time.sleep(pause)
        # Waiting for its turn does not count as waiting for the response.
        return super().call(path, token, deadline + pause)


class FreshFirst(QueuePuller):
    """Calls are scarce: pulls for events go before repeated pulls, and repeated pulls are rare."""

    AT_ONCE = 3
    LOOKS, IDLE = [1, 10], 600

    def run(self):
        while True:
            self.something.clear()
            busy = set(self.busy)
            for work in sorted(self.store.due_work(), key=lambda work: work.looks > 0):
                if len(self.busy) < self.AT_ONCE and work.sync not in busy | self.busy:
                    self.busy.add(work.sync)
                    self.workers.submit(self.work, work)
            self.something.wait(self.pause_until_due())

    def pause_after(self, work):
        return self.LOOKS[work.looks] if work.looks < len(self.LOOKS) else self.IDLE


class RateLimited(QueueReceiver):
    API, PULLER = LimitedApi, FreshFirst


# What is stored.


class NewestWinsStore(FullPullStore):
    """An older `updatedAt` never replaces a newer one."""

    def put(self, sync, record):
        held = self.held(sync, record["id"])
        if held is None or self.replaces(instant(record.get("updatedAt")), instant(held.get("updatedAt"))):
            super().put(sync, record)
        else:
            # The record is still there, although this version of it is not taken.
            super().put(sync, held)

    def replaces(self, new, old):
        return new is None or old is None or new >= old


class OnlyNewerStore(NewestWinsStore):
    """Only a newer `updatedAt` replaces what is held. Records without a time are always replaced."""

    def replaces(self, new, old):
        return new is None or old is None or new > old


def instant(value):
    """Parses a time of the Sync API: a date-time, or milliseconds since 1970 in older revisions. None if there is none."""
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value / 1000, UTC)
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return at if at.tzinfo else None


class NewestWins(QueueReceiver):
    STORE = NewestWinsStore


class OnlyNewer(QueueReceiver):
    STORE = OnlyNewerStore


class SoftDeletesStore(FullPullStore):
    """Rows of deleted records stay in the table, with the time of the deletion."""

    def __init__(self, path):
        super().__init__(path)
        if not any(column[1] == "deleted_at" for column in self.db.execute("PRAGMA table_info(records)")):
            self.db.execute("ALTER TABLE records ADD COLUMN deleted_at TEXT")

    def put(self, sync, record):
        # `FullPullStore.put` notes that the record was found; its row has one column less than this table.
        self.db.execute(
            "INSERT INTO records VALUES (?, ?, ?, NULL)"
            " ON CONFLICT DO UPDATE SET body = excluded.body, deleted_at = NULL",
            [sync, record["id"], json.dumps(record)],
        )
        self.was_found(sync, record["id"])

    def remove(self, sync, record_id):
        self.db.execute(
            "UPDATE records SET deleted_at = ? WHERE sync = ? AND record = ? AND deleted_at IS NULL",
            [datetime.now(UTC).isoformat(), sync, record_id],
        )

    def held(self, sync, record_id):
        query = "SELECT body FROM records WHERE sync = ? AND record = ? AND deleted_at IS NULL"
        row = self.one(query, sync, record_id)
        return row and json.loads(row[0])

    def state(self):
        query = "SELECT sync, record, body FROM records WHERE deleted_at IS NULL"
        with self.lock:
            rows = self.db.execute(query).fetchall()
        records = [{"syncInstanceId": sync, "recordId": id, "record": json.loads(body)} for sync, id, body in rows]
        return json.dumps({"records": records})


class SoftDeletes(QueueReceiver):
    STORE = SoftDeletesStore


def is_folder(record):
    """Returns whether a record is a folder: Google has a type for folders, and SharePoint has an empty type."""
    kind = record.get("mimeType", record.get("mime_type"))
    return isinstance(kind, str) and (kind == "" or kind.endswith("folder") or kind == "inode/directory")


class NoFoldersStore(FullPullStore):
    def put(self, sync, record):
        if is_folder(record):
            # The record may have been stored as a file before.
            self.remove(sync, record["id"])
        else:
            super().put(sync, record)


class NoFolders(QueueReceiver):
    STORE = NoFoldersStore


def has_content(record):
    """Returns whether a record is a file with a content of its own, which a download returns unchanged."""
    kind = record.get("mimeType", record.get("mime_type"))
    return not is_folder(record) and not kind.startswith("application/vnd.google-apps.") and record["size"] != 0


class OnlyContentStore(FullPullStore):
    def put(self, sync, record):
        if has_content(record):
            super().put(sync, record)
        else:
            # The record may have been stored before, when it had a content.
            self.remove(sync, record["id"])


class OnlyContent(QueueReceiver):
    STORE = OnlyContentStore


class OnlyNamesStore(FullPullStore):
    """Stores names. Each row has columns `createdAt` and `updatedAt`, which say when the row was written."""

    def put(self, sync, record):
        now = datetime.now(UTC).isoformat()
        created = (self.held(sync, record["id"]) or {}).get("createdAt", now)
        super().put(sync, {"id": record["id"], "name": record["name"], "createdAt": created, "updatedAt": now})


class OnlyNames(QueueReceiver):
    STORE = OnlyNamesStore


class ContentStore(FullPullStore):
    """Stores the contents of files too. A row whose body is null has not been downloaded yet."""

    TABLE = """
    CREATE TABLE IF NOT EXISTS contents (
        sync TEXT, record TEXT, body BLOB, due REAL NOT NULL, failures INTEGER NOT NULL, PRIMARY KEY (sync, record)
    )"""

    def __init__(self, path):
        super().__init__(path)
        self.db.execute(self.TABLE)
        self.db.execute("UPDATE contents SET due = 0")

    def put(self, sync, record):
        changed = self.held(sync, record["id"]) != record
        super().put(sync, record)
        if changed and "mimeType" in record and not is_folder(record):
            self.db.execute("REPLACE INTO contents VALUES (?, ?, NULL, 0, 0)", [sync, record["id"]])

    def remove(self, sync, record_id):
        super().remove(sync, record_id)
        self.db.execute("DELETE FROM contents WHERE sync = ? AND record = ?", [sync, record_id])

    def next_download(self, seconds):
        """Takes a file to download from the queue. The file is not handed out again for `seconds` seconds."""
        with self.transaction() as db:
            row = self.one(
                "SELECT contents.sync, record, failures, user FROM contents JOIN syncs ON syncs.sync = contents.sync"
                " WHERE contents.body IS NULL AND due <= ? ORDER BY due LIMIT 1",
                time.time(),
            )
            if row:
                due = time.time() + seconds
                db.execute("UPDATE contents SET due = ? WHERE sync = ? AND record = ?", [due, *row[:2]])
            return row

    def downloaded(self, sync, record_id, record, body):
        with self.transaction() as db:
            # If the record has changed meanwhile, its content is downloaded again.
            if self.held(sync, record_id) == record:
                db.execute("UPDATE contents SET body = ? WHERE sync = ? AND record = ?", [body, sync, record_id])
                self.told = None

    def download_later(self, sync, record_id, failures, pause):
        with self.transaction() as db:
            db.execute(
                "UPDATE contents SET due = ?, failures = ? WHERE sync = ? AND record = ?",
                [time.time() + pause, failures, sync, record_id],
            )

    def state(self):
        with self.lock:
            if self.told is None:
                records = json.loads(super().state())["records"]
                rows = self.db.execute("SELECT sync, record, body FROM contents WHERE body NOTNULL")
                contents = {
                    (sync, record): {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
                    for sync, record, body in rows
                }
                for held in records:
                    held["content"] = contents.get((held["syncInstanceId"], held["recordId"]))
                self.told = json.dumps({"records": records})
            return self.told


class ContentApi(SyncApi):
    def content(self, sync, user, record_id, deadline):
        """Returns the bytes of a file."""
        return self.fetch(f"/api/syncs/{quoted(sync)}/records/{quoted(record_id)}/content", user, deadline)


class ContentPuller(QueuePuller):
    DOWNLOADS, TIMEOUT = 2, 30
    FIRST_PAUSE, LONGEST_PAUSE = 0.5, 600

    def start(self):
        super().start()
        for _ in range(self.DOWNLOADS):
            threading.Thread(target=self.download_all, daemon=True).start()

    def download_all(self):
        while True:
            row = self.store.next_download(2 * self.TIMEOUT)
            if row:
                self.download(*row)
            else:
                time.sleep(0.2)

    def download(self, sync, record_id, failures, user):
        record = self.store.held(sync, record_id)
        try:
            body = self.api.content(sync, user, record_id, time.monotonic() + self.TIMEOUT)
            self.store.downloaded(sync, record_id, record, body)
        except Exception as error:
            # Also retries after a 404: only the feed says that a record is deleted.
            pause = jitter(min(self.FIRST_PAUSE * 2**failures, self.LONGEST_PAUSE))
            print(f"{error}, again in {pause:.1f} s", file=sys.stderr)
            pause = max(pause, getattr(error, "again_in", 0))
            self.store.download_later(sync, record_id, min(failures + 1, 20), pause)


class Contents(QueueReceiver):
    """Downloads the contents of files, and stores them beside the records."""

    STORE, API, PULLER = ContentStore, ContentApi, ContentPuller


# How it tells what it holds.


class Tells(QueueReceiver):
    """Returns values in the form in which its database would return them. The held data is the same."""

    INSTANTS = None
    CAPITAL_IDS = TEXT_NUMBERS = False

    def state(self):
        return json.dumps({"records": [self.tell(held) for held in json.loads(super().state())["records"]]})

    def tell(self, held):
        record = {member: self.value(member, value) for member, value in held["record"].items()}
        sync, record_id = held["syncInstanceId"], held["recordId"]
        if self.CAPITAL_IDS:
            sync, record_id, record["id"] = sync.upper(), record_id.upper(), record["id"].upper()
        return {"syncInstanceId": sync, "recordId": record_id, "record": record}

    def value(self, member, value):
        if self.INSTANTS and member.endswith("At") and (at := instant(value)):
            return at.astimezone(UTC).isoformat(timespec=self.INSTANTS)
        if self.TEXT_NUMBERS and type(value) is int:
            return str(value)
        return value


class Instants(Tells):
    INSTANTS = "auto"


class WholeSeconds(Tells):
    INSTANTS = "seconds"


class CapitalIds(Tells):
    CAPITAL_IDS = True


class TextNumbers(Tells):
    TEXT_NUMBERS = True


class DatabaseDriver(Tells):
    INSTANTS, CAPITAL_IDS, TEXT_NUMBERS = "seconds", True, True


# How it speaks HTTP.


class ClosesSilentlyHandler(Handler):
    """Closes each connection after the answer, without a header that says so."""

    def answer(self, status, body):
        self.close_connection = False
        super().answer(status, body)
        self.close_connection = True


class ClosesSilently(QueueReceiver):
    HANDLER = ClosesSilentlyHandler


class Http10Handler(Handler):
    protocol_version = "HTTP/1.0"


class Http10(QueueReceiver):
    HANDLER = Http10Handler


class PrefixHandler(Handler):
    """Is behind a gateway that passes the whole path on."""

    PATHS = {"/app/hooks/paragon": "/webhook", "/app/internal/state": "/state"}

    def parse_request(self):
        parsed = super().parse_request()
        if parsed:
            self.path = self.PATHS.get(self.path.partition("?")[0], "/elsewhere")
        return parsed


class Prefix(QueueReceiver):
    HANDLER = PrefixHandler


class OneSyncHandler(Handler):
    """Lists the records of the sync that the query names."""

    def do_GET(self):
        match parse_qs(urlsplit(self.path).query).get("sync"):
            case [sync]:
                records = json.loads(self.server.receiver.state())["records"]
                self.answer(200, json.dumps({"records": [held for held in records if held["syncInstanceId"] == sync]}))
            case _:
                self.answer(400, json.dumps({"error": "name one sync"}))


class OneSync(QueueReceiver):
    HANDLER = OneSyncHandler


class SlowHandler(Handler):
    def answer(self, status, body):
        time.sleep(0.3)
        super().answer(status, body)


class SlowApi(SyncApi):
    def call(self, path, token, deadline):
        time.sleep(0.3)
        return super().call(path, token, deadline)


class Slow(QueueReceiver):
    """Takes 300 ms longer for each response, each call and each look at the state."""

    API, HANDLER = SlowApi, SlowHandler


class FreshEvents(QueueReceiver):
    """Refuses events that are an hour old, as a guard against replays. The sync is pulled all the same."""

    OLDEST = 3600

    def on_event(self, event):
        answer = super().on_event(event)
        data = event.members.get("data")
        synced_at = instant(data.get("syncedAt", data.get("synced_at"))) if isinstance(data, dict) else None
        if synced_at and abs(synced_at.timestamp() - time.time()) > self.OLDEST:
            return 400, "the event is too old, or from the future"
        return answer


class KnowsUsers(QueueReceiver):
    """Ignores events of users that it does not know. USERS_FILE has one user on each line."""

    def on_event(self, event):
        if event.user and event.user not in self.users():
            return 200, "not one of ours"
        return super().on_event(event)

    def users(self):
        try:
            with open(os.environ["USERS_FILE"]) as file:
                return set(file.read().split())
        except FileNotFoundError:
            return set()


class InProductionHandler(Handler):
    """Demands an API key in every request. `POST /syncs` registers the user of a sync."""

    def parse_request(self):
        if not super().parse_request():
            return False
        if self.headers.get("X-Api-Key") == os.environ["API_KEY"]:
            return True
        self.close_connection = True
        self.answer(401, json.dumps({"result": "sign in"}))
        return False

    def do_POST(self):
        if self.path != "/syncs":
            return super().do_POST()
        user = json.loads(self.body())["user"]
        self.server.receiver.store.add_user(user)
        self.answer(201, "{}")


class InProductionStore(NoFoldersStore):
    """Has a table of users too."""

    def __init__(self, path):
        super().__init__(path)
        self.db.execute("CREATE TABLE IF NOT EXISTS users (user TEXT PRIMARY KEY)")

    def add_user(self, user):
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO users VALUES (?)", [user])

    def knows(self, user):
        return self.one("SELECT 1 FROM users WHERE user = ?", user) is not None


class InProduction(QueueReceiver):
    """Has users of its own and an API key, and keeps no folders."""

    STORE, HANDLER = InProductionStore, InProductionHandler

    def on_event(self, event):
        if event.user and not self.store.knows(event.user):
            return 404, "there is no such user"
        return super().on_event(event)


class EmptyBodyIsPing(QueueReceiver):
    """Takes an empty body for a check of the URL, and answers 200."""

    def handle(self, body):
        return super().handle(body) if body.strip() else (200, "webhook endpoint active")


STYLES = {
    "batches": Batches,
    "breaker": Breaker,
    "capital-ids": CapitalIds,
    "closes-silently": ClosesSilently,
    "contents": Contents,
    "database-driver": DatabaseDriver,
    "empty-body-is-ping": EmptyBodyIsPing,
    "fetches": FetchReceiver,
    "fresh-events": FreshEvents,
    "http-1.0": Http10,
    "in-production": InProduction,
    "instants": Instants,
    "knows-users": KnowsUsers,
    "newest-wins": NewestWins,
    "no-folders": NoFolders,
    "one-sync": OneSync,
    "one-worker": OneWorker,
    "only-content": OnlyContent,
    "only-names": OnlyNames,
    "only-newer": OnlyNewer,
    "patient": Patient,
    "polls": Polls,
    "prefix": Prefix,
    "pulls-at-each-event": PullsAtEachEvent,
    "queue": QueueReceiver,
    "rate-limited": RateLimited,
    "reconciles": Reconciles,
    "slow": Slow,
    "soft-deletes": SoftDeletes,
    "text-numbers": TextNumbers,
    "warms-up": WarmsUp,
    "whole-seconds": WholeSeconds,
}

if __name__ == "__main__":
    serve_chosen(STYLES, "right.py STYLE")
