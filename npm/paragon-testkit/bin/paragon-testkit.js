#!/usr/bin/env node
// Runs the program from the package of this platform, with the same arguments, streams, signals and exit code.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

function program() {
  if (process.env.PARAGON_TESTKIT_BINARY) return process.env.PARAGON_TESTKIT_BINARY;
  const platform = `${process.platform}-${process.arch}`;
  const suffix = process.platform === "win32" ? ".exe" : "";
  try {
    return require.resolve(`@paragon-testkit/${platform}/bin/paragon-testkit${suffix}`);
  } catch {
    const known = Object.keys(require("../package.json").optionalDependencies ?? {});
    const why = known.includes(`@paragon-testkit/${platform}`)
      ? `the package @paragon-testkit/${platform} is not installed: install again without --omit=optional, ` +
        "and not from a node_modules or lock file of another platform"
      : `there is no package for ${platform}: build it with \`cargo install --locked paragon-testkit-cli\`, ` +
        "and set PARAGON_TESTKIT_BINARY to it";
    console.error(`error: ${why}`);
    process.exit(3);
  }
}

const child = spawn(program(), process.argv.slice(2), { stdio: "inherit", windowsHide: true });

// Passes signals on to the program. A terminal sends Ctrl-C to both processes; a second signal does no harm.
const passed = ["SIGINT", "SIGTERM", "SIGHUP"];
const pass = (signal) => child.kill(signal);
passed.forEach((signal) => process.on(signal, pass));

child.on("error", (error) => {
  console.error(`error: cannot run ${child.spawnfile}: ${error.message}`);
  process.exit(3);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  passed.forEach((signal) => process.removeListener(signal, pass));
  // Ends by the same signal as the program. If the signal does not end this process, it ends with the code that a shell
  // reports for the signal.
  process.kill(process.pid, signal);
  process.exitCode = 128 + (constants.signals[signal] ?? 0);
});
