// Receivers that are right, in styles that real teams use.
//
//     node right.mjs STYLE
//
// Without a style, the program lists them. README.md says what is unusual about each.

import { Holdings } from "../node/holdings.mjs";
import { Puller } from "../node/puller.mjs";
import { Receiver } from "../node/receiver.mjs";
import { Refused, SyncApi } from "../node/sync-api.mjs";
import { serve } from "../node/webhook.mjs";

const DAY = 24 * 3600 * 1000;

// Full pulls: a sync is pulled from the start, and records that the feed no longer contains are removed. A sync that is
// deleted and enabled again has the same id, but a new feed without tombstones of the records that disappeared in
// between. So a full pull is due after `sync_complete`, after a 404 for the sync, after a refused cursor, and once a day.

class FullPullHoldings extends Holdings {
  sync(id) {
    const sync = super.sync(id);
    // `found`: the records that the running full pull has found; null if none is running.
    if (!("found" in sync)) Object.assign(sync, { found: null, wanted: false, done: 0 });
    return sync;
  }

  apply(entry) {
    super.apply(entry);
    const { wantFull, beginFull, endFull, startOver } = entry;
    if (wantFull) this.sync(wantFull.sync).wanted = true;
    if (startOver) Object.assign(this.sync(startOver.sync), { wanted: true, found: null });
    if (beginFull) Object.assign(this.sync(beginFull.sync), { found: new Set(), wanted: false, cursor: null });
    if (endFull) {
      const sync = this.sync(endFull.sync);
      for (const id of [...sync.records.keys()]) if (sync.found && !sync.found.has(id)) this.remove(sync.id, id);
      Object.assign(sync, { found: null, done: endFull.at });
    }
  }

  *entries() {
    yield* super.entries();
    for (const { id, found, wanted, done } of this.syncs.values()) {
      if (done > 0) yield { endFull: { sync: id, at: done } };
      // A running full pull begins again.
      if (found || wanted) yield { wantFull: { sync: id } };
    }
  }

  /** Applies a pulled record. A deleted record has only its ids. */
  take(sync, record) {
    const { id, externalId, external_id, deleted, ...rest } = record;
    if (deleted || Object.keys(rest).length === 0) return this.remove(sync, id);
    this.sync(sync).found?.add(id);
    return this.store(sync, record);
  }

  async wantFullPull(sync) {
    if (!this.sync(sync).wanted) await this.write({ wantFull: { sync } });
  }

  async beginFullPull(sync) {
    const { found, wanted, done } = this.sync(sync);
    if (!found && (wanted || done < Date.now() - DAY)) await this.write({ beginFull: { sync } });
  }

  async endFullPull(sync) {
    if (this.sync(sync).found) await this.write({ endFull: { sync, at: Date.now() } });
    return this.sync(sync).wanted;
  }
}

class FullPuller extends Puller {
  async pull(sync, user, timeout) {
    for (let count = 0; ; ) {
      await this.holdings.beginFullPull(sync);
      try {
        count += await super.pull(sync, user, timeout);
      } catch (error) {
        const gone = error instanceof Refused && error.status === 404;
        if (gone && this.holdings.sync(sync).owner === user) await this.holdings.wantFullPull(sync);
        throw error;
      }
      if (!(await this.holdings.endFullPull(sync))) return count;
    }
  }
}

/** Stores that there is such a sync, answers, and pulls in the background. The base of all styles here. */
class Queue extends Receiver {
  static Holdings = FullPullHoldings;
  static Puller = FullPuller;

  async onChange(sync, user, event) {
    if (event.kind === "sync_complete" && this.holdings.syncs.get(sync)?.owner) await this.holdings.wantFullPull(sync);
    await super.onChange(sync, user, event);
  }
}

const STYLES = {
  queue: Queue,

  // Sends the scheme of the authorization header in lower case: the scheme is case-insensitive.
  "lower-case-bearer": class extends Queue {
    static SyncApi = class extends SyncApi {
      call(path, token, timeout) {
        const headers = { authorization: `bearer ${token}` };
        return fetch(this.url + path, { headers, redirect: "manual", signal: AbortSignal.timeout(timeout) });
      }
    };
  },

  // Answers 202, and works every three seconds.
  batches: class extends Queue {
    static EVERY = 3000;

    async onEvent(event) {
      await super.onEvent(event);
      return 202;
    }

    schedule(work, pause) {
      const { EVERY } = this.constructor;
      super.schedule(work, Math.ceil((Date.now() + Math.max(pause, 1)) / EVERY) * EVERY - Date.now());
    }
  },

  // Pulls all known syncs every five seconds. An event only tells that there is such a sync.
  polls: class extends Queue {
    resume() {
      setInterval(() => super.resume(), 5000);
    }

    async onChange(sync, user, event) {
      if (event.kind === "sync_complete" && this.holdings.syncs.get(sync)?.owner)
        await this.holdings.wantFullPull(sync);
      await this.holdings.know(sync, user);
    }

    enqueue(sync, user) {
      const key = JSON.stringify([sync, user]);
      const work = this.queue.get(key) ?? { sync, user, events: 0, looks: 0, refusals: 0, failures: 0, due: 0 };
      this.queue.set(key, work);
      if (!work.running && work.due <= Date.now()) this.poll(work);
    }

    async poll(work) {
      work.running = true;
      const pause = await this.attempt(work);
      work.running = false;
      if (pause === null) return this.giveUp(work.sync, work.user);
      // A sync that did not fail is due in every round. A sync that failed is due after its pause.
      work.due = work.failures + work.refusals > 0 ? Date.now() + pause : 0;
    }
  },

  // An older `updatedAt` never replaces a newer one.
  "newest-wins": class extends Queue {
    static Holdings = class extends FullPullHoldings {
      store(sync, record) {
        const held = this.sync(sync).records.get(record.id);
        const [before, now] = [Date.parse(held?.updatedAt), Date.parse(record.updatedAt)];
        if (!(now < before)) super.store(sync, record);
      }
    };
  },

  // Closes each connection after the answer, without a header that says so.
  "closes-silently": class extends Queue {
    static configure(server) {
      server.on("request", (request, response) => response.on("finish", () => request.socket.end()));
    }
  },

  // Its database driver returns 64-bit integers as text.
  "text-numbers": class extends Queue {
    state() {
      const text = (value) => (Number.isInteger(value) ? String(value) : value);
      const tell = (record) => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, text(value)]));
      return { records: super.state().records.map((held) => ({ ...held, record: tell(held.record) })) };
    }
  },

  // Keeps no folders. Google has a type of its own for them, SharePoint has an empty one.
  "no-folders": class extends Queue {
    static Holdings = class extends FullPullHoldings {
      store(sync, record) {
        const type = record.mimeType ?? record.mime_type;
        if (type === "" || type?.endsWith("folder")) this.remove(sync, record.id);
        else super.store(sync, record);
      }
    };
  },
};

const Style = STYLES[process.argv[2]];
if (Style === undefined) {
  console.error(`usage: right.mjs STYLE, one of:\n  ${Object.keys(STYLES).join("\n  ")}`);
  process.exit(2);
}
const server = serve(await Style.open());
Style.configure?.(server);
