#!/usr/bin/env python3
"""Breaks one line of an example at a time, and fails unless the example's own tests notice each.

    python3 examples/break.py fastapi

What it does stands in the example's README, under "Lines that matter". There is a block of commands: the first prepares
the example, once; the last runs its tests; those between must succeed also when a line is broken, as a compiler should.
And there is a table, whose rows say what is broken, in which file, what the line is, and what it becomes.

It works on a copy of the repository, as git sees it. Nothing but Python is needed, and what the example needs.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 1200


def main(name):
    commands, rows = lines_that_matter(ROOT / "examples" / name / "README.md")
    with tempfile.TemporaryDirectory(prefix="broken-") as folder:
        copy_repository(Path(folder))
        example = Path(folder) / "examples" / name
        wrong = not judge("as it is", example, commands, should_pass=True)
        for what, file, line, broken in rows if not wrong else []:
            path = example / file
            whole = path.read_text()
            path.write_text(with_line(whole, line, broken, path))
            wrong |= not judge(f"broken: {what}", example, commands[1:], should_pass=False)
            path.write_text(whole)
    return int(wrong)


def lines_that_matter(readme):
    """The commands, and the rows of the table."""
    section = readme.read_text().partition("\n## Lines that matter\n")[2].partition("\n## ")[0]
    block = re.search(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    rows = [re.split(r"(?<!\\)\|", row.strip())[1:-1] for row in section.splitlines() if row.startswith("|")]
    rows = [[cell.strip().strip("`").replace("\\|", "|") for cell in row] for row in rows[2:]]
    if not block or not rows or any(len(row) != 4 for row in rows):
        sys.exit(f"{readme}: expected a block of commands and a table of four columns under Lines that matter")
    return block[1].splitlines(), rows


def copy_repository(folder):
    listing = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # It counts as changed now: what was built from a broken line the last time is older.
            shutil.copy(ROOT / name, folder / name)


def with_line(text, line, broken, path):
    lines = text.split("\n")
    found = [number for number, each in enumerate(lines) if each.strip() == line]
    if len(found) != 1:
        sys.exit(f"{path.name}: expected this line once, found it {len(found)} times: {line}")
    lines[found[0]] = lines[found[0]].replace(line, broken)
    return "\n".join(lines)


def judge(what, example, commands, should_pass):
    print(f"{example.name}, {what}: ", end="", flush=True)
    start = time.monotonic()
    for command in commands[:-1]:
        status, output = run(command, example)
        if status != 0:
            print(f"FAILED before its tests\n$ {command}\n{output}")
            return False
    status, output = run(commands[-1], example)
    passed, seconds = status == 0, time.monotonic() - start
    as_expected = passed == should_pass
    print(f"{'passes' if passed else 'fails'}, {'as' if as_expected else 'NOT AS'} it should ({seconds:.0f} s)")
    if not as_expected:
        print(f"$ {commands[-1]}\n{output}")
    elif not passed:
        failed = re.search(r"^(?!=).*FAIL.*", output, re.MULTILINE)
        print(f"  {failed[0].strip()}" if failed else output)
    return as_expected


def run(command, folder):
    """The status, and what it printed. It and all that it has started are ended when it takes too long."""
    environment = os.environ | {
        "NO_COLOR": "1",
        # A file that was changed twice within a second may look as if it had not.
        "PYTHONDONTWRITEBYTECODE": "1",
        # What Rust has built once it need not build again.
        "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")),
    }
    if os.sep in (program := environment.get("PARAGON_TESTKIT", "")):
        environment["PARAGON_TESTKIT"] = os.path.abspath(program)
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, shell=True, cwd=folder, env=environment, start_new_session=True, **options)
    try:
        output, _ = process.communicate(timeout=LONGEST)
        return process.returncode, output.decode(errors="replace")
    except BaseException:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        raise


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
