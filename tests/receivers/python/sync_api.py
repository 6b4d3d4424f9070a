"""Reads from the Sync API: with timeouts, with a new token after a 401, and with pauses that follow `Retry-After`."""

import email.utils
import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass

PAGE_SIZE = 100


class Unavailable(Exception):
    """The call failed; a retry may succeed, but not before `again_in` seconds."""

    def __init__(self, message, again_in=0):
        super().__init__(message)
        self.again_in = again_in


class Refused(Exception):
    """The Sync API refused the call; a retry will not help."""


class NotFound(Refused):
    """There is no such sync or record, or this user has no access."""


@dataclass
class Page:
    records: list
    cursor: str | None
    remaining: int


class SyncApi:
    def __init__(self, url, tokens):
        self.url = urllib.parse.urlsplit(url)
        self.tokens = tokens
        self.resting = {}

    def page(self, sync, user, cursor, deadline):
        """Returns the page of changed records after a cursor."""
        query = urllib.parse.urlencode({"pageSize": PAGE_SIZE} | ({"cursor": cursor} if cursor else {}))
        answer = self.get(f"/api/syncs/{quoted(sync)}/records?{query}", user, deadline)
        try:
            return Page(answer["data"], answer["paging"]["cursor"], answer["paging"]["remainingRecords"])
        except (KeyError, TypeError) as error:
            raise Unavailable(f"this is no page: {str(answer)[:200]}") from error

    def record(self, sync, user, record_id, deadline):
        """Returns the latest version of a record. `NotFound` may mean the record, the sync, or another user's sync."""
        answer = self.get(f"/api/syncs/{quoted(sync)}/records/{quoted(record_id)}", user, deadline)
        try:
            return answer["data"]
        except (KeyError, TypeError) as error:
            raise Unavailable(f"this is no record: {str(answer)[:200]}") from error

    def get(self, path, user, deadline):
        body = self.fetch(path, user, deadline)
        try:
            return json.loads(body)
        except ValueError as error:
            raise Unavailable(f"{path}: the answer is no JSON: {error}") from error

    def fetch(self, path, user, deadline):
        """Returns the body of a 200."""
        rest = self.resting.get(user, 0) - time.monotonic()
        if rest > 0:
            raise Unavailable(f"{path}: not to be asked for {rest:.1f} s", rest)
        token = self.tokens.of(user)
        status, headers, body = self.call(path, token, deadline)
        if status == 401:
            # A token that seemed valid was refused: the clock is off, or the token was revoked. Retries once.
            status, headers, body = self.call(path, self.tokens.instead_of(token, user), deadline)
        if status == 200:
            return body
        if status in (404, 410):
            raise NotFound(f"{path}: {status}")
        if status in (400, 403):
            raise Refused(f"{path}: {status}")
        rest = retry_after(headers)
        if rest > 0:
            self.resting[user] = time.monotonic() + rest
        raise Unavailable(f"{path}: {status}", rest)

    def call(self, path, token, deadline):
        secure = self.url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self.url.hostname, self.url.port, timeout=left(deadline))
        try:
            connection.connect()
            socket = connection.sock
            connection.request("GET", self.url.path.rstrip("/") + path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            parts = []
            while True:
                # The timeout of the socket applies to each read; many short reads must not take for ever either.
                socket.settimeout(left(deadline))
                part = answer.read1(65536)
                if not part:
                    return answer.status, answer.headers, b"".join(parts)
                parts.append(part)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{path}: {error or type(error).__name__}") from error
        finally:
            connection.close()


def quoted(part):
    return urllib.parse.quote(part, safe="")


def left(deadline):
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise Unavailable("no time is left")
    return seconds


def retry_after(headers):
    """Returns the seconds of a `Retry-After` header, which has seconds or a date."""
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return int(value)
    try:
        return max(0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0
