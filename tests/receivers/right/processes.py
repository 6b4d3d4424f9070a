"""Receivers of several processes that share one SQLite file.

    python3 processes.py four          four processes accept connections at the same port
    python3 processes.py per-request   each request has a process of its own; one more process retries

Threads exclude each other by locks in memory. Processes need locks that the system releases when a process is killed:
here `flock`, on one file for each group of syncs.
"""

import fcntl
import hashlib
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from http.server import HTTPServer
from socketserver import ForkingMixIn, ThreadingMixIn

# First: this module makes the modules in ../python importable.
from full_pull import FullPullStore, QueuePuller, QueueReceiver

# isort: split
from puller import jitter
from store import state_file
from sync_api import Refused, SyncApi, Unavailable
from user_token import UserTokens
from webhook import Handler

GROUPS = 64


class SyncLock:
    """Excludes all other threads and processes from a group of syncs."""

    def __init__(self, path, sync):
        group = int(hashlib.sha256(sync.encode()).hexdigest(), 16) % GROUPS
        self.path = f"{path}.lock-{group:02}"
        self.file = None

    def acquire(self, timeout=-1):
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if timeout < 0 else fcntl.LOCK_NB))
                self.file = file
                return True
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(file)
                    return False
                time.sleep(0.01)

    def release(self):
        os.close(self.file)

    def __enter__(self):
        self.acquire()

    def __exit__(self, *_):
        self.release()


class SharedStore(FullPullStore):
    """Opens a file that `create` has made: only the start of the whole receiver makes all work due."""

    RESTING = "CREATE TABLE IF NOT EXISTS resting (user TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID"

    @classmethod
    def create(cls, path):
        store = FullPullStore(path)
        store.db.execute(cls.RESTING)
        store.close()

    def __init__(self, path):
        self.path = path
        self.lock = threading.RLock()
        self.db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.told = None

    def state(self):
        # Another process may have changed something.
        self.told = None
        return super().state()

    def is_due(self, work):
        query = "SELECT 1 FROM work WHERE sync = ? AND user = ? AND due <= ?"
        return self.one(query, work.sync, work.user, time.time()) is not None


class Resting:
    """The time until which the Sync API must not be called for a user. All processes respect it."""

    def __init__(self, store):
        self.store = store

    def get(self, user, default):
        row = self.store.one("SELECT until - ? FROM resting WHERE user = ?", time.time(), user)
        return time.monotonic() + row[0] if row else default

    def __setitem__(self, user, until):
        with self.store.transaction() as db:
            db.execute("REPLACE INTO resting VALUES (?, ?)", [user, time.time() + until - time.monotonic()])


class SharedPuller(QueuePuller):
    """Takes work that no other process is doing. Looks four times a second for work that others have stored."""

    def __init__(self, store, api):
        super().__init__(store, api)
        api.resting = Resting(store)

    def lock(self, sync):
        return SyncLock(self.store.path, sync)

    def pause_until_due(self):
        return min(super().pause_until_due() or 0.25, 0.25)

    def work(self, work):
        lock = self.lock(work.sync)
        try:
            if lock.acquire(timeout=0):
                try:
                    # Another process may have done this since the row was read.
                    if self.store.is_due(work):
                        self.attempt(work)
                finally:
                    lock.release()
            else:
                time.sleep(0.05)
        finally:
            self.busy.discard(work.sync)
            self.wake()

    def attempt(self, work):
        try:
            self.look(work, timeout=min(2 * 2**work.failures, 30))
            self.store.put_off(work, jitter(self.pause_after(work)), looks=work.looks + 1)
        except Refused as error:
            self.refused(work, error)
        except Exception as error:
            self.failed(work, error)


class SharedReceiver(QueueReceiver):
    STORE, PULLER = SharedStore, SharedPuller


class Listening:
    """An HTTP server on a socket that already listens."""

    daemon_threads = True

    def __init__(self, listener, handler, receiver):
        HTTPServer.__init__(self, listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.receiver = receiver

    def handle_error(self, *_):
        # A closed connection is not worth a log entry.
        pass


class ThreadingServer(Listening, ThreadingMixIn, HTTPServer):
    pass


class ForkingServer(Listening, ForkingMixIn, HTTPServer):
    max_children = 64
    block_on_close = False


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 10
    while True:
        try:
            listener.bind(("127.0.0.1", int(os.environ["PORT"])))
            listener.listen(256)
            return listener
        except OSError:
            # Processes of a receiver that was killed a moment ago may still be ending.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def child(work):
    """Runs a function in a process of its own, which ends when this process ends, however it ends."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(read)
        CHILDREN[pid] = write
        return pid
    try:
        os.close(write)
        # Only the parent keeps these pipes open: their ends tell its children that it has ended.
        for other in CHILDREN.values():
            os.close(other)
        CHILDREN.clear()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        threading.Thread(target=end_with, args=[read], daemon=True).start()
        work()
    finally:
        os._exit(1)


CHILDREN = {}


def end_with(pipe):
    os.read(pipe, 1)
    os._exit(0)


def keep_alive(works):
    """Runs each function in a process of its own, and starts each process again when it ends."""

    def end(*_):
        for pid in CHILDREN:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    running = {child(work): work for work in works}
    while True:
        pid, _ = os.wait()
        if work := running.pop(pid, None):
            os.close(CHILDREN.pop(pid))
            time.sleep(0.1)
            running[child(work)] = work


def four():
    path = state_file(os.environ, "four")
    os.environ["STATE_FILE"] = path
    SharedStore.create(path)
    listener = listen()
    keep_alive([lambda: ThreadingServer(listener, Handler, SharedReceiver()).serve_forever()] * 4)


class RequestHandler(Handler):
    """Answers one request, and ends."""

    def answer(self, status, body):
        self.close_connection = True
        super().answer(status, body)


class OneRequest(SharedReceiver):
    """Stores the event, and tries at once to pull its sync. The sweeper retries what fails."""

    TIME = 1

    def __init__(self):
        """Opens nothing: a connection to SQLite must not be used in a process that did not open it."""

    def open(self):
        self.store = self.STORE(os.environ["STATE_FILE"])

    def handle(self, body):
        self.open()
        return super().handle(body)

    def state(self):
        self.open()
        return super().state()

    def enqueue(self, event):
        with self.store.transaction():
            if event.kind == "sync_complete":
                self.store.want_full_pull(event.sync)
            self.store.add_work(event.sync, event.user)
        tokens = UserTokens(os.environ["PARAGON_SIGNING_KEY"], os.environ["PARAGON_PROJECT_ID"])
        puller = SharedPuller(self.store, SyncApi(os.environ["PARAGON_API_URL"], tokens))
        lock = puller.lock(event.sync)
        if lock.acquire(timeout=self.TIME):
            try:
                puller.pull(event.sync, event.user, self.TIME, time.monotonic() + self.TIME)
            except (Refused, Unavailable) as error:
                print(f"left to the sweeper: {error}", file=sys.stderr)
            finally:
                lock.release()


def per_request():
    path = state_file(os.environ, "per-request")
    os.environ["STATE_FILE"] = path
    SharedStore.create(path)
    listener = listen()
    accept = ForkingServer(listener, RequestHandler, OneRequest())
    keep_alive([accept.serve_forever, sweep])


def sweep():
    SharedReceiver()
    threading.Event().wait()


STYLES = {"four": four, "per-request": per_request}

if __name__ == "__main__":
    style = STYLES.get(" ".join(sys.argv[1:]))
    if style is None:
        sys.exit("usage: processes.py STYLE, one of:\n  " + "\n  ".join(STYLES))
    style()
