"""Reads what another release may have stored: a value or a field that this one does not know breaks nothing.

While a release is rolled back, the older one reads rows that the newer one has written. It shows such a value as it is,
and passes over such a field. What a request says is not read here: a value that this release does not know is refused.
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

_Member = TypeVar("_Member", bound=StrEnum)
_Made = TypeVar("_Made")


def member(kind: type[_Member], value: str) -> _Member:
    """The member of that value. For one that this release does not know, a text of that kind that is no member."""
    try:
        return kind(value)
    except ValueError:
        unknown = str.__new__(kind, value)
        unknown._name_ = unknown._value_ = value
        return unknown


def member_or_none(kind: type[_Member], value: str | None) -> _Member | None:
    """The same, and None for None."""
    return None if value is None else member(kind, value)


def made_of(make: Callable[..., _Made], names: Collection[str | None], fields: Mapping[str, Any]) -> _Made:
    """What `make` makes of those fields that have one of these names."""
    return make(**{name: value for name, value in fields.items() if name in names})
