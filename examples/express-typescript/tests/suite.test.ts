// The whole conformance suite. It starts the app itself, kills it, and starts it again.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { expect, onTestFinished } from "vitest";

import { APP, PROGRAM, end, test } from "./harness.js";

test("the app passes the suite", { timeout: 600_000 }, async ({ folder }) => {
  const address = "http://127.0.0.1:{port}";
  const options = ["--spawn", APP, "--state-url", `${address}/state`, "--level", "may"];
  const check = spawn(PROGRAM, ["check", `${address}/webhook`, ...options, "--failures", join(folder, "failures")], {
    env: { ...process.env, DATABASE: join(folder, "receiver.db"), EXPOSE_STATE: "true" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(check, "spawn");
  // It ends the app too.
  onTestFinished(() => end(check, "SIGINT"));
  const [report] = await Promise.all([text(check.stdout), once(check, "exit")]);
  expect(check.exitCode, report).toBe(0);
});
