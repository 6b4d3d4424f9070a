// A correct receiver of the style "queue and worker", with nothing but Node.
//
//     PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… node receiver.mjs
//
// It responds as soon as it has stored the sync of the event. A worker then pulls the sync from the stored cursor,
// and retries until the pull succeeds. The queue itself is in memory: after a restart it contains every known sync.
// This costs one call for each sync, and also brings the changes that were missed meanwhile.

import { pathToFileURL } from "node:url";

import { Holdings, stateFile } from "./holdings.mjs";
import { Puller, backOff, timeoutAfter } from "./puller.mjs";
import { Refused, SyncApi } from "./sync-api.mjs";
import { UserTokens } from "./user-token.mjs";
import { Malformed, parseEvent, serve } from "./webhook.mjs";

// Milliseconds between the pulls after an event, because the Sync API may lag behind its own webhook.
const LOOKS = [300, 1000, 3000, 10_000, 30_000];
// Milliseconds between the regular pulls of each sync, because events can be lost for good.
const IDLE = 60_000;
// Limit of tries for a sync that does not exist: the event was forged, or the sync is deleted.
const REFUSALS = 4;
const LONGEST_REST = 3_600_000;

export class Receiver {
  static Holdings = Holdings;
  static SyncApi = SyncApi;
  static Puller = Puller;
  queue = new Map();

  constructor(holdings, environment = process.env) {
    const { SyncApi, Puller } = this.constructor;
    this.holdings = holdings;
    const tokens = new UserTokens(environment.PARAGON_SIGNING_KEY, environment.PARAGON_PROJECT_ID);
    this.puller = new Puller(holdings, new SyncApi(environment.PARAGON_API_URL, tokens));
  }

  static async open(environment = process.env) {
    const receiver = new this(await this.Holdings.open(stateFile(environment, "queue")), environment);
    receiver.resume();
    return receiver;
  }

  resume() {
    for (const { id, users } of this.holdings.syncs.values()) for (const user of users) this.enqueue(id, user);
  }

  /** Handles the body of a webhook. Resolves to a status. */
  async handle(body) {
    let event;
    try {
      event = parseEvent(body);
    } catch (error) {
      if (error instanceof Malformed) return error.status;
      throw error;
    }
    return this.onEvent(event);
  }

  async onEvent(event) {
    const { kind, sync, user } = event;
    if (sync && user) {
      switch (kind) {
        case "sync_complete":
        case "sync_errored":
        case "record_created":
        case "record_updated":
        case "record_deleted":
        case "record_errored":
          await this.onChange(sync, user, event);
      }
    }
    return 200;
  }

  /** Stores the sync and queues a pull. The pages say what changed, so forged, duplicate and late events do no harm. */
  async onChange(sync, user) {
    await this.holdings.know(sync, user);
    // The event may name the wrong user, so the other known users of the sync look too.
    for (const each of this.holdings.sync(sync).users) this.enqueue(sync, each);
  }

  enqueue(sync, user) {
    const key = JSON.stringify([sync, user]);
    const work = this.queue.get(key) ?? { sync, user, events: 0, failures: 0, timer: null, running: false };
    this.queue.set(key, work);
    Object.assign(work, { events: work.events + 1, looks: 0, refusals: 0 });
    // If the last pull of the sync failed, the time of its retry stays.
    if (work.failures === 0) this.schedule(work, 0);
  }

  schedule(work, pause) {
    clearTimeout(work.timer);
    if (!work.running) work.timer = setTimeout(() => this.work(work), pause);
  }

  async work(work) {
    const { sync, user, events } = work;
    work.running = true;
    const pause = await this.attempt(work);
    work.running = false;
    if (pause === null && work.events === events) return this.giveUp(sync, user);
    const another = work.events !== events && work.failures === 0;
    this.schedule(work, another ? 0 : pause);
  }

  /** Pulls a sync. Resolves to the pause until the next pull, in milliseconds; null for never. */
  async attempt(work) {
    try {
      await this.puller.inTurn(work.sync, work.user, timeoutAfter(work.failures));
      Object.assign(work, { failures: 0, refusals: 0 });
      return this.nextLook(work);
    } catch (error) {
      return error instanceof Refused ? this.refused(work, error) : this.failed(work, error);
    }
  }

  nextLook(work) {
    return LOOKS[work.looks++] ?? IDLE;
  }

  failed(work, error) {
    const pause = backOff(work.failures++, error);
    console.error(`${error.message}, again in ${Math.round(pause)} ms`);
    return pause;
  }

  /** Keeps all held records. Forgets a user who never had the sync after a few tries. */
  refused(work, error) {
    work.failures = 0;
    work.refusals += 1;
    if (work.refusals < REFUSALS) return LOOKS[work.refusals - 1];
    console.error(`${error.message}, for the time being`);
    const owner = this.holdings.syncs.get(work.sync)?.owner;
    return owner === work.user ? Math.min(IDLE * 2 ** (work.refusals - REFUSALS), LONGEST_REST) : null;
  }

  async giveUp(sync, user) {
    this.queue.delete(JSON.stringify([sync, user]));
    await this.holdings.forget(sync, user);
  }

  state() {
    return this.holdings.state();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) serve(await Receiver.open());
