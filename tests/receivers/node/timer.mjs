// A correct receiver of the style "reconciles on a timer", with nothing but Node.
//
//     PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… node timer.mjs
//
// Of an event it keeps only the sync and the user. Every half second it pulls each sync from the stored cursor, so it does
// not matter which events come, how often, and in which order.

import { pathToFileURL } from "node:url";

import { Holdings, stateFile } from "./holdings.mjs";
import { Puller, backOff, timeoutAfter } from "./puller.mjs";
import { Refused, SyncApi } from "./sync-api.mjs";
import { UserTokens } from "./user-token.mjs";
import { Malformed, parseEvent, serve } from "./webhook.mjs";

const TICK = 500;
// A sync without news for FRESH ticks is pulled less and less often, down to once in SELDOM milliseconds.
const FRESH = 8;
const SELDOM = 60_000;
// Limit of tries for a sync that does not exist: the event was forged, or the sync is deleted.
const REFUSALS = 4;
const LONGEST_REST = 3_600_000;

export class Timer {
  turns = new Map();

  constructor(holdings, environment = process.env) {
    this.holdings = holdings;
    const tokens = new UserTokens(environment.PARAGON_SIGNING_KEY, environment.PARAGON_PROJECT_ID);
    this.puller = new Puller(holdings, new SyncApi(environment.PARAGON_API_URL, tokens));
  }

  static async open(environment = process.env) {
    const timer = new this(await Holdings.open(stateFile(environment, "timer")), environment);
    setInterval(() => timer.tick(), TICK);
    timer.tick();
    return timer;
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

  async onEvent({ kind, sync, user }) {
    if (/^(sync|record)_/.test(kind) && sync && user) {
      await this.holdings.know(sync, user);
      // The event may name the wrong user, so the other known users of the sync look too.
      for (const each of this.holdings.sync(sync).users) this.hear(this.turn(sync, each));
    }
    return 200;
  }

  hear(turn) {
    Object.assign(turn, { events: turn.events + 1, quiet: 0, refusals: 0 });
    // If the last pull of the sync failed, the time of its retry stays.
    if (turn.failures === 0) turn.due = 0;
  }

  turn(sync, user) {
    const key = JSON.stringify([sync, user]);
    if (!this.turns.has(key))
      this.turns.set(key, { sync, user, due: 0, events: 0, quiet: 0, failures: 0, refusals: 0, running: false });
    return this.turns.get(key);
  }

  tick() {
    for (const { id, users } of this.holdings.syncs.values())
      for (const user of users) {
        const turn = this.turn(id, user);
        if (!turn.running && turn.due <= performance.now()) this.reconcile(turn);
      }
  }

  async reconcile(turn) {
    const { events } = turn;
    turn.running = true;
    const pause = await this.attempt(turn);
    turn.running = false;
    const heard = turn.events !== events && turn.failures === 0;
    if (pause === null && !heard) await this.forget(turn);
    else turn.due = heard ? 0 : performance.now() + pause;
  }

  /** Pulls a sync. Resolves to the pause until the next pull, in milliseconds; null for ever. */
  async attempt(turn) {
    try {
      const count = await this.puller.inTurn(turn.sync, turn.user, timeoutAfter(turn.failures));
      turn.quiet = count > 0 ? 0 : turn.quiet + 1;
      Object.assign(turn, { failures: 0, refusals: 0 });
      return turn.quiet < FRESH ? 0 : Math.min(TICK * 2 ** (turn.quiet - FRESH), SELDOM);
    } catch (error) {
      if (error instanceof Refused) return this.refused(turn);
      const pause = backOff(turn.failures++, error);
      console.error(`${error.message}, again in ${Math.round(pause)} ms`);
      return pause;
    }
  }

  /** Keeps all held records. Forgets a user who never had the sync after a few tries. */
  refused(turn) {
    turn.failures = 0;
    turn.refusals += 1;
    const owner = this.holdings.syncs.get(turn.sync)?.owner;
    if (turn.refusals >= REFUSALS && owner !== turn.user) return null;
    return Math.min(TICK * 2 ** turn.refusals, LONGEST_REST);
  }

  async forget({ sync, user }) {
    this.turns.delete(JSON.stringify([sync, user]));
    await this.holdings.forget(sync, user);
  }

  state() {
    return this.holdings.state();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) serve(await Timer.open());
