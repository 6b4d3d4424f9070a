// Reads from the Sync API: with timeouts, with a new token after a 401, and with pauses that follow `Retry-After`.

const PAGE_SIZE = "100";

/** The call failed; a retry may succeed, but not before `againIn` milliseconds. */
export class Unavailable extends Error {
  constructor(message, againIn = 0) {
    super(message);
    this.againIn = againIn;
  }
}

/** The Sync API refused the call; a retry will not help. */
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

  /** Returns the page of changed records after a cursor. */
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
      // No connection, no response in time, or only a part of the response.
      throw new Unavailable(`${path}: ${error.cause?.message ?? error.message}`);
    }
  }

  async ask(path, user, timeout) {
    const token = this.tokens.of(user);
    let answer = await this.call(path, token, timeout);
    if (answer.status === 401) {
      // A token that seemed valid was refused: the clock is off, or the token was revoked. Retries once.
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

  /** Makes a call. The timeout includes the body of the response. */
  call(path, token, timeout) {
    const headers = { authorization: `Bearer ${token}` };
    return fetch(this.url + path, { headers, redirect: "manual", signal: AbortSignal.timeout(timeout) });
  }
}

/** Returns the milliseconds of a `Retry-After` header, which has seconds or a date. */
function retryAfter(value) {
  if (value === null) return 0;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}
