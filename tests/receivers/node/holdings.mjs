// The data that a receiver must not lose: the records, and the cursor, the owner and the named users of each sync.

import { createHash } from "node:crypto";
import { readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Journal } from "./journal.mjs";

export class Holdings {
  syncs = new Map();

  static async open(path) {
    const holdings = new this();
    await Journal.read(path, (entry) => holdings.apply(entry));
    holdings.journal = await Journal.begin(path, [...holdings.entries()]);
    return holdings;
  }

  sync(id) {
    if (!this.syncs.has(id))
      this.syncs.set(id, { id, owner: null, cursor: null, records: new Map(), users: new Set() });
    return this.syncs.get(id);
  }

  /** Resolves when the entry is stored safely. */
  async write(entry) {
    this.apply(entry);
    await this.journal.append(entry);
  }

  /** Stores that an event named this user for this sync. */
  async know(sync, user) {
    if (this.syncs.get(sync)?.users.has(user)) return this.known;
    // Another copy of the event must not get a response before this one is stored.
    this.known = this.write({ know: { sync, user } });
    return this.known;
  }

  async forget(sync, user) {
    await this.write({ forget: { sync, user } });
  }

  /** Stores the records and the cursor of a page together, so that neither is stored without the other. */
  async takePage(sync, user, records, cursor) {
    const { owner, cursor: before } = this.sync(sync);
    if (records.length > 0 || cursor !== before || user !== owner)
      await this.write({ page: { sync, user, records, cursor } });
  }

  async startOver(sync) {
    await this.write({ startOver: { sync } });
  }

  apply({ know, forget, page, startOver }) {
    if (know) this.sync(know.sync).users.add(know.user);
    if (startOver) this.sync(startOver.sync).cursor = null;
    if (forget) {
      const sync = this.sync(forget.sync);
      sync.users.delete(forget.user);
      if (sync.users.size === 0 && sync.owner === null) this.syncs.delete(sync.id);
    }
    if (page) {
      const sync = this.sync(page.sync);
      sync.owner = page.user;
      sync.cursor = page.cursor;
      sync.users.add(page.user);
      for (const record of page.records) this.take(sync.id, record);
    }
  }

  /** Applies a pulled record. A deleted record has only its ids. */
  take(sync, record) {
    if (record.deleted || record.name === undefined) this.remove(sync, record.id);
    else this.store(sync, record);
  }

  store(sync, record) {
    this.sync(sync).records.set(record.id, record);
  }

  remove(sync, recordId) {
    this.sync(sync).records.delete(recordId);
  }

  /** Yields the entries of the shortest journal that leads to this state. */
  *entries() {
    for (const { id, owner, cursor, records, users } of this.syncs.values()) {
      for (const user of users) yield { know: { sync: id, user } };
      if (owner !== null) yield { page: { sync: id, user: owner, records: [...records.values()], cursor } };
    }
  }

  state() {
    const records = [];
    for (const { id, records: held } of this.syncs.values())
      for (const [recordId, record] of held) records.push({ syncInstanceId: id, recordId, record });
    return { records };
  }
}

/** Returns STATE_FILE, or a default path that is the same when the receiver is started again. */
export function stateFile(environment, kind) {
  if (environment.STATE_FILE) return environment.STATE_FILE;
  sweep("paragon-receiver-");
  const url = createHash("sha256").update(environment.PARAGON_API_URL).digest("hex").slice(0, 12);
  return join(tmpdir(), `paragon-receiver-${kind}-${environment.PORT}-${url}.jsonl`);
}

/** Removes files that no receiver has touched for a day. */
function sweep(prefix, age = 24 * 3600 * 1000) {
  for (const name of readdirSync(tmpdir()).filter((name) => name.startsWith(prefix))) {
    const path = join(tmpdir(), name);
    try {
      if (statSync(path).mtimeMs < Date.now() - age) rmSync(path);
    } catch {
      // Another receiver has removed the file already.
    }
  }
}
