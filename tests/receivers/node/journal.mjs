// A file with one line of JSON for each change. Replaying all lines from the start restores the state.

import { open, readFile, rename } from "node:fs/promises";

export class Journal {
  #file;
  #lines = [];
  #last = Promise.resolve();
  #next = null;

  constructor(file) {
    this.#file = file;
  }

  /** Calls `replay` for each entry of the file. */
  static async read(path, replay) {
    const text = await readFile(path, "utf8").catch((error) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    // Text after the last line break was being written when the process ended, and was never reported as stored.
    for (const line of text.split("\n").slice(0, -1)) replay(JSON.parse(line));
  }

  /** Replaces the file by these entries, which contain everything that is still needed. */
  static async begin(path, entries) {
    const fresh = `${path}.new`;
    const file = await open(fresh, "w");
    await file.writeFile(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    await file.sync();
    await rename(fresh, path);
    return new Journal(file);
  }

  /** Resolves when the entry is on the disk. Entries that arrive during a write are written together afterwards. */
  append(entry) {
    this.#lines.push(`${JSON.stringify(entry)}\n`);
    this.#next ??= this.#last.then(() => this.#write());
    return this.#next;
  }

  async #write() {
    this.#last = this.#next;
    this.#next = null;
    await this.#file.appendFile(this.#lines.splice(0).join(""));
    await this.#file.datasync();
  }
}
