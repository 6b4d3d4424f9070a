// Receivers that are wrong on purpose: each has one bug, and otherwise equals the receiver of receiver.mjs.
//
//     node broken.mjs BUG
//
// ../zoo.toml says what is wrong, and which cases find it.

import { readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as pass } from "node:timers/promises";

import { Holdings } from "./holdings.mjs";
import { Journal } from "./journal.mjs";
import { Puller } from "./puller.mjs";
import { Receiver } from "./receiver.mjs";
import { SyncApi, Unavailable } from "./sync-api.mjs";
import { Malformed, read, serve } from "./webhook.mjs";

const NEVER = 24 * 3_600_000;
const KNOWN_MEMBERS = ["event", "sync", "syncInstanceId", "credentialId", "user", "data", "error"];
const KNOWN_EVENTS = [
  "sync_complete",
  "sync_errored",
  "record_created",
  "record_updated",
  "record_deleted",
  "record_errored",
];

/** Returns the receiver with another class in one of its parts. */
const withHoldings = (holdings) => class extends Receiver { static Holdings = holdings; };
const withApi = (api) => class extends Receiver { static SyncApi = api; };
const withPuller = (puller) => class extends Receiver { static Puller = puller; };

/** Returns the receiver, which treats such failures as final and leaves the sync alone until its next event. */
const givingUp = (isFinal) =>
  class extends Receiver {
    failed(work, error) {
      if (!isFinal(error)) return super.failed(work, error);
      console.error(`${error.message}, forgotten`);
      return NEVER;
    }
  };

/** Waits for the next event after a successful pull. */
class LooksOnce extends Receiver {
  nextLook() {
    return NEVER;
  }
}

const BUGS = {
  // Answering.
  "answers-too-late": class extends Receiver {
    async handle(body) {
      const status = await super.handle(body);
      await pass(60_000);
      return status;
    }
  },
  hangs: class extends Receiver {
    handle() {
      return new Promise(() => {});
    }
  },
  "crashes-at-event": class extends Receiver {
    onEvent() {
      process.exit(1);
    }
  },
  "rejects-unknown-members": class extends Receiver {
    async onEvent(event) {
      const known = Object.keys(event.members).every((member) => KNOWN_MEMBERS.includes(member));
      return known || !KNOWN_EVENTS.includes(event.kind) ? super.onEvent(event) : 500;
    }
  },
  "rejects-unknown-events": class extends Receiver {
    async onEvent(event) {
      return [...KNOWN_EVENTS, "webhook_verification"].includes(event.kind) ? super.onEvent(event) : 404;
    }
  },
  "requires-credential": class extends Receiver {
    async onEvent(event) {
      const { kind, members } = event;
      return KNOWN_EVENTS.includes(kind) && members.credentialId.length === 0 ? 400 : super.onEvent(event);
    }
  },
  "requires-user": class extends Receiver {
    async onEvent(event) {
      return event.members.user.id === "" ? 400 : super.onEvent(event);
    }
  },
  "crashes-on-malformed": class extends Receiver {
    async handle(body) {
      const status = await super.handle(body);
      if (status === 400) process.exit(1);
      return status;
    }
  },
  "small-body-limit": class extends Receiver {
    static async read(request) {
      const body = await read(request);
      if (body.length > 16 * 1024) throw new Malformed("too large", 413);
      return body;
    }
  },
  "takes-first-chunk": class extends Receiver {
    static read(request) {
      return new Promise((resolve) => {
        request.once("data", (chunk) => resolve(chunk)).once("end", () => resolve(Buffer.alloc(0)));
      });
    }
  },
  "needs-content-length": class extends Receiver {
    static async read(request) {
      if (request.headers["content-length"] === undefined) throw new Malformed("a length is required", 411);
      return read(request);
    }
  },
  "refuses-expect": class extends Receiver {
    static configure(server) {
      server.on("checkExpectation", (_, response) => response.writeHead(400).end());
      server.on("checkContinue", (_, response) => response.writeHead(400, { connection: "close" }).end());
    }
  },
  "int32-num-records": class extends Receiver {
    async onEvent(event) {
      const count = event.members.data?.numRecords ?? 0;
      return count === (count | 0) ? super.onEvent(event) : 400;
    }
  },
  "limited-connections": class extends Receiver {
    active = 0;
    async handle(body) {
      this.active += 1;
      try {
        if (this.active > 8) return 503;
        await pass(100);
        return await super.handle(body);
      } finally {
        this.active -= 1;
      }
    }
  },
  "waits-for-pull": class extends Receiver {
    async onChange(sync, user) {
      await this.holdings.know(sync, user);
      await super.onChange(sync, user);
      // Ignores whether the pull succeeds.
      await this.puller.inTurn(sync, user, 60_000).catch(() => {});
    }
  },

  // Pulling.
  "pulls-one-page": withPuller(
    class extends Puller {
      async pull(sync, user, timeout) {
        const page = await this.page(sync, user, null, timeout);
        await this.holdings.takePage(sync, user, page.data, null);
        return page.data.length;
      }
    },
  ),
  "stops-at-empty-page": class extends givingUp((error) => error.message === "an empty page") {
    static done = new Set();
    static SyncApi = class extends SyncApi {
      async page(sync, ...asked) {
        const { done } = BUGS["stops-at-empty-page"];
        const page = done.has(sync) ? null : await super.page(sync, ...asked);
        if (page && (page.data.length > 0 || page.paging.remainingRecords === 0)) return page;
        done.add(sync);
        throw new Unavailable("an empty page");
      }
    };
  },
  "null-cursor-ends-sync": class extends Receiver {
    static ended = new Set();
    static SyncApi = class extends SyncApi {
      async page(sync, ...asked) {
        if (BUGS["null-cursor-ends-sync"].ended.has(sync)) return { data: [], paging: { remainingRecords: 0 } };
        const page = await super.page(sync, ...asked);
        if (page.paging.cursor === null && page.data.length > 0) BUGS["null-cursor-ends-sync"].ended.add(sync);
        return page;
      }
    };
  },
  "skips-seen-in-pull": withPuller(
    class extends Puller {
      async pull(sync, user, timeout) {
        const seen = new Set();
        const api = this.api;
        const once = new Puller(this.holdings, {
          async page(...asked) {
            const page = await api.page(...asked);
            const fresh = page.data.filter(({ id }) => !seen.has(id));
            fresh.forEach(({ id }) => seen.add(id));
            return { ...page, data: fresh };
          },
        });
        return once.pull(sync, user, timeout);
      }
    },
  ),
  "ignores-retry-after": withApi(
    class extends SyncApi {
      async call(...args) {
        const answer = await super.call(...args);
        return new Response(answer.body, { status: answer.status });
      }
    },
  ),
  "gives-up-on-502": givingUp((error) => error.message.endsWith(": 502")),
  "no-timeout": withApi(
    class extends SyncApi {
      call(path, token) {
        return super.call(path, token, NEVER);
      }
    },
  ),
  "no-retry-after-reset": givingUp((error) => /socket|reset|terminated|closed|ECONN/i.test(error.message)),
  "no-retry-after-cut-json": givingUp((error) => /JSON/.test(error.message)),
  "gives-up-on-401": class extends givingUp((error) => error.message.endsWith(": 401")) {
    static SyncApi = class extends SyncApi {
      async call(path, token, timeout) {
        const answer = await super.call(path, token, timeout);
        if (answer.status === 401) throw new Unavailable(`${path}: 401`);
        return answer;
      }
    };
  },
  "looks-once": LooksOnce,
  "starts-over": withApi(
    class extends SyncApi {
      pulled = new Map();
      page(sync, user, cursor, timeout) {
        // A cursor is valid only in the pull that it came from.
        const known = this.pulled.get(sync) === cursor;
        return super.page(sync, user, known ? cursor : null, timeout).then((page) => {
          if (page.paging.remainingRecords > 0) this.pulled.set(sync, page.paging.cursor);
          else this.pulled.delete(sync);
          return page;
        });
      }
    },
  ),
  hammers: class extends Receiver {
    failed() {
      return 0;
    }
  },
  "rejects-new-api-members": withApi(
    class extends SyncApi {
      async page(...asked) {
        const page = await super.page(...asked);
        if (Object.keys(page).some((member) => !["data", "paging"].includes(member)))
          throw new Unavailable("members that are not known");
        return page;
      }
    },
  ),
  "loops-on-404": class extends Receiver {
    refused() {
      return 5;
    }
  },

  // Records.
  "drops-deletions": withHoldings(
    class extends Holdings {
      remove() {}
    },
  ),
  "keeps-tombstones": withHoldings(
    class extends Holdings {
      take(sync, record) {
        this.store(sync, record);
      }
    },
  ),
  "inserts-twice": class extends Receiver {
    created = new Map();
    async onChange(sync, user, event) {
      await super.onChange(sync, user, event);
      if (event.kind === "record_created")
        this.created.set(event.recordId, (this.created.get(event.recordId) ?? 0) + 1);
    }
    state() {
      const copies = ({ recordId }) => this.created.get(recordId) ?? 1;
      return { records: super.state().records.flatMap((row) => Array(copies(row)).fill(row)) };
    }
  },
  "never-revives": withHoldings(
    class extends Holdings {
      gone = new Set();
      remove(sync, recordId) {
        super.remove(sync, recordId);
        this.gone.add(recordId);
      }
      store(sync, record) {
        if (!this.gone.has(record.id)) super.store(sync, record);
      }
    },
  ),
  "trusts-deletions": class extends Receiver {
    async onChange(sync, user, event) {
      if (event.kind === "record_deleted") this.holdings.remove(sync, event.recordId);
      await super.onChange(sync, user, event);
    }
  },
  "drops-errored-syncs": class extends Receiver {
    async onChange(sync, user, event) {
      if (event.kind === "sync_errored") this.holdings.sync(sync).records.clear();
      await super.onChange(sync, user, event);
    }
  },
  "int32-sizes": withHoldings(
    class extends Holdings {
      store(sync, record) {
        super.store(sync, { ...record, ...(typeof record.size === "number" && { size: record.size | 0 }) });
      }
    },
  ),

  // Several users and syncs.
  "keys-by-external-id": withHoldings(
    class extends Holdings {
      store(sync, record) {
        for (const { records } of this.syncs.values())
          for (const [id, held] of records) if (held.externalId === record.externalId) records.delete(id);
        super.store(sync, record);
      }
    },
  ),
  "deletes-everywhere": withHoldings(
    class extends Holdings {
      take(sync, record) {
        super.take(sync, record);
        if (!record.deleted) return;
        for (const { records } of this.syncs.values())
          for (const [id, held] of records) if (held.externalId === record.externalId) records.delete(id);
      }
    },
  ),
  "drops-sync-at-404": class extends Receiver {
    refused(work) {
      this.holdings.sync(work.sync).records.clear();
      return NEVER;
    }
  },

  // Outages.
  "forgets-when-api-fails": givingUp((error) => error instanceof Unavailable),
  "keeps-state-in-memory": class extends Receiver {
    static async open(environment = process.env) {
      const holdings = new Holdings();
      holdings.journal = { append: async () => {} };
      return new this(holdings, environment);
    }
  },
  "acks-before-storing": class extends LooksOnce {
    async onChange(sync, user, event) {
      setTimeout(() => super.onChange(sync, user, event), 300);
    }
    resume() {}
  },
  "forgets-queue": class extends LooksOnce {
    resume() {}
  },
  "truncates-at-start": class extends Receiver {
    static async open(environment) {
      // Compacts the file in place, a second later.
      Journal.begin = async (path, entries) => {
        const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
        writeFileSync(path, "");
        setTimeout(() => writeFileSync(path, lines + readFileSync(path)), 1000);
        return new Journal(await open(path, "a"));
      };
      return super.open(environment);
    }
  },
  "floods-log": class extends Receiver {
    handle(body) {
      for (let i = 0; i < 64; i++) console.log(`received ${"x".repeat(64 * 1024)}`);
      return super.handle(body);
    }
  },
};

const Bug = BUGS[process.argv[2]];
if (Bug === undefined) {
  console.error(`usage: broken.mjs BUG, one of:\n  ${Object.keys(BUGS).join("\n  ")}`);
  process.exit(2);
}
const server = serve(await Bug.open(), Bug.read);
Bug.configure?.(server);
