"""Writes the generated parts of the guide and of two READMEs: the pages of the cases, and code and tables within pages.

    python3 docs/generate.py [--check] [--program target/debug/paragon-testkit]

The pages under `docs/src/cases/` are generated completely: the cases come from `cases --json`, and the code comes from
`tests/receivers`, where each broken receiver overrides the part of a good one that it does wrong, and where `zoo.toml`
describes each receiver. In the other pages, and in the READMEs of the receivers, this program fills the places between
`<!-- generated: … -->` and `<!-- end -->`. With `--check`, it writes nothing, and fails if something is out of date. It
uses only the standard library of Python 3.11.
"""

import argparse
import ast
import difflib
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "src"
RECEIVERS = ROOT / "tests" / "receivers"
READMES = [RECEIVERS / "README.md", RECEIVERS / "right" / "README.md"]

FAMILIES = {
    "ack": (
        "Answering",
        "These cases check that the webhook endpoint answers every event in time, in whatever form the event comes. "
        "The [six events](../payloads.md) are `sync_complete`, `sync_errored`, `record_created`, `record_updated`, "
        "`record_deleted` and `record_errored`.",
    ),
    "pull": (
        "Pulling",
        "These cases check how the receiver uses the Sync API: pages of the "
        "[feed](../concepts.md#users-accounts-syncs-feeds-cursors), cursors, tokens, failed calls, and the number of "
        "calls.",
    ),
    "rec": (
        "Records",
        "These cases check that the receiver holds the right records in the end: after records are created, changed "
        "and deleted, and after events that are duplicate, late or forged, or about records with unusual content.",
    ),
    "iso": (
        "Several users and syncs",
        "These cases check that the receiver keeps the data of each user, and the records of each sync, apart.",
    ),
    "out": (
        "Outages",
        "These cases check that the receiver ends up with the right records when it is down, killed or cut off, when "
        "the Sync API fails, or when the webhook is disabled.",
    ),
    "conv": (
        "Generated histories",
        "These cases play [histories](../concepts.md#scenario-and-policy): random sequences of changes and faults that "
        "are generated from the seed. After each history, nothing fails for a day of virtual time. Then the receiver "
        "must hold the records that the provider has. If the receiver holds wrong records, the suite shrinks the "
        "history to a few steps and saves it as a [scenario](../scenario.md).",
    ),
    "pol": (
        "Delivery policies",
        "These cases check that the receiver loses nothing when it cannot be reached for a while. The result depends "
        "on the [policy](../policies.md), which says how often and for how long events are sent again. "
        "`--all-policies` runs these cases under each policy that `policies` lists and that can run.",
    ),
}

# The bug that shows a case best, if it is not the first one in tests/receivers/zoo.toml.
SHOWN = {
    "ack-malformed": "crashes-on-malformed",
    "ack-odd": "finds-event-by-text",
    "pull-null-cursor": "N null-cursor-ends-sync",
    "pull-no-hammering": "hammers",
    "rec-created": "ignores-created",
    "rec-updated": "skips-bodies-seen-before",
    "rec-forged-sync": "stubs-for-unknown-syncs",
    "out-disabled": "fetches-only",
    "pol-outage-minutes": "fetches-only",
}

# The good code, if it is not the method that the broken receiver overrides.
GOOD = {
    "rejects-unknown-members": ["webhook.Event"],
    "requires-credential": ["webhook.Event"],
    "small-body-limit": ["webhook.LARGEST_BODY", "webhook.Handler.read"],
    "finds-event-by-text": ["webhook.Event", "webhook.text"],
    "needs-content-length": ["webhook.Handler.body", "webhook.Handler.chunks"],
    "one-at-a-time": ["queue_worker.QueueWorker.on_event", "queue_worker.QueueWorker.enqueue"],
    "waits-for-api": ["receiver.TIME_FOR_A_DELIVERY", "receiver.Receiver.promptly", "receiver.Receiver.on_api_failed"],
    "crashes-on-malformed": ["receiver.Receiver.handle", "receiver.Receiver.on_malformed", "webhook.Event"],
    "wrong-audience": ["user_token.UserTokens.__init__", "user_token.UserTokens.mint"],
    "stops-at-empty-page": ["puller.Puller.pull"],
    "skips-seen-in-pull": ["puller.Puller.take", "store.Store.take_page"],
    "rejects-new-api-members": ["sync_api.SyncApi.page"],
    "no-retry-after-cut-json": ["sync_api.SyncApi.get", "puller.Puller.failed"],
    "gives-up-on-401": ["sync_api.SyncApi.get", "user_token.UserTokens.instead_of"],
    "ignores-retry-after": ["sync_api.SyncApi.get", "sync_api.retry_after", "puller.Puller.failed"],
    "looks-once": ["puller.LOOKS", "puller.IDLE", "puller.Puller.pause_after"],
    "starts-over": ["store.Store.cursor", "store.Store.take_page"],
    "hammers": ["puller.Puller.failed", "puller.jitter"],
    "inserts-each-pulled": ["store.Store.put"],
    "inserts-twice": ["receiver.Receiver.keep", "store.Store.put"],
    "checks-then-inserts": ["receiver.Receiver.promptly", "store.Store.put"],
    "ignores-created": ["receiver.Receiver.on_record_created", "receiver.Receiver.on_record_changed"],
    "skips-bodies-seen-before": ["receiver.Receiver.on_record_updated", "receiver.Receiver.on_record_changed"],
    "drops-deletions": ["receiver.Receiver.on_record_deleted", "receiver.Receiver.take", "store.Store.take_page"],
    "drops-bursts": ["receiver.Receiver.remember", "store.Store.add_work"],
    "never-revives": ["store.Store.take_page", "store.Store.put"],
    "updates-only-known": ["receiver.Receiver.on_record_updated", "receiver.Receiver.on_record_changed"],
    "fails-on-unknown-deletion": ["receiver.Receiver.on_record_deleted", "receiver.Receiver.drop", "store.Store.remove"],
    "stubs-for-unknown-syncs": ["receiver.Receiver.fetch", "receiver.Receiver.take"],
    "trusts-deletions": ["receiver.Receiver.on_record_deleted", "receiver.Receiver.take"],
    "drops-errored-records": ["queue_worker.QueueWorker.on_event", "store.Store.take_page"],
    "forgets-user": ["sync_api.SyncApi.get", "user_token.UserTokens.of"],
    "keys-by-external-id": ["store.Store.put"],
    "deletes-everywhere": ["store.Store.take_page", "store.Store.remove"],
    "resurrects": ["receiver.Receiver.on_record_changed", "receiver.Receiver.take", "receiver.Receiver.drop"],
    "swallows-api-errors": ["receiver.Receiver.handle", "receiver.Receiver.on_api_failed"],
    "fetches-only": ["receiver.Receiver.remember", "receiver.Background.look"],
    "loses-event-with-answer": ["queue_worker.QueueWorker.enqueue", "store.Store.add_work"],
    "keeps-state-in-memory": ["store.Store.__init__"],
    "acks-before-storing": ["queue_worker.QueueWorker.enqueue", "store.Store.add_work"],
    "cursor-before-records": ["store.Store.take_page"],
    "stale-lock-file": ["store.Store.__init__", "store.Store.transaction"],
}

# Explanations of what the code does not say by itself.
NOTES = {
    "rejects-unknown-members": "The good receiver reads only the members that it uses.",
    "requires-credential": "The good receiver never reads `credentialId`: the user is in `user.id`.",
    "requires-user": (
        "`user` may be missing. In that case `Event` sets `event.user` to `None`, and the good receiver does nothing."
    ),
    "one-at-a-time": (
        "The lock and the pause stand for a slow system behind the receiver. `queue_worker.py` writes one row before "
        "it answers. It does everything else later."
    ),
    "waits-for-api": (
        "The good receiver has one deadline for all work before the answer, including waiting. When the deadline "
        "passes, it answers 503, so that Paragon sends the event again."
    ),
    "stops-at-empty-page": (
        "In the good receiver an empty page does not end the sync. The pull continues as long as `remainingRecords` is "
        "above 0."
    ),
    "inserts-each-pulled": (
        "The bad receiver counts how often it stored a record, and lists the record that often in its state, as a "
        "table without a unique key would. In the good receiver the key is the sync and the record id, so a record "
        "that comes twice is replaced."
    ),
    "inserts-twice": (
        "The bad receiver counts how often it stored a record, and lists the record that often in its state, as a "
        "table without a unique key would. The good receiver replaces the record that it holds under the same id."
    ),
    "checks-then-inserts": (
        "Between the check and the insertion of one copy, the other copy of the event makes the same check. The good "
        "receiver processes one event of a sync at a time, and always writes with an upsert."
    ),
    "skips-bodies-seen-before": (
        "Events have no id. Two updates of one record have identical bodies, so a body that the receiver has seen "
        "before may report a new change."
    ),
    "updates-only-known": "The good receiver handles an update like a creation: it fetches the record and stores it.",
    "drops-errored-records": (
        "`record_errored` does not say that the record has changed. The good receiver pulls, and the pages say what "
        "the record contains."
    ),
    "forgets-user": (
        "The good receiver keeps one token per user, and makes each call with the token of the sync's user."
    ),
    "keys-by-external-id": "The key of a row must be the sync and the record id. `externalId` is only data.",
    "fetches-only": (
        "The bad receiver is the good receiver without its background work. `Background` pulls each sync by cursor, "
        "soon after each event and then once a minute. Therefore the good receiver does not depend on any single "
        "event."
    ),
    "loses-event-with-answer": (
        "The bad receiver marks the event as seen before it has done any work. If the connection closes, the work is "
        "not done, and the copy of the event is skipped. In the good receiver an event that comes twice causes a "
        "second pull."
    ),
    "acks-before-storing": (
        "For 0.3 s, the bad receiver holds an event that it answered with 2xx only in memory. The good receiver "
        "commits first."
    ),
    "keeps-state-in-memory": (
        "The bug is one word: with `:memory:`, SQLite keeps the database in memory. The good receiver uses a file."
    ),
    "stale-lock-file": (
        "A process that is killed does not remove its lock file. The good receiver lets SQLite lock the file: such a "
        "lock ends with the process."
    ),
    "cursor-before-records": (
        "If the bad receiver is killed between the two writes, the next pull continues after records that it never "
        "stored."
    ),
    "never-revives": (
        "The good receiver follows the newest page about a record, whatever happened to the record before."
    ),
    "gives-up-on-401": (
        "The good receiver signs a new token only once per call. A second 401 counts as a failure like any other, and "
        "the call is repeated later."
    ),
    "wrong-audience": "The audience must be `useparagon.com/` and the id of the project.",
    "null-cursor-ends-sync": "The good receiver keeps the previous cursor, and the next pull continues from there.",
}


# The sources of the receivers.


@cache
def module(name):
    source = (RECEIVERS / "python" / f"{name}.py").read_text()
    return source, ast.parse(source)


@cache
def top(name):
    """Returns the top-level classes, functions and constants of a module, by name."""
    found = {}
    for node in module(name)[1].body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for each in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(each, ast.Name):
                        found[each.id] = node
    return found


def text_of(name, node):
    lines = module(name)[0].splitlines()
    first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
    # A comment directly above a constant belongs to it.
    while first > 1 and lines[first - 2].strip().startswith("#") and isinstance(node, ast.Assign):
        first -= 1
    return textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))


def python(path):
    """Returns the source of `module.Class`, `module.Class.method`, `module.function` or `module.CONSTANT`."""
    name, *inner = path.split(".")
    node = top(name)[inner[0]]
    if inner[1:]:
        node = next(each for each in node.body if getattr(each, "name", None) == inner[1])
    return text_of(name, node)


GOOD_MODULES = ["receiver", "queue_worker", "puller", "store", "sync_api", "webhook", "user_token"]


def home(name):
    return next((module for module in GOOD_MODULES if isinstance(top(module).get(name), ast.ClassDef)), None)


def bases(node):
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def helpers(node):
    """Returns the classes of broken.py that the parts of a broken receiver extend, such as `GivingUp`."""
    found, broken = [], top("broken")
    parts = [each for each in node.body if isinstance(each, ast.ClassDef)]
    names = [base for part in parts for base in bases(part)]
    names += [each.value.id for each in node.body if isinstance(each, ast.Assign) and isinstance(each.value, ast.Name)]
    for name in names:
        if isinstance(broken.get(name), ast.ClassDef) and name not in found:
            found.append(name)
    return found


def constants(node):
    """Returns the constants of broken.py that the code uses, except `DAY`."""
    used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    broken = top("broken")
    return [name for name in broken if name in used and isinstance(broken[name], ast.Assign) and name != "DAY"]


def origins(node):
    """Returns the good methods that a class, its parts and their helpers override."""
    found = []

    def look(each):
        for method in each.body:
            if not isinstance(method, ast.FunctionDef):
                continue
            queue = bases(each)
            while queue:
                base = queue.pop(0)
                if base in top("broken"):
                    queue += bases(top("broken")[base])
                elif (module := home(base)) is not None:
                    path = next((p for p in inherited(module, base) if method.name in methods(p)), None)
                    if path and method.name != "__init__" and f"{path}.{method.name}" not in found:
                        found.append(f"{path}.{method.name}")
                    break

    look(node)
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            look(part)
    for name in helpers(node):
        look(top("broken")[name])
    return found


def inherited(module, name):
    """Yields a good class and its base classes, as `module.Class`."""
    yield f"{module}.{name}"
    for base in bases(top(module)[name]):
        if (its := home(base)) is not None:
            yield from inherited(its, base)


def methods(path):
    module, name = path.split(".")
    return {each.name for each in top(module)[name].body if isinstance(each, ast.FunctionDef)}


@cache
def python_bugs():
    table = next(node for node in module("broken")[1].body if isinstance(node, ast.Assign) and node.targets[0].id == "BUGS")
    return {key.value: value.id for key, value in zip(table.value.keys, table.value.values, strict=True)}


# JavaScript is cut by matching brackets. Strings, templates, regular expressions and comments are skipped.


def closing(source, at):
    """Returns the position of the bracket that closes the one at `at`."""
    depth, quotes = 0, "\"'`"
    while at < len(source):
        char = source[at]
        if source.startswith("//", at):
            at = source.index("\n", at)
        elif source.startswith("/*", at):
            at = source.index("*/", at) + 1
        elif char in quotes or (char == "/" and re.search(r"[(=,]\s*$", source[:at])):
            end = at + 1
            while source[end] != char:
                end += 2 if source[end] == "\\" else 1
            at = end
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError("a bracket is not closed")


def node_source(name):
    return (RECEIVERS / "node" / f"{name}.mjs").read_text()


def node_bug(name):
    """Returns the value of one bug in the table of broken.mjs."""
    source = node_source("broken")
    found = re.search(rf'^  "?{re.escape(name)}"?: ', source, re.M)
    start = at = found.end()
    # Finds the comma that ends the member.
    while source[at] != ",":
        at = closing(source, at) + 1 if source[at] in "([{" else at + 1
    return textwrap.dedent("  " + source[start:at])


def javascript(path):
    """Returns the source of `file.Class.method`, `file.function` or `file.CONSTANT`."""
    name, *inner = path.split(".")
    source, indent = node_source(name), ""
    if inner[1:]:
        start = re.search(rf"class {inner[0]}\b", source).end()
        source, indent = source[start : closing(source, source.index("{", start)) + 1], "  "
    found = re.search(rf"^{indent}(export )?(static )?(async )?(function )?(const )?\*?{re.escape(inner[-1])}\b.*", source, re.M)
    if found[5]:
        return source[found.start() : source.index(";", found.end() - 1) + 1]
    end = closing(source, source.index("{", closing(source, source.index("(", found.start()))))
    lines = source[: found.start()].splitlines()
    first = found.start()
    if lines and lines[-1].strip().startswith("/**"):
        first -= len(lines[-1]) + 1
    return textwrap.dedent(source[first : end + 1])


# The good code, if it is not the method that the broken receiver overrides.
NODE_GOOD = {
    "acks-before-storing": ["receiver.Receiver.onChange", "receiver.Receiver.resume"],
    "crashes-on-malformed": ["receiver.Receiver.handle"],
    "cursor-before-records": ["holdings.Holdings.takePage"],
    "deletes-everywhere": ["holdings.Holdings.take", "holdings.Holdings.remove"],
    "gives-up-on-401": ["sync-api.SyncApi.ask"],
    "ignores-retry-after": ["sync-api.SyncApi.ask", "sync-api.retryAfter", "puller.backOff"],
    "inserts-twice": ["holdings.Holdings.store"],
    "keeps-state-in-memory": ["holdings.Holdings.open", "receiver.Receiver.open"],
    "keys-by-external-id": ["holdings.Holdings.store"],
    "looks-once": ["receiver.LOOKS", "receiver.IDLE", "receiver.Receiver.nextLook"],
    "needs-content-length": ["webhook.read"],
    "never-revives": ["holdings.Holdings.take"],
    "null-cursor-ends-sync": ["puller.Puller.pull"],
    "refuses-expect": [],
    "rejects-unknown-members": ["webhook.parseEvent"],
    "requires-credential": ["webhook.parseEvent"],
    "requires-user": ["webhook.parseEvent", "webhook.text"],
    "skips-seen-in-pull": ["puller.Puller.pull"],
    "small-body-limit": ["webhook.LARGEST_BODY", "webhook.read"],
    "starts-over": ["puller.Puller.pull"],
    "stops-at-empty-page": ["puller.Puller.pull"],
}

NODE_NOTES = {
    "refuses-expect": "The good receiver leaves `Expect: 100-continue` to Node's HTTP server, which handles it.",
}


def node_origins(source):
    """Returns the good methods that a broken receiver overrides."""
    base = next((good for sign, good in NODE_BASES.items() if sign in source), "receiver.Receiver")
    names = re.findall(r"^ +(?:static |async |\*)*(\w+)\(.*\) \{\}?$", source, re.M)
    if "givingUp(" in source:
        names.append("failed")
    file, name = base.split(".")
    own = node_source(file)
    return [f"{base}.{each}" for each in dict.fromkeys(names) if re.search(rf"^  (static |async )*{each}\(", own, re.M)]


NODE_BASES = {
    "extends Holdings": "holdings.Holdings",
    "extends SyncApi": "sync-api.SyncApi",
    "extends Puller": "puller.Puller",
}


def node_parts(source):
    """Yields the helpers that a broken receiver uses, in addition to the good receiver."""
    if "givingUp(" in source:
        yield javascript_until("broken", "const givingUp", "  };")
    if "LooksOnce" in source:
        yield javascript_until("broken", "class LooksOnce", "}")


def javascript_until(name, first, last):
    lines = node_source(name).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if i > start and line == last)
    return "\n".join(lines[start : end + 1])


# The entries of tests/receivers/zoo.toml.

# The letters of the programs in the tables.
LETTERS = {"broken.py": "P", "broken.mjs": "N", "right.py": "P", "processes.py": "M", "right.mjs": "N"}


@cache
def zoo():
    return tomllib.loads((RECEIVERS / "zoo.toml").read_text())


@cache
def bugs():
    """Returns what is wrong with each broken receiver, and for each language the cases that it fails."""
    found = {}
    for entry in zoo()["broken"]:
        bug = found.setdefault(entry["name"], {"wrong": entry["wrong"], "fails": {}})
        for program in entry["programs"]:
            bug["fails"][LETTERS[program]] = entry.get("fails", []) + entry.get("fails_alone", [])
    return found


def languages(bug, case):
    """Returns the languages in which a broken receiver fails a case."""
    return [language for language, cases in bugs()[bug]["fails"].items() if case in cases]


def fenced(language, *sources):
    return f"```{language}\n" + "\n\n".join(source.rstrip() for source in sources) + "\n```"


def bad_and_good(bug, language):
    """Returns the broken code, the good code, and the places of the good code."""
    if language == "N":
        source = node_bug(bug)
        good = NODE_GOOD.get(bug)
        if good is None and not (good := node_origins(source)):
            raise SystemExit(f"no good code is known for {bug} in Node: add it to NODE_GOOD")
        bad = fenced("javascript", *node_parts(source), f"// {bug}\n" + source)
        return bad, fenced("javascript", *map(javascript, good)) if good else None, good
    name = python_bugs()[bug]
    node = top("broken")[name]
    sources = [*constants(node), name, *helpers(node)]
    bad = fenced("python", *(text_of("broken", top("broken")[each]) for each in sources))
    good = GOOD.get(bug) or origins(node)
    if not good:
        raise SystemExit(f"no good code is known for {bug}: add it to GOOD")
    return bad, fenced("python", *map(python, good)), good


# Pages.

HEAD = "<!-- Written by docs/generate.py; do not edit. -->\n"


def family_page(family, cases):
    title, about = FAMILIES[family]
    parts = [HEAD, f"# {family.upper()}: {title.lower()}\n", wrapped(about) + "\n", wrapped(ABOUT_CASES) + "\n"]
    parts.append("| case | level | rests on | what is required |\n|---|---|---|---|")
    parts += [f"| [`{c['id']}`](#{c['id']}) | {c['level']} | {c['grade']} | {c['title']} |" for c in cases]
    parts.append("")
    shown = {}
    for case in cases:
        parts += [case_section(case, shown)]
    # Parts that are left out leave empty lines.
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


ABOUT_CASES = (
    "[Levels](../concepts.md#levels-and-verdicts) and [grades](../concepts.md#grades) are explained in Concepts. Each "
    "rule is listed in [Provenance](../provenance.md)."
)


def wrapped(text):
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


NEEDS = {
    "state": "a [state probe](../concepts.md#how-a-receiver-is-observed) (`--state-url` or `--state-cmd`), because "
    "only the receiver knows which records it holds",
    "process": "`--spawn`, because the suite ends the receiver and starts it again",
}


def case_section(case, shown):
    id = case["id"]
    parts = [f"## {id}\n", f"**{prose(sentence(case['title']))}**\n", f"{prose(case['why'])}\n"]
    parts.append(f"- **Level**: {case['level']}. **Grade**: {case['grade']}, the weakest grade of the rules that the case rests on.")
    parts.append(f"- **Fix**: {prose(case['fix'])}")
    if case["needs"]:
        parts.append("- **Needs** " + "; ".join(NEEDS[need] for need in case["needs"]) + ".")
    parts.append("- **Rests on**")
    parts += [f"  - `{rule['id']}` ({rule['grade']}): {prose(rule['says'])}" for rule in case["rests_on"]]
    failing = [bug for bug in bugs() if languages(bug, id)]
    bug = SHOWN.get(id) or next((b for b in failing if "P" in languages(b, id)), None) or failing[0]
    if " " in bug:
        language, bug = bug.split()
    else:
        # No broken receiver fails `pol-outage-minutes`.
        language = (languages(bug, id) or ["P"])[0]
    parts.append("")
    file = {"P": "tests/receivers/python/broken.py", "N": "tests/receivers/node/broken.mjs"}[language]
    if id == "pol-outage-minutes":
        parts.append(
            "No broken receiver fails this case under `paragon-assumed`, because this policy retries for longer than "
            "ten minutes. Under policies with fewer retries, `fetches-only` fails the case.\n"
        )
    parts.append(f"**Bad** (`{bug}` in `{file}`): the receiver {bugs()[bug]['wrong']}.")
    if bug in shown:
        parts.append(f"[`{shown[bug]}`](#{shown[bug]}) shows the bad and the good code.\n")
    elif (elsewhere := ELSEWHERE.get((case["family"], bug))) is not None:
        parts.append(f"[`{elsewhere.split('#')[1]}`]({elsewhere}) shows the bad and the good code.\n")
    else:
        shown[bug] = id
        bad, good, places = bad_and_good(bug, language)
        parts += ["", bad, ""]
        where = "; ".join(places_of(places, language))
        parts += [f"**Good** ({where}):\n" if where else "", good or "", ""]
        if NOTES.get(bug):
            parts.append(NOTES[bug] + "\n")
        if language == "P" and "N" in languages(bug, id):
            bad, good, places = bad_and_good(bug, "N")
            parts += ["<details><summary>The same in Node</summary>\n", "Bad, in `tests/receivers/node/broken.mjs`:\n"]
            parts += [bad, ""]
            parts += ["Good (" + "; ".join(places_of(places, "N")) + "):\n", good, ""] if good else []
            parts += [NODE_NOTES[bug] + "\n"] if bug in NODE_NOTES else []
            parts.append("</details>\n")
    others = [b for b in failing if b != bug]
    if others:
        parts.append(f"{'This receiver also fails' if len(others) == 1 else 'These receivers also fail'} the case:\n")
        parts += [f"- `{b}` {bugs()[b]['wrong']}." for b in others] + [""]
    return "\n".join(parts)


# Links for bugs whose code is shown in another family.
ELSEWHERE = {
    ("conv", "drops-deletions"): "rec.md#rec-deleted",
    ("conv", "inserts-twice"): "rec.md#rec-duplicate",
    ("conv", "fetches-only"): "out.md#out-disabled",
    ("conv", "swallows-api-errors"): "out.md#out-api-failing",
    ("pol", "fetches-only"): "out.md#out-disabled",
}


def prose(text):
    """Escapes a text as Markdown, so that nothing outside of code is taken for HTML."""
    return "".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(re.split(r"(`[^`]*`)", text)))


def sentence(text):
    """Turns a title into a sentence. The name of an event stays unchanged."""
    return (text if "_" in text.split()[0] else text[0].upper() + text[1:]) + "."


def places_of(paths, language):
    """Returns the places of the code for the reader, by file."""
    files = {}
    for path in paths:
        file, _, name = path.partition(".")
        files.setdefault(file + {"P": ".py", "N": ".mjs"}[language], []).append(f"`{name}`")
    return [f"`{file}`: {', '.join(names)}" for file, names in files.items()]


def case_index(cases):
    parts = [HEAD, "# Each case, with bad and good code\n"]
    parts.append(
        wrapped(
            f"The suite has {len(cases)} cases. The page of a family says for each case what is required, why, how to "
            "fix a receiver that fails, what the case needs, and which rules it rests on. Then it shows the code of "
            "a receiver that fails the case, and the code of a good receiver."
        )
        + "\n"
    )
    parts.append(wrapped(ABOUT_CASES) + "\n")
    parts.append(
        wrapped(
            "All of this code runs. It is in `tests/receivers`, and a test runs each broken receiver against the "
            "cases that it must fail. A broken receiver is a good receiver in which one thing is overridden. The "
            "*bad* code is this override, and therefore all that is wrong. The *good* code is what the receivers "
            "`receiver.py`, `queue_worker.py` or `receiver.mjs` do instead. These receivers use only Python's "
            "standard library and Node, and are meant to be copied."
        )
        + "\n"
    )
    parts.append(
        wrapped(
            "Some broken receivers extend `FetchOnly`, `LooksOnce` or `Once`. These classes are good receivers, or "
            "parts of them, with less of a safety net. `FetchOnly` never pulls in the background. After a successful "
            "pull, `LooksOnce` and `Once` do not pull again until the next event. With the whole safety net, the "
            "receiver would correct some mistakes before the suite could see them."
        )
        + "\n"
    )
    for family, (title, _) in FAMILIES.items():
        mine = [case for case in cases if case["family"] == family]
        parts.append(f"## [{family.upper()}: {title.lower()}]({family}.md)\n")
        parts += [f"- [`{c['id']}`]({family}.md#{c['id']}) ({c['level']}): {c['title']}" for c in mine]
        parts.append("")
    return "\n".join(parts)


# The generated parts of the other pages.


def slot_python(_, *paths):
    return fenced("python", *map(python, paths))


def slot_javascript(_, *paths):
    return fenced("javascript", *map(javascript, paths))


def slot_rust(_, file, name):
    """Returns a top-level function of a Rust file, with its attributes."""
    source = (ROOT / file).read_text()
    found = re.search(rf"^((?:#\[.*\]\n)*)(?:pub )?(?:async )?fn {name}\b", source, re.M)
    end = closing(source, source.index("{", found.end()))
    return fenced("rust", source[found.start() : end + 1])


def slot_def(_, file, *names):
    """Returns functions and classes of a Python file, with their decorators."""
    source = (ROOT / file).read_text()
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        found[getattr(node, "name", None)] = "\n".join(lines[first - 1 : node.end_lineno])
    return fenced("python", "\n\n\n".join(found[name] for name in names))


def slot_between(_, file, language, first, last):
    """Returns part of a file: from the line that starts with `first` up to the line that starts with `last`.

    The last line itself is not part of it.
    """
    lines = (ROOT / file).read_text().splitlines()
    first, last = first.replace("_", " "), last.replace("_", " ")
    start = next(i for i, line in enumerate(lines) if line.startswith(first))
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith(last))
    return fenced(language, "\n".join(lines[start:end]).strip())


def slot_file(_, file, language):
    return fenced(language, (ROOT / file).read_text())


def slot_snapshot(_, file):
    """Returns the content of an insta snapshot."""
    return fenced("text", (ROOT / file).read_text().split("\n---\n", 1)[1])


def slot_policies(program):
    rows = run(program, "policies").splitlines()[1:]
    table = ["| preset | grade | cells left open | what it is from |", "|---|---|---|---|"]
    for row in rows:
        name, grade, left_open, source = re.split(r"\s{1,}", row, maxsplit=3)
        table.append(f"| `{name}` | {grade} | {left_open} | {source} |")
    return "\n".join(table)


def slot_cells(_):
    """Returns a table of the members of a policy."""
    schema = json.loads((ROOT / "schemas" / "policy.json").read_text())
    table = ["| cell | form | what it says |", "|---|---|---|"]
    for name, cell in schema["properties"].items():
        table.append(f"| `{name}` | {form(cell, schema)} | {escaped(description(cell, schema))} |")
    return "\n".join(table)


def slot_steps(_):
    """Returns a table of the steps of a scenario."""
    schema = json.loads((ROOT / "schemas" / "scenario.json").read_text())
    table = ["| `do` | members | what happens |", "|---|---|---|"]
    for step in schema["properties"]["steps"]["items"]["anyOf"]:
        members = [name for name in step["properties"] if name not in ("do", "while", "then")]
        members = [f"`{m}`" if m in step["required"] else f"`{m}` (may be left out)" for m in members]
        table.append(f"| `{step['properties']['do']['const']}` | {', '.join(members)} | {step['description']} |")
    return "\n".join(table)


def slot_faults(_):
    """Returns a table of the faults during a step."""
    source = (ROOT / "src" / "scenario" / "step.rs").read_text()
    rows = re.findall(r'((?:    /// .*\n)+)    \w+ = "(\w+)",', source)
    rows = [(" ".join(re.findall(r"/// (.*)", comment)), name) for comment, name in rows]
    schema = json.loads((ROOT / "schemas" / "scenario.json").read_text())
    listed = schema["properties"]["steps"]["items"]["anyOf"][0]["properties"]["while"]["items"]["enum"]
    assert listed == [name for _, name in rows], "schemas/scenario.json and step.rs list other faults"
    return "\n".join(["| `while` | what goes wrong |", "|---|---|", *(f"| `{name}` | {text} |" for text, name in rows)])


def resolved(cell, schema):
    while "$ref" in cell:
        cell = {**schema["$defs"][cell["$ref"].split("/")[-1]], **{k: v for k, v in cell.items() if k != "$ref"}}
    return cell


def description(cell, schema):
    return resolved(cell, schema).get("description", "")


def form(cell, schema):
    cell = resolved(cell, schema)
    if "const" in cell:
        return f"`{json.dumps(cell['const'])}`"
    if "enum" in cell:
        return ", ".join(f"`{json.dumps(value)}`" for value in cell["enum"])
    for many in ("anyOf", "oneOf"):
        if many in cell:
            return "; or ".join(dict.fromkeys(form(each, schema) for each in cell[many]))
    if cell.get("type") == "array":
        return "list of " + form(cell.get("items", {}), schema)
    if "properties" in cell:
        required = cell.get("required", [])
        if len(cell["properties"]) == 1:
            return "".join(f"{{`{name}`: {form(each, schema)}}}" for name, each in cell["properties"].items())
        return "{" + ", ".join(f"`{name}`" + ("" if name in required else "?") for name in cell["properties"]) + "}"
    kind = cell.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else kind


def escaped(text):
    return text.replace("|", "\\|").replace("\n", " ")


def slot_admin(_):
    """Returns the operations of the admin API, by theme. admin.yaml has a fixed shape, so it is read line by line."""
    lines = (ROOT / "schemas" / "admin.yaml").read_text().splitlines()
    tags, operations, path, operation, section, at_tag = {}, [], None, None, None, False
    for line in lines:
        indent, text = len(line) - len(line.lstrip()), line.strip()
        if indent == 0 and text.endswith(":"):
            section = text
        elif section == "tags:" and text.startswith("- name: "):
            tag = text.removeprefix("- name: ")
        elif section == "tags:" and text.startswith("description: "):
            tags[tag] = text.removeprefix("description: ")
        elif section == "paths:" and indent == 2:
            path = text.removesuffix(":").strip("'\"")
        elif section == "paths:" and indent == 4 and text.removesuffix(":") in ("get", "put", "post", "patch", "delete"):
            operation = {"method": text.removesuffix(":").upper(), "path": path, "tag": None, "body": "", "codes": []}
            operations.append(operation)
        elif section == "paths:" and operation and indent == 6 and ": " in text:
            name, _, value = text.partition(": ")
            operation[name] = value.strip("'\"")
        elif section == "paths:" and operation and indent == 8 and text.startswith("- ") and operation["tag"] is None:
            operation["tag"] = text[2:]
        elif section == "paths:" and operation and indent == 8 and re.fullmatch(r"'2\d\d':", text):
            operation["codes"].append(text.strip("':"))
    assert operations and all(o["tag"] in tags and o.get("summary") for o in operations), "admin.yaml has another shape"
    parts = []
    for tag, about in tags.items():
        parts += [f"### {tag.capitalize()}\n", about + "\n", "| endpoint | what it does | answers |", "|---|---|---|"]
        for o in (o for o in operations if o["tag"] == tag):
            more = f" {o['description']}" if o.get("description", "|") not in ("|", ">", ">-", "|-") else ""
            path = o["path"].removeprefix("/_testkit")
            parts.append(f"| `{o['method']} {path}` | {escaped(o['summary'] + more)} | {', '.join(o['codes'])} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def table(*rows):
    """Returns a table. The first row is its head."""
    head, *rest = ["| " + " | ".join(map(escaped, row)) + " |" for row in rows]
    assert rest, f"nothing is in the table {head}"
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def letters(entry):
    return " ".join(LETTERS[program] for program in entry["programs"])


def slot_good(_):
    """Returns a table of the good receivers."""
    return table(("file", "style"), *((f"`{entry['file']}`", entry["style"]) for entry in zoo()["good"]))


def slot_right(_, name):
    """Returns a table of right receivers."""
    rows = [entry for entry in zoo()["right"] if entry["table"] == name]
    return table(
        ("style", "in", "what is unusual", "needs waiting of its own"),
        *((f"`{entry['name']}`", letters(entry), entry["unusual"], entry["waiting"]) for entry in rows),
    )


def slot_broken(_, name):
    """Returns a table of broken receivers. The table `alone` contains every receiver with `fails_alone`."""
    # The member that the last column shows, and the name of this column.
    member, column = {"alone": ("fails_alone", "fails"), "suite": ("purpose", "what it is for")}.get(name, ("fails", "fails"))
    rows = [entry for entry in zoo()["broken"] if (member in entry if name == "alone" else entry["table"] == name)]

    def last(entry):
        return entry[member] if name == "suite" else ", ".join(entry[member])

    return table(
        ("bug", "in", "what is wrong", column),
        *((f"`{entry['name']}`", letters(entry), entry["wrong"], last(entry)) for entry in rows),
    )


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def filled(page, program):
    """Returns a page with its generated parts filled in."""

    def fill(found):
        kind, *arguments = found[1].split()
        return f"<!-- generated: {found[1]} -->\n{globals()[f'slot_{kind}'](program, *arguments)}\n<!-- end -->"

    return re.sub(r"<!-- generated: (.*?) -->\n.*?<!-- end -->", fill, page, flags=re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and fail when something is out of date")
    parser.add_argument("--program", default=str(ROOT / "target" / "debug" / "paragon-testkit"))
    typed = parser.parse_args()
    cases = json.loads(run(typed.program, "cases", "--json"))
    wanted = {PAGES / "cases" / "index.md": case_index(cases)}
    for family in FAMILIES:
        mine = [case for case in cases if case["family"] == family]
        wanted[PAGES / "cases" / f"{family}.md"] = family_page(family, mine)
    for page in [*sorted(PAGES.rglob("*.md")), *READMES]:
        if page not in wanted:
            wanted[page] = filled(page.read_text(), typed.program)
    for path in (PAGES / "cases").glob("*.md"):
        if path not in wanted:
            sys.exit(f"{path.relative_to(ROOT)} is not of its making")
    stale = [(path, text) for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if typed.check:
            before = path.read_text() if path.exists() else ""
            difference = difflib.unified_diff(before.splitlines(), text.splitlines(), "committed", "generated", lineterm="")
            print(f"{path.relative_to(ROOT)} is out of date\n" + "\n".join(list(difference)[:40]))
        else:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
    if typed.check and stale:
        sys.exit("run: python3 docs/generate.py")


main()
