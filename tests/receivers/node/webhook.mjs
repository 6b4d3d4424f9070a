// The HTTP server of the webhook, and the validation of the bodies.

import { createServer } from "node:http";

const LARGEST_BODY = 16 * 1024 * 1024;

/** The request cannot come from Paragon, now or later: 4xx. */
export class Malformed extends Error {
  constructor(message, status = 400) {
    super(message);
    this.status = status;
  }
}

/** Parses an event. Only the members that are used must be valid; unknown members are accepted. */
export function parseEvent(body) {
  let members;
  try {
    members = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new Malformed("expected JSON");
  }
  if (typeof members !== "object" || members === null || Array.isArray(members))
    throw new Malformed("expected an object");
  const kind = text(members.event);
  if (kind === null) throw new Malformed("expected a member `event`");
  return {
    kind,
    sync: text(members.syncInstanceId),
    user: text(members.user?.id),
    recordId: text(members.data?.recordId),
    members,
  };
}

function text(value) {
  if (value === undefined || value === null) return null;
  if (typeof value !== "string" || !value.isWellFormed()) throw new Malformed("expected a text");
  return value;
}

/** Serves a receiver until SIGTERM: `handle(body)` resolves to a status, `state()` is JSON. */
export function serve(receiver, readBody = read) {
  const server = createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    const path = request.url.split("?")[0];
    try {
      if (request.method === "POST" && path === "/webhook") answer(await receiver.handle(await readBody(request)), {});
      else if (request.method === "GET" && path === "/state") answer(200, receiver.state());
      else answer(404, {});
    } catch (error) {
      if (!(error instanceof Malformed)) console.error("unexpected:", error);
      if (!response.headersSent) answer(error.status ?? 500, { result: error.message });
    }
  });
  server.listen(Number(process.env.PORT), "127.0.0.1", 512);
  // Ends at once: everything with a 2xx response is on the disk.
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
  return server;
}

export async function read(request) {
  const chunks = [];
  let size = 0;
  try {
    for await (const chunk of request) {
      size += chunk.length;
      if (size > LARGEST_BODY) throw new Malformed("too large", 413);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof Malformed ? error : new Malformed(`the body is cut: ${error.message}`);
  }
  return Buffer.concat(chunks);
}
