"""A fake Paragon and the app, each as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

EXAMPLE = Path(__file__).parents[1]
PROGRAM = os.environ.get("PARAGON_TESTKIT", "paragon-testkit")
APP = [sys.executable, "-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--log-level", "warning"]
BOUND = 15


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition; for `BOUND` seconds at most."""
    until = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < until, f"not within {BOUND} s: {what}"
        time.sleep(0.02)


class Paragon:
    """The fake, through its admin API. Its clock stands still until a test moves it."""

    def __init__(self, webhook: str) -> None:
        options = ["--port", "0", "--speed", "0", "--ready-json", "--quiet", "--webhook", webhook]
        self.process = subprocess.Popen([PROGRAM, "serve", *options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.ready = json.loads(self.process.stdout.readline())
        self.http = httpx.Client(base_url=self.ready["adminUrl"], timeout=60)

    def admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.http.request(method, path, json=body or ({} if method == "POST" else None))
        assert answer.is_success, answer.text
        return answer.json()

    def connect(self, user: str) -> "Drive":
        account = self.admin("POST", "accounts", {"user": user, "integration": "googledrive"})
        return Drive(self, user, f"accounts/{account['credentialId']}/objects")

    def advance(self, by: str) -> list[dict[str, Any]]:
        """What happened meanwhile."""
        fired: list[dict[str, Any]] = self.admin("POST", "clock/advance", {"by": by})["fired"]
        return fired

    def calls(self) -> list[str]:
        return [entry["text"] for entry in self.admin("GET", "timeline")["data"] if entry["kind"] == "call"]

    def close(self) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=BOUND)
        finally:
            self.process.kill()


class Drive:
    """A user's account at Google Drive."""

    def __init__(self, paragon: Paragon, user: str, objects: str) -> None:
        self.paragon, self.user, self.objects = paragon, user, objects
        self.sync = ""

    def create(self, name: str) -> str:
        wanted = {"pipeline": "files", "object": {"name": name}}
        return str(self.paragon.admin("POST", self.objects, wanted)["externalId"])

    def rename(self, file: str, name: str) -> None:
        self.paragon.admin("PATCH", f"{self.objects}/{file}", {"name": name})

    def delete(self, file: str) -> None:
        self.paragon.admin("DELETE", f"{self.objects}/{file}")

    def enable(self) -> None:
        wanted = {"user": self.user, "integration": "googledrive", "pipeline": "files"}
        self.sync = self.paragon.admin("POST", "syncs", wanted)["id"]
        self.paragon.admin("POST", "clock/settle")


class App:
    def __init__(self, paragon: Paragon, port: int, database: Path) -> None:
        self.port = port
        self.environment = os.environ | {
            "PARAGON_API_URL": paragon.ready["apiUrl"],
            "PARAGON_PROJECT_ID": paragon.ready["projectId"],
            "PARAGON_SIGNING_KEY": paragon.ready["signingKey"],
            "DATABASE": str(database),
            "EXPOSE_STATE": "true",
        }
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([*APP, "--port", str(self.port)], cwd=EXAMPLE, env=self.environment)
        eventually(self.is_up, "the app is up")

    def is_up(self) -> bool:
        assert self.process and self.process.poll() is None, "the app has ended"
        try:
            return self.http.get("/state").is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def post(self, body: str | bytes | dict[str, Any]) -> int:
        content = json.dumps(body) if isinstance(body, dict) else body
        return self.http.post("/webhook", content=content).status_code

    def names(self, sync: str) -> list[str]:
        """Of the files that the app holds of a sync."""
        held = self.http.get("/state").json()["records"]
        return sorted(each["record"].get("name") or "" for each in held if each["syncInstanceId"] == sync)

    def holds(self, sync: str, *names: str) -> None:
        eventually(lambda: self.names(sync) == sorted(names), f"it holds {names}, but has {self.names(sync)}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
