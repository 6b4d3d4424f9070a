// Drives `paragon-testkit serve` from Node, only through its admin API.
//
//     cargo build && node --test tests/clients/node/

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const PROGRAM =
  process.env.PARAGON_TESTKIT ?? fileURLToPath(new URL("../../../target/debug/paragon-testkit", import.meta.url));

let serve, paragon, app;
const events = [];

/** Makes a JSON call of the admin API. Throws an error with the message if the call is refused. */
async function admin(method, path, body) {
  const answer = await fetch(`${paragon.adminUrl}/${path}`, { method, body: body && JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(`${answer.status}: ${json.message}`);
  return json;
}

before(async () => {
  // The app under test: it accepts and keeps events.
  app = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    events.push(JSON.parse(body));
    response.end();
  });
  await new Promise((listening) => app.listen(0, "127.0.0.1", listening));
  const webhook = `http://127.0.0.1:${app.address().port}/webhook`;

  const options = ["serve", "--port", "0", "--speed", "0", "--ready-json", "--quiet", "--webhook", webhook];
  serve = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: serve.stdout })) {
    paragon = JSON.parse(line);
    break;
  }
});

after(() => {
  serve.kill("SIGINT");
  app.close();
});

test("a file reaches the app and leaves it", async () => {
  const { credentialId } = await admin("POST", "accounts", { user: "user_ada", integration: "googledrive" });
  const objects = `accounts/${credentialId}/objects`;
  const { externalId } = await admin("POST", objects, { pipeline: "files", object: { name: "Q1 report.pdf" } });
  const sync = await admin("POST", "syncs", { user: "user_ada", integration: "googledrive", pipeline: "files" });
  await admin("POST", "clock/settle");
  assert.deepEqual(events.map((event) => event.event), ["sync_complete"]);

  // Then the app pulls the records with the token of the user.
  const { token } = await admin("POST", "tokens", { user: "user_ada" });
  const headers = { authorization: `Bearer ${token}` };
  const pulled = await (await fetch(`${paragon.apiUrl}/api/syncs/${sync.id}/records`, { headers })).json();
  assert.equal(pulled.data[0].name, "Q1 report.pdf");
  assert.deepEqual((await admin("GET", `syncs/${sync.id}/unfetched`)).data, []);

  await admin("DELETE", `${objects}/${externalId}`);
  const { fired } = await admin("POST", "clock/advance", { by: "24h" });
  assert.ok(fired.some((entry) => entry.event === "record_deleted" && entry.status === 200));
  assert.equal(events.at(-1).event, "record_deleted");
  assert.equal((await admin("GET", `syncs/${sync.id}/records`)).total, 0);
});

test("a state can be put back", async () => {
  const state = await admin("GET", "state");
  await admin("POST", "reset", { seed: 7 });
  assert.deepEqual((await admin("GET", "accounts")).data, []);
  await admin("PUT", "state", state);
  assert.deepEqual(await admin("GET", "state"), state);
});

test("a refusal names the member", async () => {
  await assert.rejects(admin("POST", "clock/advance", { by: "soon" }), /400: \/by: expected a duration such as 90s/);
});
