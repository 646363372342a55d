"""What requests have in common whose bodies are objects of a few fields."""

from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest
from services.api.actions.idempotency import read_key
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean


def unknown_fields(fields: Mapping[str, Any], known: Collection[str]) -> list[Violation]:
    """A violation for each field that is none of these."""
    names = [name for name in fields if name not in known][:MOST_VIOLATIONS]
    wrong = "is not a field of this request"
    return [Violation(n[:100], "unknown_field", f"{wrong}{did_you_mean(n[:100], known)}") for n in names]


def idempotency_key(request: Request, violations: list[Violation]) -> str | None:
    """The request's Idempotency-Key; None if it has none, or a wrong one: then there is a violation more."""
    key = read_key(request.headers.getlist("idempotency-key"))
    if isinstance(key, Violation):
        violations.append(key)
        return None
    return key


def refuse(violations: list[Violation]) -> None:
    """Raise InvalidRequest if there are any."""
    if violations:
        many = "one problem" if len(violations) == 1 else f"{len(violations)} problems"
        raise InvalidRequest(f"The request has {many}.", violations)
