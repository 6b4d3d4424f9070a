// A fake Paragon and the app, each as a process of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { expect, test as plain, vi } from "vitest";

export const PROGRAM = process.env["PARAGON_TESTKIT"] ?? "paragon-testkit";
export const APP = "node dist/main.js";

const BOUND = { timeout: 15_000, interval: 20 };

export interface Entry {
  kind: string;
  text: string;
  decision?: string;
  status?: number;
}

/** The fake, through its admin API. Its clock stands still until a test moves it. */
export class Paragon {
  private constructor(
    readonly process: ChildProcess,
    readonly ready: { apiUrl: string; adminUrl: string; projectId: string; signingKey: string },
  ) {}

  static async start(webhook: string): Promise<Paragon> {
    const options = ["serve", "--port", "0", "--speed", "0", "--ready-json", "--quiet", "--webhook", webhook];
    const process = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "inherit"] });
    await once(process, "spawn");
    const [line] = (await once(createInterface({ input: process.stdout }), "line")) as [string];
    return new Paragon(process, JSON.parse(line));
  }

  async admin<Answer = unknown>(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await fetch(`${this.ready.adminUrl}/${path}`, { method, body: body ? JSON.stringify(body) : null });
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as Answer;
  }

  async connect(user: string): Promise<Drive> {
    const wanted = { user, integration: "googledrive" };
    const { credentialId } = await this.admin<{ credentialId: string }>("POST", "accounts", wanted);
    return new Drive(this, user, `accounts/${credentialId}/objects`);
  }

  /** Resolves to what happened meanwhile. */
  async advance(by: string): Promise<Entry[]> {
    return (await this.admin<{ fired: Entry[] }>("POST", "clock/advance", { by })).fired;
  }

  async calls(): Promise<string[]> {
    const { data } = await this.admin<{ data: Entry[] }>("GET", "timeline");
    return data.filter((entry) => entry.kind === "call").map((entry) => entry.text);
  }

  async close(): Promise<void> {
    await end(this.process, "SIGINT");
  }
}

/** A user's account at Google Drive. */
export class Drive {
  sync = "";

  constructor(
    readonly paragon: Paragon,
    readonly user: string,
    readonly objects: string,
  ) {}

  async create(name: string): Promise<string> {
    const wanted = { pipeline: "files", object: { name } };
    return (await this.paragon.admin<{ externalId: string }>("POST", this.objects, wanted)).externalId;
  }

  async rename(file: string, name: string): Promise<void> {
    await this.paragon.admin("PATCH", `${this.objects}/${file}`, { name });
  }

  async delete(file: string): Promise<void> {
    await this.paragon.admin("DELETE", `${this.objects}/${file}`);
  }

  async enable(): Promise<void> {
    const wanted = { user: this.user, integration: "googledrive", pipeline: "files" };
    this.sync = (await this.paragon.admin<{ id: string }>("POST", "syncs", wanted)).id;
    await this.paragon.admin("POST", "clock/settle");
  }
}

export class App {
  #process: ChildProcess | undefined;
  readonly #url: string;
  readonly #environment: NodeJS.ProcessEnv;

  constructor(paragon: Paragon, port: number, folder: string) {
    this.#url = `http://127.0.0.1:${port}`;
    this.#environment = {
      ...process.env,
      PORT: String(port),
      PARAGON_API_URL: paragon.ready.apiUrl,
      PARAGON_PROJECT_ID: paragon.ready.projectId,
      PARAGON_SIGNING_KEY: paragon.ready.signingKey,
      DATABASE: join(folder, "receiver.db"),
      EXPOSE_STATE: "true",
    };
  }

  async start(): Promise<void> {
    const [command = "", ...options] = APP.split(" ");
    this.#process = spawn(command, options, { env: this.#environment, stdio: ["ignore", "ignore", "inherit"] });
    await vi.waitFor(() => fetch(`${this.#url}/state`), BOUND);
  }

  async kill(): Promise<void> {
    if (this.#process) await end(this.#process, "SIGKILL");
  }

  async post(body: string | Buffer): Promise<number> {
    return (await fetch(`${this.#url}/webhook`, { method: "POST", body })).status;
  }

  /** Waits until it holds these files of a sync, and no others. */
  async holds(sync: string, ...names: string[]): Promise<void> {
    await vi.waitFor(async () => {
      const { records } = (await (await fetch(`${this.#url}/state`)).json()) as {
        records: { syncInstanceId: string; record: { name: string } }[];
      };
      const held = records.filter((each) => each.syncInstanceId === sync).map((each) => each.record.name);
      expect(held.sort()).toEqual(names.sort());
    }, BOUND);
  }
}

/** Tests that ask for them get a fake and an app of their own, which end with the test. */
export const test = plain.extend<{ folder: string; port: number; paragon: Paragon; app: App }>({
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), "receiver-"));
    await use(folder);
    await rm(folder, { recursive: true });
  },
  port: async ({}, use) => use(await freePort()),
  paragon: async ({ port }, use) => {
    const paragon = await Paragon.start(`http://127.0.0.1:${port}/webhook`);
    await use(paragon);
    await paragon.close();
  },
  app: async ({ paragon, port, folder }, use) => {
    const app = new App(paragon, port, folder);
    try {
      await app.start();
      await use(app);
    } finally {
      await app.kill();
    }
  },
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export async function end(process: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = once(process, "exit");
  process.kill(signal);
  await ended;
}
