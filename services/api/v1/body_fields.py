"""Reading and describing request bodies that are objects with a few fields."""

from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest
from services.api.actions.idempotency import read_key
from shared.catalog.parameters import Violation
from shared.catalog.values import whole
from shared.suggest import did_you_mean

_DAY_S = 86_400


def unknown_fields(fields: Mapping[str, Any], known: Collection[str]) -> list[Violation]:
    """Return a violation for each field that is not known."""
    names = [name for name in fields if name not in known][:MOST_VIOLATIONS]
    wrong = "is not a field of this request"
    return [Violation(n[:100], "unknown_field", f"{wrong}{did_you_mean(n[:100], known)}") for n in names]


def whole_number(
    fields: Mapping[str, Any], name: str, least: int, most: int, violations: list[Violation], unit: str = ""
) -> int | None:
    """Return the field's whole number; None if it is missing, or invalid, which adds a violation."""
    given = fields.get(name)
    number = whole(given)
    if given is None or (number is not None and least <= number <= most):
        return number
    violations.append(Violation(name, "range", f"must be a whole number{unit} from {least} to {most}"))
    return None


def idempotency_key(request: Request, violations: list[Violation]) -> str | None:
    """Return the request's Idempotency-Key; None if it is missing, or invalid, which adds a violation."""
    key = read_key(request.headers.getlist("idempotency-key"))
    if isinstance(key, Violation):
        violations.append(key)
        return None
    return key


def only_idempotency_key(request: Request) -> str | None:
    """The same, for a request without other possible mistakes. Raises InvalidRequest."""
    violations: list[Violation] = []
    key = idempotency_key(request, violations)
    refuse(violations)
    return key


def overlap_s(fields: Mapping[str, Any], longest_s: int, violations: list[Violation]) -> int:
    """Return for how long what is replaced stays valid, in seconds: a day if `overlapSeconds` is left out."""
    asked_s = whole_number(fields, "overlapSeconds", 0, longest_s, violations, " of seconds")
    return _DAY_S if asked_s is None else asked_s


def overlap_schema(longest_s: int, description: str) -> dict[str, Any]:
    """Return the schema of `overlapSeconds`."""
    return {"type": ["integer", "null"], "minimum": 0, "maximum": longest_s, "description": description}


def body_of(fields: Mapping[str, Any], example: Mapping[str, Any], *, required: Collection[str] = ()) -> dict[str, Any]:
    """Describe a body with exactly these fields. It may be left out if none is required."""
    schema = {"type": "object", "additionalProperties": False, "properties": fields, "required": list(required)}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": bool(required), "content": content}}


def refuse(violations: list[Violation]) -> None:
    """Raise InvalidRequest if there are any."""
    if violations:
        many = "one problem" if len(violations) == 1 else f"{len(violations)} problems"
        raise InvalidRequest(f"The request has {many}.", violations)
