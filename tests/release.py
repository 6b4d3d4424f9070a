"""Checks the parts of a release without making one: the crates, the files for Docker, the archive, npm, the action.

    python3 tests/release.py PROGRAM

This program needs bash, node and npm, and the Python packages PyYAML, check-jsonschema and zizmor; .ci/run has their
versions. PROGRAM is packed and installed; a debug build is enough.
"""

import hashlib
import http.server
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
BASE = "http://127.0.0.1:{port}"
TARGETS = {
    ("Linux", "x86_64"): ("x86_64-unknown-linux-musl", "Linux", "X64"),
    ("Linux", "aarch64"): ("aarch64-unknown-linux-musl", "Linux", "ARM64"),
    ("Darwin", "x86_64"): ("x86_64-apple-darwin", "macOS", "X64"),
    ("Darwin", "arm64"): ("aarch64-apple-darwin", "macOS", "ARM64"),
}

if len(sys.argv) != 2:
    sys.exit(__doc__)
program = pathlib.Path(sys.argv[1]).resolve()
target, runner_os, runner_arch = TARGETS[platform.system(), platform.machine()]
work = pathlib.Path(tempfile.mkdtemp(prefix="paragon-testkit-release-"))
problems = []
# Removes the debug information, because packing it takes minutes.
stripped = work / "program"
stripped.mkdir()
if shutil.which("strip") and subprocess.run(["strip", "-o", stripped / "paragon-testkit", program]).returncode == 0:
    program = stripped / "paragon-testkit"


def demand(what, text):
    if not what:
        problems.append(str(text))
    return what


def run(*command, **options):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, **{"cwd": ROOT, **options})


def packages():
    """Checks the packages that `cargo publish` would send: complete, small, and without a warning from Cargo."""
    folder = work / "package"
    ran = run("cargo", "package", "-p", "paragon-testkit", "-p", "paragon-testkit-cli", "--no-verify", "--locked", "--allow-dirty", "--target-dir", folder)
    if not demand(ran.returncode == 0, f"cargo package ended with {ran.returncode}\n{ran.stderr}"):
        return
    # Tests and benches need the repository, so they are not part of the package.
    left_out = r"ignoring (test|benchmark) `\w+` as `[\w/.]+` is not included in the published package"
    for warning in re.findall(r"^warning: (.*)", ran.stderr, re.MULTILINE):
        demand(re.fullmatch(left_out, warning), f"cargo package warns: {warning}")

    def tracked(*folders):
        return set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders).stdout.split())

    both = {"Cargo.toml", "Cargo.lock", "README.md", "LICENSE-MIT", "LICENSE-APACHE"}
    library = tracked("src", "schemas", "fixtures") | {"build.rs", "CHANGELOG.md", "tests/schemas/sarif-2.1.0.json"}
    ours = {"paragon-testkit": library, "paragon-testkit-cli": {f[len("cli/") :] for f in tracked("cli/src")}}
    for name, expected in ours.items():
        archive = folder / "package" / f"{name}-{VERSION}.crate"
        top = f"{name}-{VERSION}/"
        with tarfile.open(archive) as tar:
            files = {member.name.removeprefix(top): member for member in tar.getmembers()}
            links = [file for file, member in files.items() if not member.isfile()]
            manifest = tomllib.loads(tar.extractfile(top + "Cargo.toml").read().decode())["package"]
        made = {"Cargo.toml.orig", ".cargo_vcs_info.json"}
        demand(not (missing := expected | both - files.keys() - made) - files.keys(), f"{archive.name} lacks {missing}")
        demand(not (more := files.keys() - expected - both - made), f"{archive.name} has {sorted(more)} too")
        demand(not links, f"{archive.name} has links: {links}")
        demand(archive.stat().st_size < 2**20, f"{archive.name} has {archive.stat().st_size} bytes")
        for member in ("description", "documentation", "license", "readme", "keywords", "categories", "rust-version"):
            demand(manifest.get(member), f"{archive.name} has no {member}")


def docker_context():
    """Checks that Cargo accepts the workspace with nothing but the files that .dockerignore lets through."""
    context = work / "context"
    first, *kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    demand(first == "*" and all(line.startswith("!") for line in kept), ".dockerignore: expected `*`, then only `!PATH`")
    for line in kept:
        source, copy = ROOT / line[1:], context / line[1:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    read = run("cargo", "metadata", "--locked", "--offline", "--format-version", "1", cwd=context)
    demand(read.returncode == 0, f"the Docker build cannot read the workspace: {read.stderr}")


def archive():
    """Checks the archive of this platform: building it twice gives the same bytes."""
    made = []
    for folder in (work / "archives", work / "again"):
        ran = run(".github/scripts/archive.sh", target, program, folder)
        demand(ran.returncode == 0, f"archive.sh ended with {ran.returncode}\n{ran.stderr}")
        made.append(folder / ran.stdout.strip())
    demand(made[0].name == f"paragon-testkit-{VERSION}-{target}.tar.gz", f"archive.sh said {made[0]}")
    if platform.system() == "Linux":
        demand(made[0].read_bytes() == made[1].read_bytes(), "the archive is not the same twice")
    with tarfile.open(made[0]) as tar:
        files = {member.name.partition("/")[2]: member for member in tar.getmembers()}
    expected = "paragon-testkit README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE man/paragon-testkit.1 man/paragon-testkit-check.1"
    shells = "paragon-testkit.bash _paragon-testkit paragon-testkit.fish _paragon-testkit.ps1 paragon-testkit.elv"
    for file in expected.split() + [f"completions/{shell}" for shell in shells.split()]:
        demand(file in files and files[file].size > 100, f"{made[0].name} has no {file}")
    demand(files["paragon-testkit"].mode == 0o755, f"the program has mode {files['paragon-testkit'].mode:o}")
    return made[0]


def ends(process, within=20):
    """Waits until a process, and every process that shares its output, has ended. Returns the exit code, or "never"."""
    try:
        process.communicate(timeout=within)
        return process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "never"


def npm(archive):
    """Checks the npm packages, installed from their tarballs: their command behaves like the program itself."""
    ran = run(".github/scripts/npm.sh", archive.parent, work)
    tarballs = sorted(work.glob("*.tgz"))
    if not demand(ran.returncode == 0 and len(tarballs) == 2, f"npm.sh: {tarballs}\n{ran.stderr}"):
        return
    demand(run(".github/scripts/npm.sh", archive.parent, work, "--all").returncode == 1, "--all did without platforms")
    home = work / "app"
    home.mkdir()
    (home / "package.json").write_text('{"private": true}')
    install = "npm install --offline --no-audit --no-fund".split()
    ran = run(*install, *tarballs, cwd=home, env=os.environ | {"npm_config_cache": str(work / "cache")})
    if not demand(ran.returncode == 0, f"npm install ended with {ran.returncode}\n{ran.stderr}"):
        return
    shim = home / "node_modules/.bin/paragon-testkit"

    ran = run("npx", "--no-install", "paragon-testkit", "cases", cwd=home)
    demand(ran.returncode == 0 and ran.stdout == run(program, "cases").stdout, f"npx … cases\n{ran.stdout}{ran.stderr}")
    for args, given, code in [(["check"], "", 2), (["validate"], "{}", 1), (["validate"], "", 4), (["--version"], "", 0)]:
        ran, own = (run(command, *args, input=given) for command in (shim, program))
        same = (ran.returncode, ran.stdout) == (own.returncode, own.stdout)
        demand(ran.returncode == code and same, f"{args} ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")

    def serve(command):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "start_new_session": True}
        process = subprocess.Popen([command, "serve", "--port", "0", "--ready-json"], **options)
        return process, json.loads(process.stdout.readline())

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        codes = []
        for command in (program, shim):
            process, _ = serve(command)
            process.send_signal(getattr(signal, name))
            codes.append(ends(process))
        demand(codes[0] == codes[1], f"{name} ended the program with {codes[0]}, and npm's with {codes[1]}")
    process, _ = serve(shim)
    (child,) = run("pgrep", "-P", process.pid).stdout.split()
    os.kill(int(child), signal.SIGKILL)
    demand(ends(process) == -signal.SIGKILL, f"the program was killed, and npm's ended with {process.returncode}")

    other = run(shim, "cases", env=os.environ | {"PARAGON_TESTKIT_BINARY": str(work / "nowhere")})
    demand(other.returncode == 3 and "cannot run" in other.stderr, f"without a program: {other.returncode} {other.stderr}")
    shutil.rmtree(home / "node_modules/@paragon-testkit")
    ran = run(shim, "cases")
    demand(ran.returncode == 3 and "--omit=optional" in ran.stderr, f"without its package: {ran.returncode} {ran.stderr}")


class Job:
    """A simulated job on GitHub, with everything that the action can see."""

    steps = yaml.safe_load((ROOT / "action.yml").read_text())

    def __init__(self, name, path=None, server="https://github.invalid", repository="owner/testkit", ref="main"):
        self.folder = work / "jobs" / name
        self.temp = self.folder / "temp"
        self.temp.mkdir(parents=True)
        self.summary = self.folder / "summary"
        self.summary.write_text("")
        self.path = path
        self.github = {"action_repository": repository, "action_ref": ref, "server_url": server}

    def run(self, **inputs):
        """Runs the steps. Returns the exit code of the last one, and the outputs of the action."""
        declared = self.steps["inputs"]
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= declared.keys(), given
        values = {f"inputs.{name}": given.get(name, declared[name].get("default", "")) for name in declared}
        values |= {f"github.{name}": value for name, value in self.github.items()}

        def filled(text):
            return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values.get(found[1], ""), text)

        self.said, code = "", 0
        for step in self.steps["runs"]["steps"]:
            assert "${{" not in step["run"], "an expression in a script can be anything"
            script, output = self.folder / f"{step['id']}.sh", self.folder / f"{step['id']}.output"
            script.write_text(step["run"])
            output.write_text("")
            env = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
            env |= {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.summary)}
            env |= {"RUNNER_OS": runner_os, "RUNNER_ARCH": runner_arch, "RUNNER_TEMP": str(self.temp)}
            env |= {name: filled(value) for name, value in step["env"].items()}
            if self.path:
                env["PATH"] = f"{self.path}:{env['PATH']}"
            where = ROOT / filled(step.get("working-directory", "."))
            ran = run("bash", "--noprofile", "--norc", "-eo", "pipefail", script, cwd=where, env=env)
            self.said += ran.stdout + ran.stderr
            for line in output.read_text().splitlines():
                name, _, value = line.partition("=")
                values[f"steps.{step['id']}.outputs.{name}"] = value
            code = ran.returncode
            if code:
                break
        return code, {name: filled(output["value"]) for name, output in self.steps["outputs"].items()}


def action_checks():
    """Checks the action with an installed program: the arguments that it passes, and how it handles the result."""
    failures = f"--failures {work / 'failures'} --settle 1s --seed 7"
    receiver = {"program": str(program), "url": f"{BASE}/webhook", "state_url": f"{BASE}/state"}
    job = Job("good")
    args = f"--case 'rec-updated'\n  --case \"rec-created\" {failures}\n"
    code, told = job.run(**receiver, spawn="python3 tests/receivers/python/receiver.py", args=args)
    demand((code, told["exit-code"]) == (0, "0"), f"a good receiver: {code} {told}\n{job.said}")
    demand("rec-updated" in job.summary.read_text(), f"the summary of the step: {job.summary.read_text()}")
    files = {name: pathlib.Path(told[name]) for name in ("junit", "sarif", "json", "html")}
    if demand(all(file.is_file() for file in files.values()), f"reports: {told}\n{job.said}"):
        ran = {case["id"] for case in json.loads(files["json"].read_text())["cases"] if case["verdict"] == "pass"}
        demand(ran == {"rec-updated", "rec-created"}, f"args chose {ran}")

    job = Job("broken")
    broken = "python3 tests/receivers/python/broken.py drops-deletions"
    code, told = job.run(**receiver, spawn=broken, args=f"--case rec-deleted {failures}")
    demand((code, told["exit-code"]) == (1, "1"), f"a broken receiver: {code} {told}\n{job.said}")
    demand("rec-deleted" in pathlib.Path(told["sarif"]).read_text(), f"SARIF: {told}")
    demand("\n::error title=rec-deleted" in job.said, f"no annotation\n{job.said}")

    # Blanks are not passed as an argument: the receiver is started, and ends.
    for name, args, expected in [("blanks", " \n", 3), ("quote", "--case 'rec", 2)]:
        job = Job(name)
        code, told = job.run(**receiver, spawn="true", args=args)
        demand(code == expected, f"{name}: {code} {told}\n{job.said}")

    # The value of an input cannot inject code into the script.
    job = Job("sly")
    sly = f"$(touch {work}/sly) `touch {work}/sly`; touch {work}/sly"
    code, told = job.run(program=str(program), url=sly, args=f'--list "{sly}" --case "a b"')
    demand((code, told["exit-code"]) == (2, "2"), f"what is no address: {code} {told}\n{job.said}")
    demand(not (work / "sly").exists(), "an input was run")


def action_installs(archive):
    """Checks how the action installs the program: from a release with the right checksum, or else from crates.io."""
    tag = work / f"web/owner/testkit/releases/download/v{VERSION}"
    tag.mkdir(parents=True)
    shutil.copy(archive, tag)
    right = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n"
    (tag / "SHA256SUMS").write_text(right)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=work / "web")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Simulates cargo: prints its arguments, and installs the program of this test.
    (work / "bin").mkdir()
    cargo = work / "bin/cargo"
    cargo.write_text(f'#!/bin/sh\necho "cargo $*"\nmkdir -p bin && cp {program} bin/paragon-testkit\n')
    cargo.chmod(0o755)

    def install(name, ref="main", version="", repository="owner/testkit"):
        job = Job(name, work / "bin", f"http://127.0.0.1:{server.server_port}", repository, ref)
        return (*job.run(url=BASE, args="--list --case rec-updated", version=version), job.said)

    for name, chosen in {"tag": {"ref": f"v{VERSION}"}, "version": {"version": VERSION}}.items():
        code, told, said = install(name, **chosen)
        demand(code == 0 and archive.name[:-7] in told["program"] and "cargo" not in said, f"{name}: {code} {told}\n{said}")
    (tag / "SHA256SUMS").write_text(right[1:].replace("  ", "0  "))
    code, told, said = install("wrong-sum", version=VERSION)
    demand(code == 3 and "::error::" in said and not told["program"], f"a wrong sum: {code} {told}\n{said}")
    asked = "cargo install --locked --root . paragon-testkit-cli"
    for name, chosen, version in [
        ("gone", {"version": "v0.0.9"}, " --version 0.0.9"),
        ("branch", {}, ""),
        ("local", {"repository": "", "ref": ""}, ""),
    ]:
        code, told, said = install(name, **chosen)
        built = told["program"].endswith("/program/bin/paragon-testkit")
        demand(code == 0 and built and f"{asked}{version}\n" in said, f"{name}: {code} {told}\n{said}")
    server.shutdown()


def workflows():
    """Checks the files for GitHub with schemas and with a linter."""
    tools = pathlib.Path(sys.executable).parent
    files = {
        "github-workflows": sorted((ROOT / ".github/workflows").glob("*.yml")),
        "github-actions": [ROOT / "action.yml"],
        "dependabot": [ROOT / ".github/dependabot.yml"],
    }
    for schema, paths in files.items():
        ran = run(tools / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)
        demand(ran.returncode == 0, ran.stdout + ran.stderr)
    ran = run(tools / "zizmor", "--offline", "--quiet", "--min-severity", "medium", ".")
    demand(ran.returncode == 0, ran.stdout + ran.stderr)


def changelog():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)", text, re.MULTILINE)
    demand(headings[0] == "[Unreleased]", f"the changelog begins with {headings[0]}")
    for heading in headings[1:]:
        demand(re.fullmatch(r"\[\d+\.\d+\.\d+\S*\] - \d{4}-\d\d-\d\d", heading), f"in the changelog: {heading}")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    demand(set(re.findall(r"^### (.*)", text, re.MULTILINE)) <= kinds, f"the changelog has other kinds than {kinds}")


def timed(what, *args):
    start = time.monotonic()
    result = what(*args)
    print(f"{what.__name__}: {time.monotonic() - start:.1f} s", flush=True)
    return result


try:
    timed(changelog)
    timed(workflows)
    timed(packages)
    timed(docker_context)
    made = timed(archive)
    timed(npm, made)
    timed(action_checks)
    timed(action_installs, made)
finally:
    shutil.rmtree(work)
print("\n".join(problems) or "tests/release.py: ok")
sys.exit(bool(problems))
