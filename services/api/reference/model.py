"""The OpenAPI description, in the form in which a page shows it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_JSON = ("application/json", "application/problem+json")


class Field(NamedTuple):
    """A parameter, or a field of a body."""

    name: str
    kind: str
    about: str
    required: bool


class Answer(NamedTuple):
    """One possible response."""

    status: str
    about: str
    fields: Sequence[Field]
    problems: Sequence[str]
    example: str


class Operation(NamedTuple):
    """One method of one path."""

    id: str
    method: str
    path: str
    about: Sequence[str]
    scopes: Sequence[str]
    deprecated: bool
    parameters: Sequence[Field]
    body: Sequence[Field]
    answers: Sequence[Answer]


class Group(NamedTuple):
    """The operations of one tag."""

    name: str
    about: str
    operations: Sequence[Operation]


def groups(description: Mapping[str, Any]) -> list[Group]:
    """Return every operation under its tag; deprecated ones last."""
    operations = [
        (operation["tags"][0], _operation(method, path, operation, description))
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        Group(tag["name"], tag["description"], sorted((o for name, o in operations if name == tag["name"]), key=_last))
        for tag in description["tags"]
    ]


def _last(operation: Operation) -> bool:
    return operation.deprecated


def _operation(method: str, path: str, operation: Mapping[str, Any], description: Mapping[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        about=operation.get("description", "").split("\n\n"),
        scopes=[s for one in operation.get("security", []) for scopes in one.values() for s in scopes],
        deprecated=operation.get("deprecated", False),
        parameters=[_parameter(p) for p in operation.get("parameters", [])],
        body=list(_fields(body, description)),
        answers=[_answer(status, answer, description) for status, answer in sorted(operation["responses"].items())],
    )


def _parameter(parameter: Mapping[str, Any]) -> Field:
    about = parameter.get("description") or parameter["schema"].get("description", "")
    kind = f"{_kind(parameter['schema'])}, {parameter['in']}"
    return Field(parameter["name"], kind, about, parameter.get("required", False))


def _answer(status: str, answer: Mapping[str, Any], description: Mapping[str, Any]) -> Answer:
    content: Mapping[str, Any] = next((body for name, body in answer.get("content", {}).items() if name in _JSON), {})
    problems = list(content.get("examples", ()))
    fields = [] if problems else list(_fields(content.get("schema", {}), description))
    example = json.dumps(content["example"], indent=2, ensure_ascii=False) if "example" in content else ""
    return Answer(status, answer["description"], fields, problems, example)


def _fields(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[Field]:
    schema = _whole(schema, description)
    for name, member in schema.get("properties", {}).items():
        about = member.get("description") or _whole(member, description).get("description", "")
        yield Field(name, _kind(member), about.split("\n\n")[0], name in schema.get("required", ()))


def _whole(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a reference leads to; of several alternatives, the first."""
    while "$ref" in schema or "anyOf" in schema:
        ref = schema.get("$ref")
        schema = description["components"]["schemas"][ref.rpartition("/")[2]] if ref else schema["anyOf"][0]
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].removesuffix("View")
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    kinds = schema.get("type", "anything")
    kind = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if kind == "array" and "items" in schema:
        return f"list of {_kind(schema['items'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
