"""What must not be lost, in one SQLite file: what is to be pulled, how far each sync is pulled, and the records."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiosqlite

SCHEMA = """
-- The queue, and the cursors. A row for each sync and each user whom an event named for it.
CREATE TABLE IF NOT EXISTS pulls (
    sync_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    cursor TEXT,                            -- where the next pull goes on
    due REAL,                               -- when to pull, in seconds since 1970; NULL while it is pulled
    running INTEGER NOT NULL DEFAULT 0,
    looks INTEGER NOT NULL DEFAULT 0,       -- how often it was pulled since the last event
    failures INTEGER NOT NULL DEFAULT 0,    -- how often in a row that failed
    PRIMARY KEY (sync_id, user_id)
);
CREATE INDEX IF NOT EXISTS pulls_by_due ON pulls (due) WHERE NOT running;

-- In each sync a record has an id of its own. External ids are the same in several.
CREATE TABLE IF NOT EXISTS records (
    sync_id TEXT NOT NULL,
    record_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (sync_id, record_id)
);
"""


@dataclass(frozen=True)
class Pull:
    sync_id: str
    user_id: str
    cursor: str | None
    looks: int
    failures: int


class Store:
    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        # One connection, so one transaction at a time.
        self._lock = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def open(cls, path: str) -> AsyncIterator[Self]:
        async with aiosqlite.connect(path) as db:
            await db.execute("PRAGMA journal_mode = WAL")
            await db.executescript(SCHEMA)
            yield cls(db)

    @asynccontextmanager
    async def _transaction(self, synchronous: str = "NORMAL") -> AsyncIterator[aiosqlite.Connection]:
        """What it commits outlives the process; with FULL also the machine. What is lost with that is done again."""
        async with self._lock:
            await self._db.execute(f"PRAGMA synchronous = {synchronous}")
            try:
                yield self._db
                await self._db.commit()
            except BaseException:
                await self._db.rollback()
                raise

    async def _rows(self, query: str) -> Iterable[Any]:
        async with self._lock:
            return await self._db.execute_fetchall(query)

    # The queue.

    async def enqueue(self, sync_id: str, user_id: str) -> None:
        """Makes a pull due now. One that fails is tried again anyway, and not sooner for more events."""
        async with self._transaction("FULL") as db:
            await db.execute(
                "INSERT INTO pulls (sync_id, user_id, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET looks = 0,"
                " due = CASE WHEN failures > 0 AND NOT running THEN due ELSE excluded.due END",
                [sync_id, user_id, time.time()],
            )

    async def recover(self) -> None:
        """At the start: what was under way when the process ended is due again."""
        async with self._transaction() as db:
            await db.execute("UPDATE pulls SET running = 0, looks = 0, due = ? WHERE running", [time.time()])

    async def claim(self) -> Pull | None:
        """Takes what has been due for the longest time."""
        async with self._transaction() as db:
            rows = await db.execute_fetchall(
                "UPDATE pulls SET running = 1, due = NULL WHERE rowid ="
                " (SELECT rowid FROM pulls WHERE NOT running AND due <= ? ORDER BY due LIMIT 1)"
                " RETURNING sync_id, user_id, cursor, looks, failures",
                [time.time()],
            )
        return next((Pull(*row) for row in rows), None)

    async def next_due(self) -> float | None:
        due: float | None
        [(due,)] = await self._rows("SELECT min(due) FROM pulls WHERE NOT running")
        return due

    async def finish(self, pull: Pull, again_in: float) -> None:
        """It worked: pull again then, or at once if an event has come meanwhile."""
        async with self._transaction() as db:
            await db.execute(
                "UPDATE pulls SET running = 0, failures = 0, looks = looks + (due IS NULL), due = coalesce(due, ?)"
                " WHERE sync_id = ? AND user_id = ?",
                [time.time() + again_in, pull.sync_id, pull.user_id],
            )

    async def postpone(self, pull: Pull, again_in: float, *, start_over: bool = False) -> None:
        """It failed: try again then."""
        async with self._transaction() as db:
            await db.execute(
                "UPDATE pulls SET running = 0, failures = failures + 1, due = ?, cursor = iif(?, NULL, cursor)"
                " WHERE sync_id = ? AND user_id = ?",
                [time.time() + again_in, start_over, pull.sync_id, pull.user_id],
            )

    async def forget(self, pull: Pull) -> None:
        """Never again, unless an event has come meanwhile: that one gets its own tries."""
        key = [pull.sync_id, pull.user_id]
        async with self._transaction() as db:
            await db.execute("DELETE FROM pulls WHERE sync_id = ? AND user_id = ? AND due IS NULL", key)
            await db.execute("UPDATE pulls SET running = 0, failures = 0 WHERE sync_id = ? AND user_id = ?", key)

    # The records.

    async def take_page(self, pull: Pull, records: list[dict[str, Any]], cursor: str | None) -> None:
        """Page and cursor in one transaction: neither is there without the other, whenever the process ends."""
        key = [pull.sync_id, pull.user_id]
        async with self._transaction() as db:
            await db.execute("UPDATE pulls SET cursor = ? WHERE sync_id = ? AND user_id = ?", [cursor, *key])
            for record in records:
                if is_tombstone(record):
                    await db.execute(
                        "DELETE FROM records WHERE sync_id = ? AND record_id = ?", [pull.sync_id, record["id"]]
                    )
                else:
                    await db.execute(
                        "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                        [pull.sync_id, record["id"], json.dumps(record)],
                    )

    async def records(self) -> list[tuple[str, str, Any]]:
        rows = await self._rows("SELECT sync_id, record_id, body FROM records")
        return [(sync_id, record_id, json.loads(body)) for sync_id, record_id, body in rows]


def is_tombstone(record: dict[str, Any]) -> bool:
    """Of a deleted record only the ids are left."""
    return bool(record.get("deleted")) or record.keys() <= {"id", "externalId", "external_id"}
