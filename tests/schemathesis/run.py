"""Runs schemathesis against `serve`, including the stateful phase: no 5xx, and no response that is not described.

    python3 tests/schemathesis/run.py PROGRAM SCHEMATHESIS

PROGRAM is the built paragon-testkit. SCHEMATHESIS is the command of that name, from PyPI. Three checks are off: that
every invalid request is refused (the fake accepts what real clients send), that every valid request is accepted (an
account must exist before its sync), and that undocumented methods get a 405.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ensure_resource_availability",
    "use_after_free",
    "ignored_auth",
]
SERVE = ["serve", "--port", "0", "--ready-json", "--seed", "1"]


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def main(program, schemathesis):
    server = subprocess.Popen([program, *SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ready = json.loads(server.stdout.readline())
        admin = ready["adminUrl"]
        token = post(admin + "/tokens", {"user": "user_demo"})["token"]
        # Creates only an account: schemathesis enables the syncs itself, as in the examples of the description.
        account = post(admin + "/accounts", {"user": "user_demo", "integration": "googledrive"})["credentialId"]
        post(f"{admin}/accounts/{account}/fill", {"pipeline": "files", "count": 50, "seed": 1})
        description = HERE.parents[1] / "schemas" / "openapi.yaml"
        command = [
            schemathesis, "run", str(description), "--url", ready["apiUrl"],
            "--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing,stateful", "--seed", "1", "--max-examples", "50",
            "--warnings", "off", "--no-color", "--continue-on-failure",
        ]
        environment = {
            **os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
        }
        # schemathesis writes what it finds into the working folder.
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(command, env=environment, cwd=folder, check=False).returncode
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
