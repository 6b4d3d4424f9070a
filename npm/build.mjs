// Makes the npm packages from built programs: a package for each platform, and the package `paragon-testkit`, which
// runs the program of the platform.
//
//     node npm/build.mjs FOLDER TARGET=PROGRAM...
//
// A TARGET is a target of Rust, such as x86_64-unknown-linux-musl. The packages are written as folders into FOLDER, for
// `npm pack` or `npm publish`. Publish the packages of the platforms first. The version comes from Cargo.toml. With
// --all, a missing platform is an error.

import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PLATFORMS = {
  "x86_64-unknown-linux-musl": ["linux", "x64"],
  "aarch64-unknown-linux-musl": ["linux", "arm64"],
  "x86_64-apple-darwin": ["darwin", "x64"],
  "aarch64-apple-darwin": ["darwin", "arm64"],
  "x86_64-pc-windows-msvc": ["win32", "x64"],
  "aarch64-pc-windows-msvc": ["win32", "arm64"],
};

const here = dirname(fileURLToPath(import.meta.url));
const fail = (why) => {
  console.error(`npm/build.mjs: ${why}`);
  process.exit(1);
};

const words = process.argv.slice(2).filter((word) => word !== "--all");
const [out, ...pairs] = words;
if (!out || !pairs.length) fail("expected FOLDER TARGET=PROGRAM…");
const programs = new Map(
  pairs.map((pair) => {
    const at = pair.indexOf("=");
    const target = pair.slice(0, at);
    if (at < 1 || !PLATFORMS[target]) fail(`${pair}: expected TARGET=PROGRAM, a target being one of ${Object.keys(PLATFORMS).join(", ")}`);
    return [target, pair.slice(at + 1)];
  }),
);
const missing = Object.keys(PLATFORMS).filter((target) => !programs.has(target));
if (process.argv.includes("--all") && missing.length) fail(`no program for ${missing.join(", ")}`);

const cargo = readFileSync(join(here, "../Cargo.toml"), "utf8");
const version = /^\[workspace\.package\]\nversion = "([^"]+)"/m.exec(cargo)?.[1] ?? fail("no version in Cargo.toml");

const wrapper = JSON.parse(readFileSync(join(here, "paragon-testkit/package.json"), "utf8"));
const shared = { version, license: wrapper.license, author: wrapper.author };

function write(folder, manifest, readme) {
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  if (readme) writeFileSync(join(folder, "README.md"), readme);
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(join(here, "..", licence), join(folder, licence));
}

const optionalDependencies = {};
for (const [target, program] of programs) {
  const [os, cpu] = PLATFORMS[target];
  const name = `@paragon-testkit/${os}-${cpu}`;
  const folder = join(out, `${os}-${cpu}`);
  const file = `bin/paragon-testkit${os === "win32" ? ".exe" : ""}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "bin"), { recursive: true });
  copyFileSync(program, join(folder, file));
  // Archives from Windows and artifacts of workflows lose the executable bit.
  chmodSync(join(folder, file), 0o755);
  const manifest = {
    name,
    description: `The program paragon-testkit for ${os} on ${cpu}`,
    ...shared,
    os: [os],
    cpu: [cpu],
    files: ["bin", "LICENSE-MIT", "LICENSE-APACHE"],
    preferUnplugged: true,
    publishConfig: { access: "public" },
  };
  const readme =
    `# ${name}\n\nThe program paragon-testkit, built for ${target}. ` +
    "Install the package `paragon-testkit`, which depends on this one.\n";
  write(folder, manifest, readme);
  optionalDependencies[name] = version;
}

const folder = join(out, "paragon-testkit");
rmSync(folder, { recursive: true, force: true });
cpSync(join(here, "paragon-testkit"), folder, { recursive: true });
write(folder, { ...wrapper, version, optionalDependencies });
console.log(`${programs.size} platforms and paragon-testkit ${version} are in ${out}`);
