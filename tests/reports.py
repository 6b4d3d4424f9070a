"""Checks reports with public validators: the snapshots of the tests, and the reports of a run.

    python3 tests/reports.py PROGRAM FOLDER

This program needs the Python packages lxml, jsonschema and cmarkgfm; .ci/run has their versions. It writes all reports
into FOLDER; tests/html.mjs uses the HTML pages.
"""

import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys

import cmarkgfm
import cmarkgfm.cmark
import jsonschema
import lxml.etree

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "tests/schemas"
ENDINGS = {"json": "json", "junit": "xml", "sarif": "sarif", "md": "md", "html": "html"}
MARKDOWN = set("h2 h3 h4 p strong code pre table thead tbody tr th td details summary ul li".split())

if len(sys.argv) != 3:
    sys.exit(__doc__)
program, folder = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
problems = []


def demand(what, text):
    if not what:
        problems.append(text)


def junit(file, text, schema=lxml.etree.XMLSchema(lxml.etree.parse(SCHEMAS / "junit-10.xsd"))):
    document = lxml.etree.fromstring(text.encode())
    if not schema.validate(document):
        problems.extend(f"{file}: {error}" for error in schema.error_log)
    tests = sum(int(suite.get("tests")) for suite in document.iter("testsuite"))
    demand(tests == len(list(document.iter("testcase"))) == int(document.get("tests")), f"{file}: counts differ")


def sarif(file, text, schema=json.loads((SCHEMAS / "sarif-2.1.0.json").read_text())):
    log = json.loads(text)
    for error in jsonschema.Draft7Validator(schema).iter_errors(log):
        problems.append(f"{file}: {error.json_path}: {error.message}")
    # Requirements of GitHub code scanning beyond the schema.
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    demand(len(rules) == len(set(rules)), f"{file}: a rule is there twice")
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    demand(prints and len(prints) == len(set(prints)), f"{file}: fingerprints {prints}")
    for result in run["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        demand(re.fullmatch(r"[\w%.~-]+(/[\w%.~-]+)*", uri), f"{file}: {uri} is no path in a repository")
        demand(rules[result["ruleIndex"]] == result["ruleId"] and result["message"]["text"], f"{file}: {result}")


def report(file, text, schema=json.loads((ROOT / "schemas/report.json").read_text())):
    for error in jsonschema.Draft202012Validator(schema).iter_errors(json.loads(text)):
        problems.append(f"{file}: {error.json_path}: {error.message}")


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = {}

    def handle_starttag(self, tag, attributes):
        self.seen[tag] = self.seen.get(tag, 0) + 1


def markdown(file, text):
    """Checks the HTML that GitHub renders, before sanitizing: no text of a receiver has become markup."""
    tags = Tags()
    tags.feed(cmarkgfm.github_flavored_markdown_to_html(text, cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE))
    demand(not tags.seen.keys() - MARKDOWN, f"{file}: unexpected {tags.seen.keys() - MARKDOWN}")
    rows = re.findall(r"^\| (?:✅|❌|⚠️|❔|⏭️) ", text, re.MULTILINE)
    demand(tags.seen.get("tr") == 1 + len(rows), f"{file}: {len(rows)} rows became {tags.seen.get('tr')}")
    demand(tags.seen.get("h4") == text.count("\n#### "), f"{file}: {tags.seen}")


# The snapshots of the tests, without the header of insta.
reports = {}
for snapshot in sorted((ROOT / "src/report/snapshots").glob("*.snap")):
    name, _, form = snapshot.stem.rpartition("__")[2].rpartition("_")
    if form in ENDINGS:
        reports[f"{name}.{ENDINGS[form]}"] = snapshot.read_text().split("---\n", 2)[2] + "\n"

# The reports of a run, as in a workflow on GitHub.
base = "http://127.0.0.1:{port}"
command = [program, "check", f"{base}/webhook", "--state-url", f"{base}/state", "--settle", "300ms", "--seed", "7"]
command += ["--spawn", "python3 tests/receivers/python/broken.py drops-deletions"]
for form, ending in ENDINGS.items():
    command += ["--report", f"{form}={folder / f'run.{ending}'}"]
(folder / "run.md").write_text("What the step said before.\n")
env = os.environ | {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(folder / "run.md")}
ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
demand(ran.returncode == 1, f"the run ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")
demand("\n::error title=rec-deleted%3A a deleted record" in ran.stdout, f"no annotation in {ran.stdout}")
for ending in ENDINGS.values():
    reports[f"run.{ending}"] = (folder / f"run.{ending}").read_text()
demand(reports["run.md"].startswith("What the step said before.\n\n\n## ❌ "), reports["run.md"][:200])

judges = {"xml": junit, "sarif": sarif, "json": report, "md": markdown}
for file, text in reports.items():
    (folder / file).write_text(text)
    judges.get(file.rpartition(".")[2], lambda *_: None)(file, text)
demand(len(reports) == 13, f"expected 13 reports, got {sorted(reports)}")

print("\n".join(problems) or f"tests/reports.py: ok, {len(reports)} reports")
sys.exit(bool(problems))
