#!/usr/bin/env bash
# Makes the npm packages from the archives of a release.
#
#     .github/scripts/npm.sh ARCHIVES FOLDER [--all]
#
# ARCHIVES is a folder of what archive.sh has made; the packages go into FOLDER, as `npm publish` takes them. With --all
# each platform must be there.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

programs=()
for archive in "$1"/paragon-testkit-*.tar.gz; do
  name=$(basename "$archive" .tar.gz)
  tar -xzf "$archive" -C "$work"
  program=$work/$name/paragon-testkit
  if [ ! -e "$program" ]; then program+=.exe; fi
  # paragon-testkit-VERSION-ARCH-VENDOR-SYSTEM…; a version may have dashes too.
  target=$(sed -E 's/.*-((x86_64|aarch64)-.*)/\1/' <<< "$name")
  programs+=("$target=$program")
done
node "$root/npm/build.mjs" "${@:3}" "$work/npm" "${programs[@]}"
for package in "$work"/npm/*/; do
  npm pack "$package" --pack-destination "$2" --silent
done
