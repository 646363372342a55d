"""Parses the parameters of a report from a command line: `name=value`, `name:=JSON`, `name=@file`, and a JSON file."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from services.cli.errors import WrongCall
from shared.catalog.model import ReportType
from shared.catalog.schema import json_schema
from shared.suggest import did_you_mean

_FORM = re.compile(r"(?P<name>[^=:\s]+)(?P<how>:=|=)(?P<text>.*)", re.DOTALL)
_WHOLE = re.compile(r"-?\d{1,30}")


def read_parameters(report: ReportType, given: Sequence[str], file: str | None) -> dict[str, object]:
    """Return the parameters as a request would have them: JSON values, each of the type that the report type requires.

    A name that is given several times makes a list. A value of another type stays text, and validation reports it.
    Raises WrongCall for unreadable values, and for names that the report type does not have.
    """
    values = _from_file(file) if file else {}
    schema = json_schema(report)
    texts: dict[str, list[str]] = {}
    for one in given:
        name, how, text = _split(one)
        if how == ":=":
            values[name] = _json(text, f"-p {one}")
        else:
            texts.setdefault(name, []).append(_text(text, one))
    properties: Any = schema.get("properties", {})
    for name, many in texts.items():
        values[name] = _typed(many, _resolved(properties.get(name, {}), schema))
    if unknown := [name for name in values if name not in properties]:
        raise WrongCall(f"{report.name} has no parameter {unknown[0]!r}{did_you_mean(unknown[0], properties)}")
    return values


def _split(one: str) -> tuple[str, str, str]:
    if not (found := _FORM.fullmatch(one)):
        raise WrongCall(f"-p {one}: write -p NAME=VALUE, NAME:=JSON or NAME=@FILE")
    return found["name"], found["how"], found["text"]


def _text(text: str, one: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongCall(f"-p {one}: {text[1:]} cannot be read: {reason}") from None


def _from_file(file: str) -> dict[str, object]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WrongCall(f"--params {file} cannot be read: {reason}") from None
    values = _json(text, f"--params {file}")
    if not isinstance(values, dict):
        raise WrongCall(f'--params {file}: must be a JSON object, such as {{"from": "2026-01-01"}}')
    return values


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongCall(f"{where}: is not JSON: {error}") from None


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a `$ref` refers to, as pydantic writes it for models and enumerations."""
    place = schema.get("$ref", "")
    return whole.get("$defs", {}).get(place.rpartition("/")[2], {}) if place else schema


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type", [])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found.union(*(_kinds(one) for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))))


def _typed(texts: Sequence[str], schema: Mapping[str, Any]) -> object:
    kinds = _kinds(schema)
    if "array" in kinds:
        of: Any = next((one for one in (schema, *schema.get("anyOf", ())) if "items" in one), {})
        return [_one(text, _kinds(of.get("items", {}))) for text in texts]
    return _one(texts[0], kinds) if len(texts) == 1 else [_one(text, kinds) for text in texts]


def _one(text: str, kinds: set[str]) -> object:
    """Return the value of the text. A number that may be text stays text, which keeps all its digits."""
    if "integer" in kinds and _WHOLE.fullmatch(text):
        return int(text)
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    if ("number" in kinds and "string" not in kinds) or "object" in kinds:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
