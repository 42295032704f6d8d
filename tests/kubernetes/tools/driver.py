"""What the tests need of Python: YAML, the schemas of Kubernetes, and CEL. A JSON line in, a JSON line out."""

import copy
import json
import re
import sys

import cel
import kubernetes_validate
import yaml


def objects(request):
    """All documents of a YAML text. Base64 loses its line breaks, which mean nothing and depend on who wrote it."""
    found = [document for document in yaml.safe_load_all(request["yaml"]) if document is not None]
    for secret in (item for item in found if item["kind"] == "Secret"):
        secret["data"] = {name: "".join(text.split()) for name, text in (secret.get("data") or {}).items()}
    return found


def validate(request):
    """What the strict schemas of each version say against each object; nothing, if they fit."""
    said = []
    for version in request["versions"]:
        for item in request["objects"]:
            name = f"{version} {item['kind']}/{item['metadata']['name']}"
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                said.append(f"{name}: {'.'.join(map(str, error.path))}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError:
                said.append(f"{name}: no such kind")
    return said




STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
LITERAL = re.compile(r"\b(JSONPatch|Object(?:\.\w+)*)\s*\{")
FIELD = re.compile(r"(\s*)(\w+)(\s*:)")


def untyped(expression):
    """The expression with maps in the place of typed literals, such as `Object.spec{`, which only an API server knows.

    A type that does not stand where the object has it is an error: the API server would refuse it.
    """
    out, at = [], 0
    # What is open: the type of a literal, or a bracket; and the field that is being written.
    stack = []

    def field():
        nonlocal at
        if name := FIELD.match(expression, at):
            stack[-1][1] = name.group(2)
            out.append(f'{name.group(1)}"{name.group(2)}"{name.group(3)}')
            at = name.end()

    while at < len(expression):
        if string := STRING.match(expression, at):
            out.append(string.group())
            at = string.end()
        elif literal := LITERAL.match(expression, at):
            kind = literal.group(1)
            outer = next((open for open in reversed(stack) if open[0].startswith("Object")), None)
            if outer is not None and kind != ".".join(outer):
                raise ValueError(f"{kind} stands in {'.'.join(outer)}")
            stack.append([kind, ""])
            out.append("{")
            at = literal.end()
            field()
        else:
            sign = expression[at]
            out.append(sign)
            at += 1
            if sign in "{[(":
                stack.append([sign, ""])
            elif sign in "}])":
                stack.pop()
            elif sign == "," and stack and stack[-1][0].startswith(("Object", "JSONPatch")):
                field()
    return "".join(out)


def add(document, path, value):
    """The operation `add` of JSON Patch."""
    *parents, last = path.strip("/").split("/")
    for parent in parents:
        document = document[int(parent)] if isinstance(document, list) else document[parent]
    if not isinstance(document, list):
        document[last] = value
    elif last == "-":
        document.append(value)
    else:
        document.insert(int(last), value)


def merge(document, applied):
    """An apply configuration: maps are merged, and lists of things with names by these names."""
    for name, value in applied.items():
        if isinstance(value, dict):
            merge(document.setdefault(name, {}), value)
        elif isinstance(value, list):
            for item in value:
                merge(next(there for there in document[name] if there["name"] == item["name"]), item)
        else:
            document[name] = value


def admit(request):
    """The pod as the policy leaves it, or nothing where a condition of the policy does not hold."""
    spec, pod = request["policy"]["spec"], copy.deepcopy(request["pod"])
    known = {"object": pod, "variables": {}}
    for condition in spec.get("matchConditions", []):
        if not cel.evaluate(condition["expression"], known):
            return None
    for variable in spec.get("variables", []):
        known["variables"][variable["name"]] = cel.evaluate(variable["expression"], known)
    for mutation in spec["mutations"]:
        known["object"] = copy.deepcopy(pod)
        if mutation["patchType"] == "JSONPatch":
            for patch in cel.evaluate(untyped(mutation["jsonPatch"]["expression"]), known):
                if patch["op"] != "add":
                    raise ValueError(f"no support for {patch['op']}")
                if isinstance(patch["value"], list) and patch["value"]:
                    raise ValueError("a list of objects as a value ends the API server's request in a panic")
                add(pod, patch["path"], patch["value"])
        else:
            merge(pod, cel.evaluate(untyped(mutation["applyConfiguration"]["expression"]), known))
    return pod


def judge(request):
    """The messages of the validations that do not hold."""
    known = {"object": request["pod"], "params": request["params"]}
    validations = request["policy"]["spec"]["validations"]
    return [validation["message"] for validation in validations if not cel.evaluate(validation["expression"], known)]


ACTIONS = {"objects": objects, "validate": validate, "admit": admit, "judge": judge}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": ACTIONS[request["action"]](request)}
    except Exception as error:  # noqa: BLE001 (whatever it is, the test shows it)
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
