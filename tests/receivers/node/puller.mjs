// Pulls syncs by cursor: one pull at a time for each sync, and a limited number of pulls at once.

import { Refused, Unavailable } from "./sync-api.mjs";

const AT_ONCE = 24;
const EMPTY_PAGES = 3;

export class Puller {
  #free = AT_ONCE;
  #waiting = [];
  #last = new Map();

  constructor(holdings, api) {
    this.holdings = holdings;
    this.api = api;
  }

  /** Pulls a sync as soon as no other pull of this sync is in progress. */
  async inTurn(sync, user, timeout) {
    const before = this.#last.get(sync);
    const pulled = (async () => {
      await before?.catch(() => {});
      await this.#enter();
      try {
        return await this.pull(sync, user, timeout);
      } finally {
        this.#leave();
      }
    })();
    this.#last.set(sync, pulled);
    try {
      return await pulled;
    } finally {
      if (this.#last.get(sync) === pulled) this.#last.delete(sync);
    }
  }

  async #enter() {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }

  /** Pulls all changes since the last pull. Resolves to the number of records. */
  async pull(sync, user, timeout) {
    let count = 0;
    let cursor = this.holdings.syncs.get(sync)?.cursor ?? null;
    for (let empty = 0; ; ) {
      const page = await this.page(sync, user, cursor, timeout);
      const wentOn = page.paging.cursor && page.paging.cursor !== cursor;
      // The last page may have no cursor. In that case the stored cursor stays.
      cursor = page.paging.cursor ?? cursor;
      await this.holdings.takePage(sync, user, page.data, cursor);
      count += page.data.length;
      if (!(page.paging.remainingRecords > 0)) return count;
      empty = wentOn ? 0 : empty + 1;
      if (empty > EMPTY_PAGES) throw new Unavailable("more is said to remain, but it does not come");
    }
  }

  async page(sync, user, cursor, timeout) {
    try {
      return await this.api.page(sync, user, cursor, timeout);
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 404 || cursor === null) throw error;
      // The cursor may be too old: cursors are stable, but nobody promises for how long.
      await this.holdings.startOver(sync);
      throw new Unavailable(`the cursor is refused: ${error.message}`);
    }
  }
}

/** Returns the backoff after failures in a row, in milliseconds. It varies, so that syncs do not retry together. */
export function backOff(failures, error) {
  const pause = Math.min(100 * 2 ** failures, 5000) * (0.8 + 0.4 * Math.random());
  return Math.max(pause, error?.againIn ?? 0);
}

/** Returns the timeout after failures in a row. It starts short, because a call that hangs must not block the worker. */
export function timeoutAfter(failures) {
  return Math.min(2000 * 2 ** failures, 30_000);
}
