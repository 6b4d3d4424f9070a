// What the app holds, whatever Paragon does.

import { expect } from "vitest";

import { type Entry, test } from "./harness.js";

test("a file comes, changes and goes", async ({ paragon, app }) => {
  const drive = await paragon.connect("user_ada");
  const report = await drive.create("Q1 report.pdf");
  await drive.create("plan.docx");
  await drive.enable();
  await app.holds(drive.sync, "Q1 report.pdf", "plan.docx");

  await drive.rename(report, "Q1 report (final).pdf");
  await drive.create("notes.txt");
  await paragon.advance("1m");
  await app.holds(drive.sync, "Q1 report (final).pdf", "plan.docx", "notes.txt");

  // Deletions are seen by the full sync, once a day.
  await drive.delete(report);
  await paragon.advance("24h");
  await app.holds(drive.sync, "plan.docx", "notes.txt");
});

test("two users are kept apart", async ({ paragon, app }) => {
  const ada = await paragon.connect("user_ada");
  const bob = await paragon.connect("user_bob");
  for (const drive of [ada, bob]) {
    await drive.create(`${drive.user}.pdf`);
    await drive.enable();
  }
  await app.holds(ada.sync, "user_ada.pdf");
  await app.holds(bob.sync, "user_bob.pdf");
  // No call was made with another user's token.
  for (const call of await paragon.calls()) expect(call).toContain("-> 200");
});

test("a failing Sync API is asked again", async ({ paragon, app }) => {
  const drive = await paragon.connect("user_ada");
  await drive.create("report.pdf");
  const down = { status: { code: 503, retry_after: { seconds: 1 } } };
  await paragon.admin("POST", "faults", { on: { endpoint: "pullRecords" }, what: down, when: { next: 2 } });
  await drive.enable();
  await app.holds(drive.sync, "report.pdf");
});

test("an app that was down gets the event again", async ({ paragon, app }) => {
  const drive = await paragon.connect("user_ada");
  await drive.enable();
  await app.kill();
  await drive.create("report.pdf");
  const attempts = (await paragon.advance("1m")).filter((entry) => entry.kind === "attempt");
  expect(attempts.map((entry) => entry.decision)).toEqual(["retry"]);
  await app.start();
  await paragon.admin("POST", "clock/idle");
  await app.holds(drive.sync, "report.pdf");
});

test("what was answered outlives the process", async ({ paragon, app }) => {
  const drive = await paragon.connect("user_ada");
  await drive.create("report.pdf");
  // So that nothing can be done about the event before the process ends.
  await paragon.admin("POST", "faults", { what: { status: { code: 503 } } });
  await drive.enable();
  const { data } = await paragon.admin<{ data: Entry[] }>("GET", "deliveries");
  expect(data.at(-1)?.status).toBe(200);
  await app.kill();
  await paragon.admin("DELETE", "faults");
  await app.start();
  await app.holds(drive.sync, "report.pdf");
});

test("a disabled webhook loses nothing", async ({ paragon, app }) => {
  const drive = await paragon.connect("user_ada");
  await drive.create("kept.pdf");
  const gone = await drive.create("gone.pdf");
  await drive.enable();
  await app.holds(drive.sync, "kept.pdf", "gone.pdf");

  await paragon.admin("POST", "webhook/disable");
  await drive.create("missed.pdf");
  await drive.delete(gone);
  await paragon.advance("24h");
  await paragon.admin("POST", "webhook/enable");
  await drive.create("next.pdf");
  await paragon.advance("1m");
  await app.holds(drive.sync, "kept.pdf", "missed.pdf", "next.pdf");
});

test("what is no event is refused, and what is new is let through", async ({ app }) => {
  const noUtf8 = Buffer.from([...Buffer.from('{"event":"'), 0xff, ...Buffer.from('"}')]);
  for (const body of ["", "event=record_created", '{"event":', "[7]", "{}", noUtf8, "[".repeat(20_000)]) {
    const status = await app.post(body);
    expect(status, body.toString().slice(0, 40)).toBeGreaterThanOrEqual(400);
    expect(status, body.toString().slice(0, 40)).toBeLessThan(500);
  }
  expect(await app.post('{"event":"webhook_verification"}')).toBe(200);
  const moved = { event: "record_moved", syncInstanceId: "11111111-2222-5333-8444-555555555555" };
  expect(await app.post(JSON.stringify(moved))).toBe(200);
});
