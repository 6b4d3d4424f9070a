"""Drives `paragon-testkit serve` from Python, only through its admin API.

    cargo build && pytest tests/clients/python
"""

import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading
import types
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("PARAGON_TESTKIT", str(ROOT / "target/debug/paragon-testkit"))


class Receiver(http.server.BaseHTTPRequestHandler):
    """The app under test: it accepts and keeps events, or fails as often as the test asks."""

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.server.failing:
            self.server.events.append(event)
        self.send_response(500 if self.server.failing else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def app():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.events, server.failing = [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def paragon(app):
    webhook = f"http://127.0.0.1:{app.server_port}/webhook"
    options = ["--port", "0", "--speed", "0", "--source", "files=3", "--ready-json", "--quiet", "--webhook", webhook]
    serve = subprocess.Popen([PROGRAM, "serve", *options], stdout=subprocess.PIPE, text=True)
    ready = json.loads(serve.stdout.readline())

    def admin(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{ready['adminUrl']}/{path}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    yield types.SimpleNamespace(admin=admin, **ready)
    serve.send_signal(signal.SIGINT)
    assert "attempt" in serve.communicate()[0], "it ends with a summary"
    assert serve.returncode == 0


def test_a_failed_event_is_sent_again(app, paragon):
    app.failing = True
    (fired,) = [each for each in paragon.admin("POST", "clock/settle")["fired"] if each["kind"] == "attempt"]
    assert (fired["event"], fired["status"], fired["decision"]) == ("sync_complete", 500, "retry")
    app.failing = False
    paragon.admin("POST", "clock/idle")
    assert [event["event"] for event in app.events] == ["sync_complete"]
    assert app.events[0]["data"]["numRecords"] == 3


def test_a_fault_strikes_so_often(paragon):
    paragon.admin("POST", "clock/settle")
    busy = {"on": {"endpoint": "listSyncs"}, "what": {"status": {"code": 503}}, "when": {"next": 1}}
    paragon.admin("POST", "faults", busy)
    token = paragon.admin("POST", "tokens", {"user": "user_demo"})["token"]
    request = urllib.request.Request(f"{paragon.apiUrl}/api/syncs", headers={"authorization": f"Bearer {token}"})
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(request)
    with urllib.request.urlopen(request) as answer:
        assert len(json.load(answer)["data"]) == 1


def test_a_refusal_names_the_member(paragon):
    with pytest.raises(urllib.error.HTTPError) as refused:
        paragon.admin("POST", "accounts", {"user": 7, "integration": "box"})
    assert json.load(refused.value)["message"].startswith("/user: invalid type: integer `7`")
