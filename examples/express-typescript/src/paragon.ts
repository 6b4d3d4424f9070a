// Reading from Paragon's Sync API.

import { createPrivateKey, type KeyObject } from "node:crypto";

import { SignJWT } from "jose";
import { z } from "zod";

const PAGE_SIZE = "100";

/** It did not work now. It may later, and is not to be tried before so many milliseconds. */
export class Unavailable extends Error {
  constructor(
    message: string,
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** There is no such sync, or not for this user, or the cursor is not taken. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`refused with ${status}`);
  }
}

export const Page = z.object({
  data: z.array(z.looseObject({ id: z.string() })),
  paging: z.object({ cursor: z.string().nullish(), remainingRecords: z.number() }),
});
export type Page = z.infer<typeof Page>;
export type SyncedRecord = Page["data"][number];

/** Signs a token for each call: it is never too old, and never another user's. */
export class UserTokens {
  readonly #key: KeyObject;
  readonly #audience: string;

  constructor(signingKey: string, projectId: string) {
    this.#key = createPrivateKey(signingKey);
    this.#audience = `useparagon.com/${projectId}`;
  }

  mint(userId: string): Promise<string> {
    return new SignJWT()
      .setProtectedHeader({ alg: "RS256" })
      .setSubject(userId)
      .setAudience(this.#audience)
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(this.#key);
  }
}

export class SyncApi {
  readonly #url: string;
  readonly #tokens: UserTokens;

  constructor(url: string, tokens: UserTokens) {
    this.#url = url;
    this.#tokens = tokens;
  }

  /** The records that changed after a cursor; without one, from the start. */
  async page(syncId: string, userId: string, cursor: string | null, timeout: number): Promise<Page> {
    const path = `/api/syncs/${encodeURIComponent(syncId)}/records`;
    const query = new URLSearchParams({ pageSize: PAGE_SIZE, ...(cursor && { cursor }) });
    const headers = { authorization: `Bearer ${await this.#tokens.mint(userId)}` };
    // The time-out is for all of it, the body too.
    const options = { headers, redirect: "manual", signal: AbortSignal.timeout(timeout) } as const;
    try {
      const response = await fetch(`${this.#url}${path}?${query}`, options);
      const body = await response.text();
      if ([400, 403, 404, 410].includes(response.status)) throw new Refused(response.status);
      if (response.status !== 200) throw new Unavailable(`${path}: ${response.status}`, retryAfter(response));
      return Page.parse(JSON.parse(body));
    } catch (error) {
      if (error instanceof Refused || error instanceof Unavailable) throw error;
      // No connection, no answer in time, half of one, or one that is no page.
      throw new Unavailable(`${path}: ${String(error)}`);
    }
  }
}

/** Milliseconds; the header has seconds, or a date. */
function retryAfter(response: Response): number {
  const value = response.headers.get("retry-after") ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - Date.now());
}
