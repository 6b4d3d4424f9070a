// What must not be lost, in one SQLite file: what is to be pulled, how far each sync is pulled, and the records.

import Database from "libsql";

import type { SyncedRecord } from "./paragon.js";

const SCHEMA = `
-- The queue, and the cursors. A row for each sync and each user whom an event named for it.
CREATE TABLE IF NOT EXISTS pulls (
    syncId TEXT NOT NULL,
    userId TEXT NOT NULL,
    cursor TEXT,                            -- where the next pull goes on
    due INTEGER,                            -- when to pull, in ms since 1970; NULL while it is pulled
    running INTEGER NOT NULL DEFAULT 0,
    looks INTEGER NOT NULL DEFAULT 0,       -- how often it was pulled since the last event
    failures INTEGER NOT NULL DEFAULT 0,    -- how often in a row that failed
    PRIMARY KEY (syncId, userId)
);
CREATE INDEX IF NOT EXISTS pullsByDue ON pulls (due) WHERE NOT running;

-- In each sync a record has an id of its own. External ids are the same in several.
CREATE TABLE IF NOT EXISTS records (
    syncId TEXT NOT NULL,
    recordId TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (syncId, recordId)
);
`;

export interface Pull {
  syncId: string;
  userId: string;
  cursor: string | null;
  looks: number;
  failures: number;
}

export interface Held {
  syncInstanceId: string;
  recordId: string;
  record: unknown;
}

export class Store {
  readonly #db: Database.Database;

  constructor(path: string) {
    this.#db = new Database(path);
    this.#db.pragma("journal_mode = WAL");
    this.#db.exec(SCHEMA);
  }

  close(): void {
    this.#db.close();
  }

  // The queue. Each statement is a transaction.

  /** Makes a pull due now. One that fails is tried again anyway, and not sooner for more events. */
  enqueue(syncId: string, userId: string): void {
    // What is committed so outlives the machine too. What is lost of all else is done again.
    this.#db.pragma("synchronous = FULL");
    this.#run(
      `INSERT INTO pulls (syncId, userId, due) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET looks = 0,
       due = CASE WHEN failures > 0 AND NOT running THEN due ELSE excluded.due END`,
      [syncId, userId, Date.now()],
    );
    this.#db.pragma("synchronous = NORMAL");
  }

  /** At the start: what was under way when the process ended is due again. */
  recover(): void {
    this.#run("UPDATE pulls SET running = 0, looks = 0, due = ? WHERE running", [Date.now()]);
  }

  /** Takes what has been due for the longest time. */
  claim(): Pull | undefined {
    const [pull] = this.#all<Pull>(
      `UPDATE pulls SET running = 1, due = NULL
       WHERE rowid = (SELECT rowid FROM pulls WHERE NOT running AND due <= ? ORDER BY due LIMIT 1)
       RETURNING syncId, userId, cursor, looks, failures`,
      [Date.now()],
    );
    return pull;
  }

  nextDue(): number | null {
    const [row] = this.#all<{ due: number | null }>("SELECT min(due) AS due FROM pulls WHERE NOT running");
    return row?.due ?? null;
  }

  /** It worked: pull again then, or at once if an event has come meanwhile. */
  finish(pull: Pull, againIn: number): void {
    this.#run(
      `UPDATE pulls SET running = 0, failures = 0, looks = looks + (due IS NULL), due = coalesce(due, ?)
       WHERE syncId = ? AND userId = ?`,
      [Math.round(Date.now() + againIn), pull.syncId, pull.userId],
    );
  }

  /** It failed: try again then. */
  postpone(pull: Pull, againIn: number, { startOver = false } = {}): void {
    this.#run(
      `UPDATE pulls SET running = 0, failures = failures + 1, due = ?, cursor = iif(?, NULL, cursor)
       WHERE syncId = ? AND userId = ?`,
      [Math.round(Date.now() + againIn), Number(startOver), pull.syncId, pull.userId],
    );
  }

  /** Never again, unless an event has come meanwhile: that one gets its own tries. */
  forget(pull: Pull): void {
    const key = [pull.syncId, pull.userId];
    this.#run("DELETE FROM pulls WHERE syncId = ? AND userId = ? AND due IS NULL", key);
    this.#run("UPDATE pulls SET running = 0, failures = 0 WHERE syncId = ? AND userId = ?", key);
  }

  // The records.

  /** Page and cursor in one transaction: neither is there without the other, whenever the process ends. */
  takePage(pull: Pull, records: SyncedRecord[], cursor: string | null): void {
    const take = this.#db.transaction(() => {
      this.#run("UPDATE pulls SET cursor = ? WHERE syncId = ? AND userId = ?", [cursor, pull.syncId, pull.userId]);
      for (const record of records) {
        if (isTombstone(record)) {
          this.#run("DELETE FROM records WHERE syncId = ? AND recordId = ?", [pull.syncId, record.id]);
        } else {
          const row = [pull.syncId, record.id, JSON.stringify(record)];
          this.#run("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", row);
        }
      }
    });
    take();
  }

  records(): Held[] {
    const rows = this.#all<{ syncId: string; recordId: string; body: string }>("SELECT * FROM records");
    return rows.map(({ syncId, recordId, body }) => ({
      syncInstanceId: syncId,
      recordId,
      record: JSON.parse(body) as unknown,
    }));
  }

  #run(sql: string, parameters: unknown[] = []): void {
    this.#db.prepare(sql).run(parameters);
  }

  #all<Row>(sql: string, parameters: unknown[] = []): Row[] {
    return this.#db.prepare(sql).all(parameters) as Row[];
  }
}

/** Of a deleted record only the ids are left. */
function isTombstone(record: SyncedRecord): boolean {
  const { id, externalId, external_id, deleted, ...members } = record;
  return Boolean(deleted) || Object.keys(members).length === 0;
}
