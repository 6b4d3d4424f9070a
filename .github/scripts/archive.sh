#!/usr/bin/env bash
# Makes the archive of a release: the program, what a shell and `man` need to know of it, and the licences.
#
#     .github/scripts/archive.sh TARGET PROGRAM FOLDER
#
# It runs the program, on the machine that it was built for. Prints the archive's name. Archives of the same program are
# the same bytes wherever tar is GNU's.
set -euo pipefail

target=$1 program=$2 out=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
said=$("$program" --version)
name="paragon-testkit-${said#paragon-testkit }-$target"

mkdir -p "$out/$name/completions"
case "$target" in
  *windows*) cp "$program" "$out/$name/paragon-testkit.exe" ;;
  *) install -m 755 "$program" "$out/$name/paragon-testkit" ;;
esac
cp "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$out/$name/"

"$program" completions bash > "$out/$name/completions/paragon-testkit.bash"
"$program" completions zsh > "$out/$name/completions/_paragon-testkit"
"$program" completions fish > "$out/$name/completions/paragon-testkit.fish"
"$program" completions powershell > "$out/$name/completions/_paragon-testkit.ps1"
"$program" completions elvish > "$out/$name/completions/paragon-testkit.elv"
"$program" man --export "$out/$name/man"

cd "$out"
if tar --version | grep -q GNU; then
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" | gzip -n > "$name.tar.gz"
else
  tar -czf "$name.tar.gz" "$name"
fi
rm -r "$name"
echo "$name.tar.gz"
