"""Checks that the OpenAPI and AsyncAPI descriptions are valid, complete, and refer to the schemas without repeating them.

    python3 tests/descriptions.py FOLDER

This program needs the Python packages openapi-spec-validator, jsonschema and PyYAML. FOLDER is a folder in which
`npm install @asyncapi/parser @redocly/cli` was run. .ci/run has the versions.
"""

import json
import os
import pathlib
import subprocess
import sys

import jsonschema
import referencing.jsonschema
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

OPERATIONS = """
post   /api/syncs                                         enableSync
get    /api/syncs                                         listSyncs
get    /api/syncs/{syncId}                                getSyncStatus
patch  /api/syncs/{syncId}                                updateSync
delete /api/syncs/{syncId}                                deleteSync
post   /api/syncs/{syncId}/disable                        disableSync
post   /api/syncs/{syncId}/reenable                       reenableSync
get    /api/syncs/{syncId}/records                        pullRecords
get    /api/syncs/{syncId}/records/{recordId}             getRecord
get    /api/syncs/{syncId}/records/{recordId}/content     downloadContent
post   /api/permissions/{syncId}/check                    checkAccess
post   /api/permissions/{syncId}/batch-check              batchCheckAccess
post   /api/permissions/{syncId}/list-users               listUsers
post   /api/permissions/{syncId}/list-objects             listObjects
post   /api/permissions/{syncId}/streamed-list-objects    streamListObjects
post   /api/permissions/streamed-list-objects             streamListObjectsAllSyncs
post   /api/permissions/{syncId}/expand                   expandAccess
get    /api/permissions/{syncId}/changes                  getPermissionChanges
"""
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
GRADES = {"documented", "observed", "assumed"}
NO_ENDPOINT = {"event_log_entry.json"}
NO_MESSAGE = {"envelope.json"}

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "schemas"
OPENAPI = SCHEMAS / "openapi.yaml"
ADMIN = SCHEMAS / "admin.yaml"
ASYNCAPI = SCHEMAS / "asyncapi.yaml"

problems = []


def problem(file, place, text):
    text = " ".join(str(text).split())
    problems.append(f"{os.path.relpath(file, ROOT)}: {'.'.join(map(str, place)) or 'document'}: {text}")


def stop_if_bad():
    """Exits if there are problems, because the next checks rely on the earlier ones."""
    if problems:
        print("\n".join(problems))
        sys.exit(1)


def walk(value, place=()):
    """Yields every object inside the value, with its place."""
    if isinstance(value, dict):
        yield place, value
    for key, member in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(member, (*place, key))


def refs(document):
    # In a part of a schema about an older revision, a $ref that is no string removes a reference.
    return [(place, at["$ref"]) for place, at in walk(document) if isinstance(at.get("$ref"), str)]


def pointer(document, fragment):
    for part in fragment.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        document = document[int(part) if isinstance(document, list) else part]
    return document


def run(*command):
    """Returns the exit status, the output, and the standard error without its framed advertisements."""
    env = os.environ | {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", env=env)
    complaint = [line for line in done.stderr.splitlines() if line.strip() and line.strip()[0] not in "╔║╚"]
    return done.returncode, done.stdout, "; ".join(complaint[:8])


class UniqueKeys(yaml.SafeLoader):
    """Refuses duplicate keys: YAML forbids them, but PyYAML takes the last one."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        for key in {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, UniqueKeys)


if len(sys.argv) != 2:
    sys.exit(__doc__)
tools = pathlib.Path(sys.argv[1]).resolve()
for package in "@asyncapi/parser", "@redocly/cli":
    if not (tools / "node_modules" / package).is_dir():
        sys.exit(f"tests/descriptions.py: {package} is not in {tools}/node_modules")

# All descriptions and schemas can be parsed.
documents = {}
for path in [OPENAPI, ADMIN, ASYNCAPI, *sorted(SCHEMAS.glob("**/*.json"))]:
    try:
        documents[path] = read(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        problem(path, (), error)
stop_if_bad()
openapi, asyncapi = documents[OPENAPI], documents[ASYNCAPI]

# Every reference has a target.
for path, document in documents.items():
    for place, ref in refs(document):
        file, _, fragment = ref.partition("#")
        target = (path.parent / file).resolve() if file else path
        try:
            pointer(documents[target], fragment)
        except (KeyError, IndexError, TypeError, ValueError):
            problem(path, place, f"$ref {ref}: there is no such {'place' if target in documents else 'file'}")
stop_if_bad()

# The descriptions are valid OpenAPI, AsyncAPI and JSON Schema.
for path in OPENAPI, ADMIN:
    for error in OpenAPIV31SpecValidator(documents[path], base_uri=path.as_uri()).iter_errors():
        problem(path, error.absolute_path, error.message)
for path, document in documents.items():
    if path.suffix == ".json":
        for error in jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA).iter_errors(document):
            problem(path, error.absolute_path, error.message)

# Examples are checked below, and not by redocly: it resolves references by the $id of a schema instead of its file.
for path in OPENAPI, ADMIN:
    status, out, err = run(
        str(tools / "node_modules/.bin/redocly"), "lint", "--extends=recommended-strict",
        "--skip-rule=no-invalid-media-type-examples", "--format=json", str(path),
    )
    try:
        found = json.loads(out)["problems"]
    except (ValueError, KeyError):
        found = []
    for each in found:
        at = each["location"][0]
        place = at.get("pointer") or f"line {at.get('start', {}).get('line')}"
        file = (ROOT / at.get("source", {}).get("ref", path)).resolve()
        problem(file, [place], f"{each['message']} ({each['ruleId']})")
    if status != 0 and not found:
        problem(path, (), f"redocly ended with {status}: {err}")

status, out, err = run("node", str(ROOT / "tests/asyncapi.mjs"), str(tools), os.path.relpath(ASYNCAPI, ROOT))
problems += out.splitlines()
if status != 0 and not out:
    problem(ASYNCAPI, (), f"tests/asyncapi.mjs ended with {status}: {err}")
stop_if_bad()

# The endpoints are exactly these, and each one is fully described.
expected = {(method, path): name for method, path, name in map(str.split, OPERATIONS.strip().splitlines())}
operations = {
    (method, path): operation
    for path, item in openapi["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
for method, path in expected.keys() - operations.keys():
    problem(OPENAPI, ("paths", path), f"{method} is missing")
for (method, path), operation in operations.items():
    place = ("paths", path, method)
    if (method, path) not in expected:
        problem(OPENAPI, place, "there is no such endpoint")
    elif operation.get("operationId") != expected[method, path]:
        problem(OPENAPI, place, f"operationId is {operation.get('operationId')}, not {expected[method, path]}")
    if not operation.get("summary"):
        problem(OPENAPI, place, "no summary")
    if not any(str(status).startswith("2") for status in operation["responses"]):
        problem(OPENAPI, place, "no 2xx response")

# The messages are exactly these.
channel, receive = asyncapi["channels"]["webhook"], asyncapi["operations"]["receiveWebhook"]
events = {path.stem for path in SCHEMAS.glob("webhooks/*.json")} - {pathlib.Path(name).stem for name in NO_MESSAGE}
for event in events ^ channel["messages"].keys():
    text = "the message is missing" if event in events else "there is no such event"
    problem(ASYNCAPI, ("channels", "webhook", "messages", event), text)
for event, message in channel["messages"].items():
    place = ("channels", "webhook", "messages", event)
    ref = message["payload"]["schema"]["$ref"]
    if message.get("name") != event:
        problem(ASYNCAPI, place, f"name is {message.get('name')}")
    if ref != f"webhooks/{event}.json":
        problem(ASYNCAPI, place, f"payload is {ref}")
    elif (const := documents[SCHEMAS / ref]["properties"]["event"].get("const")) != event:
        problem(SCHEMAS / ref, ("properties", "event"), f"const is {const}")
listed = {each["$ref"].rpartition("/")[2] for each in receive["messages"]}
for event in channel["messages"].keys() - listed:
    problem(ASYNCAPI, ("operations", "receiveWebhook", "messages"), f"{event} is missing")

# Bodies refer to the schemas and do not repeat them, and every schema is used.
for place, at in walk(openapi):
    if len(place) > 1 and place[-2] == "content" and "schema" in at and at["schema"].keys() != {"$ref"}:
        problem(OPENAPI, (*place, "schema"), "a body's schema is a $ref and nothing else")
for description, folder, exempt in (OPENAPI, "api", NO_ENDPOINT), (ASYNCAPI, "webhooks", NO_MESSAGE):
    used = {ref for _, ref in refs(documents[description])}
    for path in sorted((SCHEMAS / folder).glob("*.json")):
        if path.name not in exempt and f"{folder}/{path.name}" not in used:
            problem(description, (), f"nothing refers to {folder}/{path.name}")

stop_if_bad()

# Every grade is a known grade, and every example is valid by its schema.
registry = referencing.Registry().with_resources(
    (path.as_uri(), referencing.jsonschema.DRAFT202012.create_resource(document | {"$id": path.as_uri()}))
    for path, document in documents.items()
    if path.suffix == ".json"
)
for description in OPENAPI, ASYNCAPI:
    for place, at in walk(documents[description]):
        if at.get("x-grade", "documented") not in GRADES:
            problem(description, place, f"x-grade is {at['x-grade']}")
        for name, example in at.get("examples", {}).items() if "schema" in at else ():
            schema = {"$ref": (SCHEMAS / at["schema"]["$ref"]).as_uri()}
            for error in jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(example["value"]):
                problem(description, (*place, "examples", name, *error.absolute_path), error.message)
stop_if_bad()

print(f"tests/descriptions.py: ok, {len(operations)} operations, {len(channel['messages'])} messages")
