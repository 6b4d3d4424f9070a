// Reading from the Sync API: with time-outs, a new token when one is refused, and not before it may be asked again.

const PAGE_SIZE = "100";

/** It could not be asked; asking again later may help, and not before `againIn` milliseconds. */
export class Unavailable extends Error {
  constructor(message, againIn = 0) {
    super(message);
    this.againIn = againIn;
  }
}

/** It says that asking the same again will not help. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class SyncApi {
  resting = new Map();

  constructor(url, tokens) {
    this.url = url.replace(/\/$/, "");
    this.tokens = tokens;
  }

  /** The records that changed after a cursor. */
  async page(sync, user, cursor, timeout) {
    const query = new URLSearchParams({ pageSize: PAGE_SIZE, ...(cursor && { cursor }) });
    const page = await this.get(`/api/syncs/${encodeURIComponent(sync)}/records?${query}`, user, timeout);
    if (!Array.isArray(page?.data) || typeof page.paging !== "object")
      throw new Unavailable(`this is no page: ${JSON.stringify(page)?.slice(0, 200)}`);
    return page;
  }

  async get(path, user, timeout) {
    const rest = (this.resting.get(user) ?? 0) - performance.now();
    if (rest > 0) throw new Unavailable(`${path}: not to be asked for ${Math.ceil(rest)} ms`, rest);
    try {
      return await this.ask(path, user, timeout);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unavailable) throw error;
      // No connection, no answer in time, or half of one.
      throw new Unavailable(`${path}: ${error.cause?.message ?? error.message}`);
    }
  }

  async ask(path, user, timeout) {
    const token = this.tokens.of(user);
    let answer = await this.call(path, token, timeout);
    if (answer.status === 401) {
      // A token that looked good is not: the clock is off, or it was revoked. Once.
      await answer.body?.cancel();
      answer = await this.call(path, this.tokens.insteadOf(token, user), timeout);
    }
    if (answer.status === 200) return JSON.parse(await answer.text());
    await answer.body?.cancel();
    const message = `${path}: ${answer.status}`;
    if ([400, 403, 404, 410].includes(answer.status)) throw new Refused(message, answer.status);
    const rest = retryAfter(answer.headers.get("retry-after"));
    if (rest > 0) this.resting.set(user, performance.now() + rest);
    throw new Unavailable(message, rest);
  }

  /** The time-out is for all of it, the body too. */
  call(path, token, timeout) {
    const headers = { authorization: `Bearer ${token}` };
    return fetch(this.url + path, { headers, redirect: "manual", signal: AbortSignal.timeout(timeout) });
  }
}

/** Milliseconds, from a header that has seconds or a date. */
function retryAfter(value) {
  if (value === null) return 0;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}
