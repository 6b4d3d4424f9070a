"""Checks that no dependency of the library or the program needs a newer Rust than the workspace declares.

Together with clippy's `incompatible_msrv`, which checks our own code, this keeps `rust-version` true without a second
toolchain.
"""

import json
import subprocess
import sys

metadata = json.loads(
    subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked"])
)


def version(text):
    return tuple(int(part) for part in (text + ".0.0").split(".")[:3])


members = set(metadata["workspace_members"])
declared = {p["rust_version"] for p in metadata["packages"] if p["id"] in members}
if len(declared) != 1 or None in declared:
    sys.exit(f"the members of the workspace declare different rust-versions: {declared}")
floor = version(declared.pop())
newer = [
    f"{p['name']} {p['version']} needs Rust {p['rust_version']}"
    for p in metadata["packages"]
    if p["rust_version"] and version(p["rust_version"]) > floor
]
print("\n".join(newer) or f"every package builds with Rust {'.'.join(map(str, floor))}, as far as it says")
sys.exit(bool(newer))
