"""A correct receiver of the style "fetch each record, before answering", with the standard library only.

    PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… python3 receiver.py

An event about a record makes it fetch that record; 404 means that there is none any more. When the Sync API fails it
answers 503, and Paragon sends the event again.
"""

import json
import os
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from user_token import UserTokens


class ApiFailed(Exception):
    """The Sync API could not be asked."""


class Receiver:
    def __init__(self, environment=os.environ):
        self.api_url = environment["PARAGON_API_URL"]
        self.tokens = UserTokens(environment["PARAGON_SIGNING_KEY"], environment["PARAGON_PROJECT_ID"])
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.records = {}
        self.lock = threading.Lock()

    def handle(self, body):
        """Takes the body of a webhook; answers a status and a word."""
        try:
            event = json.loads(body)
        except ValueError:
            return self.on_malformed()
        if not isinstance(event, dict):
            return 400, "expected an object"
        try:
            return self.on_event(event)
        except ApiFailed as error:
            print(f"cannot fetch: {error}", file=sys.stderr)
            return self.on_api_failed()

    def on_event(self, event):
        sync, user = event.get("syncInstanceId"), (event.get("user") or {}).get("id")
        data = event.get("data") or {}
        match event.get("event"):
            case "sync_complete":
                self.on_sync_complete(sync, user)
            case "record_created":
                self.on_record_created(sync, user, data["recordId"])
            case "record_updated":
                self.on_record_updated(sync, user, data["recordId"])
            case "record_deleted":
                self.on_record_deleted(sync, data["recordId"])
        return 200, "ok"

    def on_malformed(self):
        return 400, "expected JSON"

    def on_api_failed(self):
        return 503, "try again"

    def on_sync_complete(self, sync, user):
        cursor = None
        while True:
            query = {"pageSize": 100} | ({"cursor": cursor} if cursor else {})
            page = self.get(f"/api/syncs/{sync}/records?{urllib.parse.urlencode(query)}", user)
            for record in page["data"]:
                self.take(sync, record)
            cursor = page["paging"]["cursor"]
            if not page["data"] or page["paging"]["remainingRecords"] <= 0:
                return

    def take(self, sync, record):
        """A record that was pulled; of a deleted one only the ids are left."""
        if record.get("deleted") or "name" not in record:
            self.remove(sync, record["id"])
        else:
            self.store(sync, record["id"], record)

    def on_record_created(self, sync, user, record_id):
        self.on_record_changed(sync, user, record_id)

    def on_record_updated(self, sync, user, record_id):
        self.on_record_changed(sync, user, record_id)

    def on_record_changed(self, sync, user, record_id):
        answer = self.get(f"/api/syncs/{sync}/records/{record_id}", user)
        if answer is None:
            self.remove(sync, record_id)
        else:
            self.store(sync, record_id, answer["data"])

    def on_record_deleted(self, sync, record_id):
        self.remove(sync, record_id)

    def store(self, sync, record_id, record):
        with self.lock:
            self.records[sync, record_id] = [record]

    def remove(self, sync, record_id):
        with self.lock:
            self.records.pop((sync, record_id), None)

    def get(self, path, user):
        """What the Sync API answers; None for 404."""
        request = urllib.request.Request(self.api_url + path)
        request.add_header("Authorization", f"Bearer {self.tokens.of(user)}")
        try:
            with self.opener.open(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise ApiFailed(f"{path}: {error}") from error
        except (OSError, ValueError) as error:
            raise ApiFailed(f"{path}: {error}") from error

    def state(self):
        """What it holds: for each record a list of rows, of which there should be one."""
        with self.lock:
            rows = [(key, row) for key, copies in self.records.items() for row in copies]
        return {"records": [{"syncInstanceId": key[0], "recordId": key[1], "record": row} for key, row in rows]}


def serve(receiver):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: small writes would wait for one another.
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/webhook":
                status, word = receiver.handle(body)
                self.answer(status, {"result": word})
            else:
                self.answer(404, {})

        def do_GET(self):
            if self.path == "/state":
                self.answer(200, receiver.state())
            else:
                self.answer(404, {})

        def answer(self, status, body):
            body = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    ThreadingHTTPServer.request_queue_size = 64
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    serve(Receiver())
