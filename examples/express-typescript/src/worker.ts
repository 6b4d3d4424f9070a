import { Refused, type SyncApi, Unavailable } from "./paragon.js";
import type { Pull, Store } from "./store.js";

// All in milliseconds. After an event the Sync API may still show what was before it, so it is looked at again.
const LOOKS = [500, 2000, 5000, 15_000, 60_000];
// Events can be lost for good, or the webhook be disabled, so each sync is pulled now and then without one.
const IDLE = 300_000;
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 60_000;
const FIRST_TIMEOUT = 3000;
const LONGEST_TIMEOUT = 60_000;
// So often a sync was not served to this user: the event was forged, or the sync is deleted. A new event begins anew.
const GIVE_UP_AFTER = 20;
const AT_ONCE = 10;

/** Pulls what is due, until it works. */
export class Worker {
  readonly #store: Store;
  readonly #api: SyncApi;
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, api: SyncApi) {
    this.#store = store;
    this.#api = api;
  }

  start(): void {
    this.#store.recover();
    this.#dispatch();
  }

  /** When this returns it is safe. */
  enqueue(syncId: string, userId: string): void {
    this.#store.enqueue(syncId, userId);
    this.#dispatch();
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    while (this.#running < AT_ONCE) {
      const pull = this.#store.claim();
      if (!pull) {
        const due = this.#store.nextDue();
        const pause = Math.min(Math.max((due ?? Infinity) - Date.now(), 0), IDLE);
        this.#timer = setTimeout(() => this.#dispatch(), pause);
        return;
      }
      this.#running += 1;
      void this.#work(pull).finally(() => {
        this.#running -= 1;
        this.#dispatch();
      });
    }
  }

  async #work(pull: Pull): Promise<void> {
    try {
      await this.#pull(pull);
      this.#store.finish(pull, jitter(LOOKS[pull.looks] ?? IDLE));
    } catch (error) {
      if (error instanceof Refused) {
        this.#refused(pull, error);
      } else if (error instanceof Unavailable) {
        console.warn(error.message);
        this.#store.postpone(pull, Math.max(backOff(pull), error.retryAfter));
      } else {
        console.error(`cannot pull ${pull.syncId}:`, error);
        this.#store.postpone(pull, backOff(pull));
      }
    }
  }

  /** Pulls page after page, from where the last pull ended until nothing is left. */
  async #pull(pull: Pull): Promise<void> {
    // A slow answer is waited for longer each time, but not from the start.
    const timeout = Math.min(FIRST_TIMEOUT * 2 ** pull.failures, LONGEST_TIMEOUT);
    let cursor = pull.cursor;
    for (;;) {
      const { data, paging } = await this.#api.page(pull.syncId, pull.userId, cursor, timeout);
      if (data.length === 0) return;
      const before = cursor;
      // The last page may come without a cursor: what was pulled stays pulled.
      cursor = paging.cursor ?? cursor;
      this.#store.takePage(pull, data, cursor);
      if (paging.remainingRecords <= 0 || cursor === before) return;
    }
  }

  /** Nothing that is held is dropped for it: the event may have named a wrong user. */
  #refused(pull: Pull, refusal: Refused): void {
    console.warn(`sync ${pull.syncId} of user ${pull.userId}: ${refusal.message}`);
    if (pull.failures >= GIVE_UP_AFTER) this.#store.forget(pull);
    // Cursors are stable, but nobody promises for how long.
    else this.#store.postpone(pull, backOff(pull), { startOver: refusal.status === 400 });
  }
}

function backOff(pull: Pull): number {
  return jitter(Math.min(FIRST_PAUSE * 2 ** pull.failures, LONGEST_PAUSE));
}

/** What failed together is not tried again together. */
function jitter(milliseconds: number): number {
  return milliseconds * (0.8 + 0.4 * Math.random());
}
