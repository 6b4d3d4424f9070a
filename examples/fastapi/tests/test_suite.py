"""The whole conformance suite. It starts the app itself, kills it, and starts it again."""

import os
import shlex
import signal
import subprocess
from pathlib import Path

from tests.harness import APP, EXAMPLE, PROGRAM


def test_the_app_passes_the_suite(tmp_path: Path) -> None:
    address = "http://127.0.0.1:{port}"
    options = ["--spawn", f"{shlex.join(APP)} --port $PORT", "--state-url", f"{address}/state", "--level", "may"]
    check = subprocess.Popen(
        [PROGRAM, "check", f"{address}/webhook", *options, "--failures", str(tmp_path / "failures")],
        cwd=EXAMPLE,
        env=os.environ | {"DATABASE": str(tmp_path / "receiver.db"), "EXPOSE_STATE": "true"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        report, _ = check.communicate(timeout=600)
    except BaseException:
        # Then it ends the app too.
        check.send_signal(signal.SIGINT)
        check.wait()
        raise
    assert check.returncode == 0, report
