// A correct receiver of the style "queue and worker", with nothing but Node.
//
//     PORT=3000 PARAGON_API_URL=… PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY=… node receiver.mjs
//
// It answers at once. A worker for each sync then pulls from where it stopped, and tries again until that works. The
// queue lies in memory, so a crash loses it; a real one is a table in a database.

import { createSign } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 1000;

export class Receiver {
  constructor(environment = process.env) {
    this.apiUrl = environment.PARAGON_API_URL;
    this.projectId = environment.PARAGON_PROJECT_ID;
    this.signingKey = environment.PARAGON_SIGNING_KEY;
    this.syncs = new Map();
  }

  /** Takes the body of a webhook; resolves to a status. */
  async handle(body) {
    let event;
    try {
      event = JSON.parse(body);
    } catch {
      return 400;
    }
    if (typeof event !== "object" || event === null) return 400;
    return this.onEvent(event);
  }

  async onEvent(event) {
    const sync = event.syncInstanceId;
    const user = event.user?.id;
    switch (event.event) {
      case "sync_complete":
      case "record_created":
      case "record_updated":
        this.enqueue(sync, () => this.onChange(sync, user, event));
        break;
      case "record_deleted":
        this.enqueue(sync, () => this.onDeleted(sync, user, event.data.recordId));
        break;
    }
    return 200;
  }

  /** The work of one sync is done in order; syncs do not wait for each other. */
  enqueue(sync, work) {
    const held = this.held(sync);
    held.work = held.work.then(() => this.untilItWorks(work));
  }

  async untilItWorks(work) {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        return await work();
      } catch (error) {
        console.error(`${error.message}, again in ${pause} ms`);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  async onChange(sync, user) {
    await this.pull(sync, user);
  }

  async onDeleted(sync, user, recordId) {
    this.remove(sync, recordId);
    await this.pull(sync, user);
  }

  /** Pulls what changed since the last time, until nothing is left. */
  async pull(sync, user) {
    const held = this.held(sync);
    for (let more = true; more; ) {
      const query = new URLSearchParams({ pageSize: "100" });
      if (held.cursor) query.set("cursor", held.cursor);
      const page = await this.get(`/api/syncs/${sync}/records?${query}`, user);
      if (page === null) return;
      for (const record of page.data) this.take(sync, record);
      held.cursor = page.paging.cursor ?? held.cursor;
      more = page.data.length > 0 && page.paging.remainingRecords > 0;
    }
  }

  /** A record that was pulled; of a deleted one only the ids are left. */
  take(sync, record) {
    if (record.deleted || record.name === undefined) this.remove(sync, record.id);
    else this.store(sync, record);
  }

  store(sync, record) {
    this.held(sync).records.set(record.id, [record]);
  }

  remove(sync, recordId) {
    this.held(sync).records.delete(recordId);
  }

  held(sync) {
    if (!this.syncs.has(sync)) this.syncs.set(sync, { cursor: null, records: new Map(), work: Promise.resolve() });
    return this.syncs.get(sync);
  }

  /** What the Sync API answers; null when it says that trying again will not help. */
  async get(path, user) {
    const answer = await fetch(this.apiUrl + path, { headers: { authorization: `Bearer ${this.token(user)}` } });
    if (answer.status === 401 || answer.status === 404) {
      console.error(`${path}: ${answer.status}`);
      return null;
    }
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  token(user) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { sub: user, aud: `useparagon.com/${this.projectId}`, iat: now, exp: now + 3600 };
    const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(this.signingKey, "base64url")}`;
  }

  /** What it holds: for each record a list of rows, of which there should be one. */
  state() {
    const records = [];
    for (const [syncInstanceId, held] of this.syncs)
      for (const [recordId, rows] of held.records)
        for (const record of rows) records.push({ syncInstanceId, recordId, record });
    return { records };
  }
}

export function serve(receiver) {
  const server = createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    if (request.method === "POST" && request.url === "/webhook") {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      answer(await receiver.handle(Buffer.concat(chunks).toString()), {});
    } else if (request.method === "GET" && request.url === "/state") {
      answer(200, receiver.state());
    } else {
      answer(404, {});
    }
  });
  server.listen(Number(process.env.PORT), "127.0.0.1");
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) serve(new Receiver());
