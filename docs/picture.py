"""Makes the picture of a report for the README: docs/src/report.png.

    python3 docs/picture.py [--program target/debug/paragon-testkit] [--chromium chromium]

Runs `check` against a receiver that ignores deletions, writes the HTML report, and takes a picture of the page with
Chromium. The seed and the start time are fixed, so the picture differs from run to run only in durations and ports.
Uses only the standard library.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "src" / "report.png"
CASE_FAILED = 1


def write_report(program, page, folder):
    """Runs the suite, and writes its HTML report to `page`. One case must fail."""
    command = [
        program, "check", "http://127.0.0.1:{port}/webhook",
        "--spawn", "python3 tests/receivers/python/broken.py drops-deletions",
        "--state-url", "http://127.0.0.1:{port}/state",
        "--case", "rec-*", "--settle", "3s", "--seed", "7", "--start", "2026-01-01T00:00:00Z",
        "--failures", str(folder / "failures"), "--report", f"html={page}",
    ]  # fmt: skip
    env = os.environ | {"STATE_FILE": str(folder / "state")}
    env.pop("GITHUB_ACTIONS", None)
    code = subprocess.run(command, cwd=ROOT, env=env).returncode
    if code != CASE_FAILED:
        sys.exit(f"check ended with exit code {code}, expected {CASE_FAILED}: the receiver must fail a case")


def take_picture(chromium, page, folder):
    """Opens `page` in Chromium, and writes what it shows to `PICTURE`."""
    command = [
        chromium, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
        "--window-size=1200,900", f"--screenshot={PICTURE}", page.as_uri(),
    ]  # fmt: skip
    PICTURE.unlink(missing_ok=True)
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0 or not PICTURE.exists():
        sys.exit(f"{chromium} ended with exit code {ran.returncode}, and took no picture:\n{ran.stderr}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/debug/paragon-testkit", help="the program paragon-testkit")
    parser.add_argument("--chromium", default="chromium", help="the program Chromium")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="picture-") as name:
        folder = Path(name).resolve()
        page = folder / "report.html"
        write_report(typed.program, page, folder)
        take_picture(typed.chromium, page, folder)
    print(f"wrote {PICTURE.relative_to(ROOT)}")


main()
