// Receivers that are wrong on purpose: each has one bug, and is otherwise the receiver of receiver.mjs.
//
//     node broken.mjs BUG

import { Receiver, serve } from "./receiver.mjs";

const KNOWN_MEMBERS = ["event", "sync", "syncInstanceId", "credentialId", "user", "data", "error"];

const BUGS = {
  "drops-deletions": class extends Receiver {
    remove() {}
  },
  "pulls-one-page": class extends Receiver {
    async pull(sync, user) {
      const held = this.held(sync);
      const query = new URLSearchParams({ pageSize: "100", ...(held.cursor && { cursor: held.cursor }) });
      const page = await this.get(`/api/syncs/${sync}/records?${query}`, user);
      for (const record of page.data) this.take(sync, record);
      held.cursor = page.paging.cursor;
    }
  },
  "rejects-unknown-members": class extends Receiver {
    async onEvent(event) {
      const known = Object.keys(event).every((member) => KNOWN_MEMBERS.includes(member));
      return known ? super.onEvent(event) : 500;
    }
  },
  "inserts-twice": class extends Receiver {
    created = new Set();
    async onChange(sync, user, event) {
      await super.onChange(sync, user);
      const id = event.data.recordId;
      if (event.event !== "record_created") return;
      const rows = this.held(sync).records.get(id);
      if (this.created.has(id)) rows?.push(rows[0]);
      this.created.add(id);
    }
  },
  "answers-too-late": class extends Receiver {
    async handle(body) {
      const status = await super.handle(body);
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      return status;
    }
  },
  "forgets-when-api-fails": class extends Receiver {
    async untilItWorks(work) {
      await work().catch((error) => console.error(`${error.message}, forgotten`));
    }
  },
};

const bug = BUGS[process.argv[2]];
if (bug === undefined) {
  console.error(`usage: broken.mjs BUG, one of:\n  ${Object.keys(BUGS).join("\n  ")}`);
  process.exit(2);
}
serve(new bug());
