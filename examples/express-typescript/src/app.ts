import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";

import express, { type ErrorRequestHandler, type Express } from "express";

import { Event } from "./event.js";
import type { Store } from "./store.js";
import type { Worker } from "./worker.js";

export function createApp(store: Store, worker: Worker, exposeState: boolean): Express {
  const app = express();
  app.disable("x-powered-by");

  // Nothing is promised about the content type.
  const body = express.json({ type: () => true, limit: "1mb", verify: expectUtf8 });

  app.post("/webhook", body, (request, response) => {
    const parsed = Event.safeParse(request.body);
    if (!parsed.success) {
      response.status(422).json({ error: parsed.error.issues });
      return;
    }
    const { event, syncInstanceId, user } = parsed.data;
    // Every event of a sync means the same: pull it. What happened is told by the pages, not by the event: webhooks
    // are not signed, come twice, late, and in any order.
    if (/^(sync|record)_/.test(event) && syncInstanceId && user) {
      worker.enqueue(syncInstanceId, user.id);
    }
    response.json({ status: "received" });
  });

  // What is held, in the form of the state probe of paragon-testkit: every record of every user, to anybody.
  if (exposeState) {
    app.get("/state", (_request, response) => {
      response.json({ records: store.records() });
    });
  }

  app.use(answerErrors);
  return app;
}

function expectUtf8(_request: IncomingMessage, _response: ServerResponse, body: Buffer): void {
  if (!isUtf8(body)) throw Object.assign(new Error("expected UTF-8"), { status: 400 });
}

/** Bodies that cannot be read come here with a status of 4xx. */
const answerErrors: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) return next(error);
  const status: number = error.status ?? 500;
  if (status >= 500) console.error(error);
  response.status(status).json({ error: status < 500 ? error.message : "internal error" });
};
