"""Converts parameters as typed into what the report type's schema wants."""

import json
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from todoke.cli.exits import WrongCall

Schema = Mapping[str, Any]
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_file(name: str) -> dict[str, Any]:
    """Read the parameters from a JSON file, or from stdin for `-`. Raises WrongCall."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as error:
        raise WrongCall(f"--params {name}: cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise WrongCall(f"--params {name}: must be a JSON object")
    return content


def parse(given: Sequence[str], schema: Schema) -> dict[str, Any]:
    """Parse `name=value`, `name:=json` and `name=@file`, typed by the schema; repeated for a list. Raises WrongCall."""
    properties: Mapping[str, Schema] = schema.get("properties") or {}
    found: dict[str, Any] = {}
    for one in given:
        name, value = _split(one)
        if name not in properties and schema.get("additionalProperties") is not True:
            raise WrongCall(_unknown(name, properties))
        shape = properties.get(name, {})
        if isinstance(value, _Json):
            found[name] = value.content
        elif _kind(shape) == "array":
            found.setdefault(name, []).append(_typed(name, value, _plain(shape).get("items") or {}))
        elif name in found:
            raise WrongCall(f"-p {name}: given twice, but takes one value")
        else:
            found[name] = _typed(name, value, shape)
    return found


class _Json:
    def __init__(self, content: object) -> None:
        self.content = content


def _split(one: str) -> tuple[str, str | _Json]:
    name, sign, value = one.partition("=")
    if not sign or not name.rstrip(":"):
        raise WrongCall(f"-p {one}: write name=value, name:=JSON or name=@FILE")
    if name.endswith(":"):
        try:
            return name[:-1], _Json(json.loads(value))
        except ValueError:
            raise WrongCall(f"-p {one}: the value after := must be JSON") from None
    if value.startswith("@"):
        try:
            return name, Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise WrongCall(f"-p {one}: the file cannot be read: {error}") from None
    return name, value


def _unknown(name: str, properties: Mapping[str, Schema]) -> str:
    near = get_close_matches(name, properties, 1)
    if near:
        return f"-p {name}: no such parameter; did you mean {near[0]}?"
    known = f"; choose among {', '.join(properties)}" if properties else "; the report type has none"
    return f"-p {name}: no such parameter{known}"


def _plain(shape: Schema) -> Schema:
    """Return the schema without its null: an optional field of a model is `anyOf` something and null."""
    several = shape.get("anyOf")
    if isinstance(several, list):
        return next((one for one in several if one.get("type") != "null"), shape)
    return shape


def _kind(shape: Schema) -> object:
    kind = _plain(shape).get("type")
    return next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind


def _typed(name: str, text: str, shape: Schema) -> object:
    """Convert the text as the schema says. What does not fit is sent unchanged: the server reports best
    what is wrong.
    """
    kind = _kind(shape)
    if kind == "boolean":
        if text.lower() not in _BOOLEANS:
            raise WrongCall(f"-p {name}={text}: must be true or false")
        return _BOOLEANS[text.lower()]
    if kind in {"integer", "number"}:
        try:
            return int(text) if kind == "integer" else float(text) if "." in text or "e" in text else int(text)
        except ValueError:
            raise WrongCall(f"-p {name}={text}: must be a number") from None
    return text
