"""What pydantic says is wrong with a value, by names that are translated."""

from collections.abc import Mapping
from typing import Any

_SAYS: Mapping[str, tuple[str, str, str]] = {
    "string_too_long": ("too_long", "most", "max_length"),
    "string_too_short": ("too_short", "least", "min_length"),
    "too_long": ("too_many", "most", "max_length"),
    "too_short": ("too_few", "least", "min_length"),
    "greater_than_equal": ("minimum", "least", "ge"),
    "greater_than": ("more_than", "least", "gt"),
    "less_than_equal": ("maximum", "most", "le"),
    "less_than": ("less_than", "most", "lt"),
    "literal_error": ("choice", "choices", "expected"),
    "enum": ("choice", "choices", "expected"),
    "string_pattern_mismatch": ("pattern", "pattern", "pattern"),
}
"""By the type of an error: what it says, and the name of the fact in it, ours and pydantic's."""
_KINDS = (
    ("missing", "required"), ("datetime_", "datetime"), ("date_", "date"), ("int_", "integer"), ("float_", "decimal"),
    ("decimal_type", "decimal"), ("decimal_parsing", "decimal"), ("bool_", "boolean"), ("string_type", "string"),
)  # fmt: skip
"""How the types of other errors begin, and what these say."""


def said_by_pydantic(kind: str, context: Mapping[str, Any]) -> tuple[str, Mapping[str, object]]:
    """Return what an error of this type says, and the facts in it; nothing for one that has no name here.

    Types of errors: https://docs.pydantic.dev/latest/errors/validation_errors/ (read 2026-12-01).
    """
    if kind in _SAYS:
        says, ours, theirs = _SAYS[kind]
        return (says, {ours: str(context[theirs])}) if theirs in context else ("", {})
    return next((says for begins, says in _KINDS if kind.startswith(begins)), ""), {}


def worded(kind: str, message: str) -> str:
    """What pydantic says, in our spelling; what the author of the model says, as it is."""
    if kind in {"value_error", "assertion_error"}:
        return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:]
