"""The HTTP server of the webhook, and the validation of the bodies."""

import json
import os
import signal
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST_BODY = 16 * 1024 * 1024


class Malformed(Exception):
    """The request cannot come from Paragon, now or later: 4xx."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


class Event:
    """An event. Only the members that are used must be valid; unknown members are accepted."""

    def __init__(self, body):
        try:
            # Deep nesting raises a RecursionError.
            members = json.loads(body.decode("utf-8"), parse_constant=reject)
        except (ValueError, RecursionError) as error:
            raise Malformed("expected JSON") from error
        if not isinstance(members, dict):
            raise Malformed("expected an object")
        self.members = members
        self.kind = text(members, "event")
        if self.kind is None:
            raise Malformed("expected a member `event`")
        self.sync = text(members, "syncInstanceId")
        self.user = text(members, "user", "id")
        self.record = text(members, "data", "recordId")


def text(members, *path):
    """Returns the text at a path; None if there is no text."""
    for name in path:
        members = members.get(name) if isinstance(members, dict) else None
    if members is None:
        return None
    if not isinstance(members, str) or any("\ud800" <= char <= "\udfff" or char == "\0" for char in members):
        raise Malformed(f"expected a text as {'.'.join(path)}")
    return members


def reject(constant):
    raise ValueError(f"{constant} is no JSON")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Sends head and body in one packet, because small writes would wait for one another.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60

    def do_POST(self):
        try:
            body = self.body()
            if self.path.partition("?")[0] != "/webhook":
                raise Malformed("no such path", 404)
            status, word = self.server.receiver.handle(body)
        except Malformed as error:
            self.close_connection = True
            status, word = error.status, str(error)
        except OSError:
            # The client is gone, so there is no response.
            self.close_connection = True
            return
        except Exception as error:
            print(f"unexpected: {error!r}", file=sys.stderr)
            status, word = 500, "failed"
        self.answer(status, json.dumps({"result": word}))

    def do_GET(self):
        if self.path.partition("?")[0] == "/state":
            self.answer(200, self.server.receiver.state())
        else:
            self.answer(404, "{}")

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self.chunks())
        return self.read(number(self.headers.get("Content-Length", "0"), 10))

    def chunks(self):
        total = 0
        while size := number(self.rfile.readline(1024).partition(b";")[0], 16):
            total += size
            if total > LARGEST_BODY:
                raise Malformed("too large", 413)
            yield self.read(size)
            self.rfile.readline(1024)
        while self.rfile.readline(65536).strip():
            # Skips the trailers.
            pass

    def read(self, size):
        if size > LARGEST_BODY:
            raise Malformed("too large", 413)
        body = self.rfile.read(size)
        if len(body) < size:
            raise ConnectionError("the body is cut")
        return body

    def answer(self, status, body):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        # A closed connection is not worth a log entry.
        pass


def serve(receiver, handler=Handler):
    """Serves a receiver until SIGTERM: `handle(body)` returns a status and a text, `state()` returns JSON.

    TLS_CERT and TLS_KEY name the files of a certificate and its key. With them, the server speaks TLS.
    """

    def end(*_):
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    server = Server(("127.0.0.1", int(os.environ["PORT"])), handler)
    if certificate := os.environ.get("TLS_CERT"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, os.environ["TLS_KEY"])
        # Each connection makes its handshake in its own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.receiver = receiver
    try:
        server.serve_forever()
    except (SystemExit, KeyboardInterrupt):
        receiver.close()
        # Ends without waiting for calls in progress.
        os._exit(0)


def serve_chosen(receivers, usage):
    """Serves the receiver that the command line names. If it names several, serves one receiver that is like all of them.
    Lists all receivers if it names none."""
    named = sys.argv[1:]
    chosen = [receivers.get(name) for name in ([" ".join(named)] if " ".join(named) in receivers else named)]
    if not all(chosen) or not chosen:
        sys.exit(f"usage: {usage}, one of:\n  " + "\n  ".join(receivers))
    receiver = chosen[0] if len(chosen) == 1 else type("Several", tuple(chosen), {})
    serve(receiver(), getattr(receiver, "HANDLER", Handler))


def number(digits, base):
    try:
        return int(digits, base)
    except ValueError:
        raise Malformed("expected a length") from None
