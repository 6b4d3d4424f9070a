#!/usr/bin/env python3
"""Measures everything that docs/src/benchmarks.md lists, and prints the table; `--write` puts it there.

    python3 benches/run.py --write
    python3 benches/run.py PART...

PART is one of contract, servers, delivery, check, build. Without a PART, all of them run, including two cold builds of
all dependencies. `--write` needs all parts, because the page says on which day they were measured. Run this program on
a machine that does nothing else. It needs Python 3, Node and cargo.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/src/benchmarks.md"
BEGIN, END = "<!-- measured by benches/run.py -->\n", "<!-- end -->"

# What is measured, the target, and the name of the figure.
ROWS = [
    ("events delivered per second, 64 at a time, to a trivial receiver", "≥ 0.8 × a bare reqwest loop to the same receiver", "delivery"),
    ("pages of the Sync API per second (20 records), wiremock server", "≥ 0.8 × a wiremock mock with a fixed body of that size", "wiremock"),
    ("the same, hyper server", "≥ 0.6 × bare hyper with a fixed body of that size", "hyper"),
    ("memory of a fake on hyper over 1,000,000 requests", "flat", "soak"),
    ("the last page of a sync with 10,000,000 records ÷ the first page of one with 1,000", "≤ 1.2", "end"),
    ("memory for 10,000,000 synthetic records", "≤ 64 MiB above idle", "synthetic"),
    ("a five-day schedule of retries for 1,000 failing events", "≤ 2 × the time of the bare requests that it makes", "days"),
    ("validating one event", "within 2 × of `jsonschema` with that event's schema alone", "validate"),
    ("`check`, all cases, with a good receiver", "≤ 30 s", "check"),
    ("cold build of the library as a dev-dependency", "≤ 1.15 × its dependencies alone", "build"),
]

TREE = ["cargo", "tree", "--locked", "-p", "paragon-testkit", "-e", "normal", "--prefix", "none", "--format", "{p}"]


def run(*command, **options):
    print("$", *command, flush=True)
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, **options)
    print(done.stdout, flush=True)
    return done.stdout


def find(pattern, text):
    found = re.search(pattern, text)
    return found[1] if found else sys.exit(f"the output has no {pattern}")


def contract():
    run("cargo", "bench", "--locked", "--bench", "contract", "--", "--warm-up-time", "0.5", "--measurement-time", "1")

    def median(group, name):
        estimates = ROOT / "target/criterion" / group / name / "new/estimates.json"
        return json.loads(estimates.read_text())["median"]["point_estimate"]

    worst = max(
        median(f"validate {kind}", ours) / median(f"validate {kind}", f"jsonschema, {alone}")
        for kind in ("sync_complete", "record_created", "record_errored")
        for ours, alone in (("is_valid", "is_valid"), ("validate_event", "errors"))
    )
    return {"validate": f"{worst:.2f} × at most"}


def servers():
    text = run("cargo", "bench", "--locked", "--bench", "servers")
    return {
        "hyper": find(r"the fake on hyper .* (\S+) of bare hyper", text) + " ×",
        "wiremock": find(r"the fake on wiremock .* (\S+) of the fixed mock", text) + " ×",
        "end": find(r"takes (\S+) of the time\nmemory", text),
        "synthetic": find(r"above idle: (\d+) MiB", text) + " MiB",
        "soak": "grows by " + find(r"grown since by (\d+) KiB", text) + " KiB after the first 100,000",
    }


def delivery():
    text = run("cargo", "bench", "--locked", "--bench", "delivery")
    return {"delivery": find(r"64 in flight.* (\S+) of it", text) + " ×", "days": find(r"(\S+) times as long", text) + " ×"}


def check():
    run("cargo", "build", "--locked", "--release", "-p", "paragon-testkit-cli")
    told = []
    for name, command in (
        ("Node, queue", "node tests/receivers/node/receiver.mjs"),
        ("Python, fetching", "python3 tests/receivers/python/receiver.py"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            text = run(
                "target/release/paragon-testkit", "check", "http://127.0.0.1:{port}/webhook",
                "--state-url", "http://127.0.0.1:{port}/state", "--spawn", command, "--env", f"STATE_FILE={folder}/state",
                "--level", "may", "--seed", "1", "--failures", f"{folder}/failures",
            )
        took = find(r", policy [^,]*, (\S+) s\n", text)
        told.append(f"{took} s ({name})")
    return {"check": ", ".join(told)}


def build():
    """Measures cold builds of a crate that depends on the library, and of one that depends on the library's dependencies.

    Cargo builds path dependencies incrementally and registry dependencies not, so incremental builds are switched off."""
    metadata = json.loads(run("cargo", "metadata", "--format-version", "1", "--locked", "--no-deps"))
    (library,) = (package for package in metadata["packages"] if package["name"] == "paragon-testkit")
    tree = run(*TREE)
    direct = {line.split()[0] for line in run(*TREE, "--depth", "1").splitlines()[1:]}
    lines = []
    for each in library["dependencies"]:
        if each["kind"] is None and each["name"] in direct:
            default = str(each["uses_default_features"]).lower()
            more = f'default-features = {default}, features = {json.dumps(each["features"])}'
            lines.append(f'{each["name"]} = {{ version = "{each["req"]}", {more} }}')
    ours = [f'paragon-testkit = {{ path = "{ROOT}" }}']
    took = {}
    for name, dependencies in (("alone", lines), ("ours", ours)):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "src").mkdir()
            (Path(folder) / "src/lib.rs").write_text("")
            manifest = '[package]\nname = "cold"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n'
            (Path(folder) / "Cargo.toml").write_text(manifest + "\n".join(dependencies) + "\n")
            (Path(folder) / "Cargo.lock").write_text((ROOT / "Cargo.lock").read_text())
            environment = os.environ | {"CARGO_TARGET_DIR": f"{folder}/target", "CARGO_INCREMENTAL": "0"}
            at = ["--manifest-path", f"{folder}/Cargo.toml"]
            run("cargo", "fetch", *at, env=environment)
            begin = time.monotonic()
            run("cargo", "build", "--quiet", *at, env=environment)
            took[name] = time.monotonic() - begin
    crates = len({line.removesuffix(" (*)") for line in tree.splitlines() if line}) - 1
    return {"build": f"{took['ours'] / took['alone']:.2f} × ({took['ours']:.0f} s and {took['alone']:.0f} s; {crates} crates)"}


def table(measured):
    rows = [f"| {what} | {aim} | {measured.get(name, '')} |".replace("|  |", "| |") for what, aim, name in ROWS]
    return "\n".join(["| what | aimed at | measured |", "|---|---|---|", *rows]) + "\n"


def main():
    parts = {part.__name__: part for part in (contract, servers, delivery, check, build)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    typed = parser.parse_args()
    if unknown := [part for part in typed.parts if part not in parts]:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(parts)}")

    if typed.write and typed.parts:
        parser.error("--write is for all parts together")

    measured = {}
    for name in typed.parts or parts:
        measured |= parts[name]()
    today = datetime.date.today().isoformat()
    told = f"\nMeasured on {today}: {os.cpu_count()} cores, {platform.system()}, {platform.machine()}.\n"
    print(table(measured) + told)
    if typed.write:
        before, rest = PAGE.read_text().split(BEGIN)
        after = rest.split(END, 1)[1]
        PAGE.write_text(before + BEGIN + table(measured) + told + END + after)


if __name__ == "__main__":
    main()
