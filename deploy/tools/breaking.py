"""Finds changes of the API that would break an older client, by comparing two descriptions of the API.

What a request may contain may only grow, and what an answer contains may only grow: a path, a field, a value or a
status that disappears is reported, and so is anything that becomes required or narrower.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]
Schema = Mapping[str, Any]
_Compare = Callable[[Schema, Schema, str, int], Iterator[str]]

_DEEPEST = 12
"""How many levels of nested schemas are compared; a recursive schema ends there."""
_AT_LEAST, _AT_MOST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems", "maxProperties")


def breaking(old: Document, new: Document) -> list[str]:
    """Return every change from `old` to `new` that breaks a client, each in a sentence."""
    return list(_Comparison(old, new).all())


class _Comparison:
    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new

    def all(self) -> Iterator[str]:
        for path, operations in self._old["paths"].items():
            for method, before in operations.items():
                where = f"{method.upper()} {path}"
                after = self._new["paths"].get(path, {}).get(method)
                if after is None:
                    yield f"{where} is gone"
                else:
                    yield from self._operation(before, after, where)

    def _operation(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        if before.get("operationId") != after.get("operationId"):
            yield f"{where} has another operationId"
        if newly := _scopes(after) - _scopes(before):
            yield f"{where} asks for {', '.join(sorted(newly))} now"
        yield from self._parameters(before, after, where)
        yield from self._body(before.get("requestBody"), after.get("requestBody"), where)
        for status, answer in before["responses"].items():
            there = after["responses"].get(status)
            if there is None:
                yield f"{where} no longer answers {status}"
            else:
                yield from self._answer(answer, there, f"{where} {status}")

    def _parameters(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        were, are = ({(p["in"], p["name"]): p for p in of.get("parameters", [])} for of in (before, after))
        for name, parameter in are.items():
            if parameter.get("required") and not were.get(name, {}).get("required"):
                yield f"{where} requires {name[1]} in the {name[0]} now"
        for name, parameter in were.items():
            if name not in are:
                yield f"{where} no longer takes {name[1]} in the {name[0]}"
            else:
                yield from self._each(parameter["schema"], are[name]["schema"], f"{where} {name[1]}", 0, self._taken)

    def _body(self, before: Schema | None, after: Schema | None, where: str) -> Iterator[str]:
        if after is not None and after.get("required") and not (before or {}).get("required"):
            yield f"{where} requires a body now"
        if before is None:
            return
        for media_type, content in before["content"].items():
            there = (after or {"content": {}})["content"].get(media_type)
            if there is None:
                yield f"{where} no longer takes {media_type}"
            else:
                yield from self._each(content["schema"], there["schema"], f"{where} body", 0, self._taken)

    def _answer(self, before: Schema, after: Schema, where: str) -> Iterator[str]:
        for header in before.get("headers", {}).keys() - after.get("headers", {}).keys():
            yield f"{where} no longer has {header}"
        for media_type, content in before.get("content", {}).items():
            there = after.get("content", {}).get(media_type)
            if there is None:
                yield f"{where} is no longer {media_type}"
            elif "schema" in content:
                yield from self._each(content["schema"], there.get("schema", {}), f"{where} body", 0, self._given)

    def _each(self, before: Schema, after: Schema, where: str, depth: int, compare: _Compare) -> Iterator[str]:
        """Compare the alternatives: each old one of a request must still be accepted, and each new one of an answer
        must be known.
        """
        if depth > _DEEPEST:
            return
        were, are = _either(before, self._old), _either(after, self._new)
        for one in were if compare == self._taken else are:
            others = are if compare == self._taken else were
            pairs = ((one, other) if compare == self._taken else (other, one) for other in others)
            yield from min((list(compare(*pair, where, depth + 1)) for pair in pairs), key=len)

    def _taken(self, before: Schema, after: Schema, where: str, depth: int) -> Iterator[str]:
        if "type" in after and before.get("type") not in (after["type"], *(["integer"] * (after["type"] == "number"))):
            yield f"{where} no longer takes {before.get('type', 'everything')}"
        if "enum" in after:
            gone = [str(value) for value in before.get("enum", ["every other value"]) if value not in after["enum"]]
            yield from (f"{where} no longer takes {value}" for value in gone)
        for bound in (*_AT_LEAST, *_AT_MOST):
            if bound in after and (bound not in before or _narrower(bound, before[bound], after[bound])):
                yield f"{where} has a narrower {bound}"
        for form in ("pattern", "format"):
            if form in after and before.get(form) != after[form]:
                yield f"{where} has another {form}"
        yield from self._members(before, after, where, depth, self._taken)
        for name in set(after.get("required", ())) - set(before.get("required", ())):
            yield f"{where}.{name} is required now"
        if after.get("additionalProperties") is False and before.get("additionalProperties") is not False:
            yield f"{where} takes no other fields now"

    def _given(self, before: Schema, after: Schema, where: str, depth: int) -> Iterator[str]:
        if "type" in before and after.get("type") not in (
            before["type"],
            *(["integer"] * (before["type"] == "number")),
        ):
            yield f"{where} may be {after.get('type', 'anything')} now"
        if "enum" in before:
            gone = [str(value) for value in before["enum"] if value not in after.get("enum", before["enum"])]
            yield from (f"{where} is never {value} now" for value in gone)
        yield from self._members(before, after, where, depth, self._given)
        for name in set(before.get("required", ())) - set(after.get("required", ())):
            if name in after.get("properties", {}):
                yield f"{where}.{name} may be missing now"

    def _members(self, before: Schema, after: Schema, where: str, depth: int, compare: _Compare) -> Iterator[str]:
        there = after.get("properties", {})
        for name, member in before.get("properties", {}).items():
            if name not in there:
                yield f"{where}.{name} is gone"
            else:
                yield from self._each(member, there[name], f"{where}.{name}", depth, compare)
        for part in ("items", "additionalProperties"):
            if isinstance(before.get(part), dict) and isinstance(after.get(part), dict):
                yield from self._each(before[part], after[part], f"{where}[]", depth, compare)


def _either(schema: Schema, document: Document) -> list[Schema]:
    """Return the alternatives of a schema, each without references and of one type."""
    if "$ref" in schema:
        return _either(document["components"]["schemas"][str(schema["$ref"]).rpartition("/")[2]], document)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return [one for each in several for one in _either(each, document)]
    kinds = schema.get("type")
    return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else [schema]


def _narrower(bound: str, before: float, after: float) -> bool:
    return after > before if bound in _AT_LEAST else after < before


def _scopes(operation: Schema) -> set[str]:
    return {scope for one in operation.get("security", []) for scopes in one.values() for scope in scopes}
