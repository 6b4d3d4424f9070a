import { join } from "node:path";

import { expect } from "vitest";

import { Store } from "../src/store.js";
import { test } from "./harness.js";

test("a page that fails half-way leaves neither records nor cursor", ({ folder }) => {
  const store = new Store(join(folder, "receiver.db"));
  store.enqueue("sync", "user_ada");
  const pull = store.claim();
  if (!pull) throw new Error("expected a pull");
  // JSON has no bigint.
  const page = [{ id: "1", name: "good" }, { id: "2", size: 1n }];
  expect(() => store.takePage(pull, page, "cursor")).toThrow(TypeError);
  expect(store.records()).toEqual([]);
  store.postpone(pull, -1);
  expect(store.claim()?.cursor).toBeNull();
  store.close();
});
