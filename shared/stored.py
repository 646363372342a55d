"""Reads values that another release may have stored, so that an unknown value or field breaks nothing.

While a release is rolled back, the older one reads rows that the newer one has written. It shows an unknown value as it
is, and ignores an unknown field. Requests are not read this way: in a request, an unknown value is refused.
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

_Member = TypeVar("_Member", bound=StrEnum)
_Made = TypeVar("_Made")


def member(kind: type[_Member], value: str) -> _Member:
    """Return the member with that value; for an unknown value, an instance of `kind` that holds it and is no member."""
    try:
        return kind(value)
    except ValueError:
        unknown = str.__new__(kind, value)
        unknown._name_ = unknown._value_ = value
        return unknown


def member_or_none(kind: type[_Member], value: str | None) -> _Member | None:
    """Return the same as `member`, and None for None."""
    return None if value is None else member(kind, value)


def made_of(make: Callable[..., _Made], names: Collection[str | None], fields: Mapping[str, Any]) -> _Made:
    """Call `make` with the fields that have one of these names, and ignore the others."""
    return make(**{name: value for name, value in fields.items() if name in names})
