"""Makes the pictures of a report: docs/src/report.png, also for the README, and docs/src/report-phone.png.

    python3 docs/picture.py [--program target/debug/paragon-testkit] [--chromium chromium]

Runs `check` against a receiver that ignores deletions, writes the HTML report, and takes pictures of the page with
Chromium, on a desktop and on a phone. The seed and the start time are fixed, so the pictures differ from run to run only in durations and ports.
Uses only the standard library.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {ROOT / "docs/src/report.png": "1100,620", ROOT / "docs/src/report-phone.png": "390,844"}
CASE_FAILED = 1


def write_report(program, page, folder):
    """Runs the suite, and writes its HTML report to `page`. One case must fail."""
    command = [
        program, "check", "http://127.0.0.1:{port}/webhook",
        "--spawn", "python3 tests/receivers/python/broken.py drops-deletions",
        "--state-url", "http://127.0.0.1:{port}/state",
        "--settle", "3s", "--seed", "7", "--start", "2026-01-01T00:00:00Z",
        "--failures", str(folder / "failures"), "--report", f"html={page}",
    ]  # fmt: skip
    env = os.environ | {"STATE_FILE": str(folder / "state")}
    env.pop("GITHUB_ACTIONS", None)
    code = subprocess.run(command, cwd=ROOT, env=env).returncode
    if code != CASE_FAILED:
        sys.exit(f"check ended with exit code {code}, expected {CASE_FAILED}: the receiver must fail a case")


def take_picture(chromium, page, folder, picture, size):
    """Opens `page` in Chromium, and writes what a window of this size shows to `picture`."""
    command = [
        chromium, "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={size}", f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    picture.unlink(missing_ok=True)
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0 or not picture.exists():
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
        for picture, size in PICTURES.items():
            take_picture(typed.chromium, page, folder, picture, size)
            print(f"wrote {picture.relative_to(ROOT)}")


main()
