// PARAGON_PROJECT_ID=… PARAGON_SIGNING_KEY="$(cat key.pem)" npm start

import { z } from "zod";

import { createApp } from "./app.js";
import { SyncApi, UserTokens } from "./paragon.js";
import { Store } from "./store.js";
import { Worker } from "./worker.js";

const settings = z
  .object({
    PORT: z.coerce.number().default(3000),
    HOST: z.string().default("127.0.0.1"),
    PARAGON_API_URL: z.string().default("https://sync.useparagon.com"),
    PARAGON_PROJECT_ID: z.string(),
    /** The project's private key, as PEM. */
    PARAGON_SIGNING_KEY: z.string(),
    DATABASE: z.string().default("receiver.db"),
    /** Lets anybody read every record of every user: for tests alone. */
    EXPOSE_STATE: z.stringbool().default(false),
  })
  .parse(process.env);

const store = new Store(settings.DATABASE);
const tokens = new UserTokens(settings.PARAGON_SIGNING_KEY, settings.PARAGON_PROJECT_ID);
const worker = new Worker(store, new SyncApi(settings.PARAGON_API_URL, tokens));
worker.start();

createApp(store, worker, settings.EXPOSE_STATE).listen(settings.PORT, settings.HOST, (error) => {
  if (error) throw error;
  console.log(`listening at http://${settings.HOST}:${settings.PORT}`);
});

// What was answered is on the disk, and what is under way is done again after the next start.
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
