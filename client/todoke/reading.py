"""Reads the API's JSON into models. Unknown and missing fields are allowed; values of a wrong type are not."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from todoke.errors import UnexpectedAnswer


class Fields:
    """The fields of a JSON object. Every getter takes the name on the wire, and raises UnexpectedAnswer."""

    def __init__(self, raw: object, what: str) -> None:
        if not isinstance(raw, Mapping):
            raise UnexpectedAnswer(f"{what} should be an object, not {_shown(raw)}")
        self.raw: Mapping[str, Any] = raw
        self._what = what

    def text(self, name: str) -> str:
        """Return a text, which must be present."""
        value: str = self._typed(name, str, self.raw.get(name))
        return value

    def maybe_text(self, name: str) -> str | None:
        """Return a text, or None."""
        value = self.raw.get(name)
        return None if value is None else self._typed(name, str, value)

    def some_text(self, name: str) -> str:
        """Return a text; empty if it is left out."""
        return self.maybe_text(name) or ""

    def integer(self, name: str) -> int:
        """Return a whole number; 0 if it is left out."""
        return int(self.maybe_number(name) or 0)

    def maybe_integer(self, name: str) -> int | None:
        """Return a whole number, or None."""
        value = self.maybe_number(name)
        return None if value is None else int(value)

    def maybe_number(self, name: str) -> float | None:
        """Return a number, or None."""
        value = self.raw.get(name)
        if value is None or isinstance(value, bool):
            return None
        number: float = self._typed(name, (int, float), value)
        return number

    def flag(self, name: str) -> bool:
        """Return a boolean; False if it is left out."""
        return self.raw.get(name) is True

    def time(self, name: str) -> datetime | None:
        """Return a time, or None."""
        value = self.maybe_text(name)
        try:
            return None if value is None else datetime.fromisoformat(value)
        except ValueError:
            raise UnexpectedAnswer(f"{name} of {self._what} is not a time: {_shown(value)}") from None

    def object(self, name: str) -> Mapping[str, Any]:
        """Return an object unchanged; empty if it is left out."""
        value = self.raw.get(name)
        return {} if value is None else self._typed(name, Mapping, value)

    def maybe_object(self, name: str) -> Mapping[str, Any] | None:
        """Return an object unchanged, or None."""
        return None if self.raw.get(name) is None else self.object(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; empty if it is left out."""
        return tuple(self._typed(name, str, one) for one in self._list(name))

    def inner(self, name: str) -> Self | None:
        """Return the fields of a nested object, or None."""
        value = self.raw.get(name)
        return None if value is None else type(self)(value, name)

    def each(self, name: str) -> Sequence[Self]:
        """Return the fields of each object in a list; empty if it is left out."""
        return [type(self)(one, name) for one in self._list(name)]

    def maybe_each(self, name: str) -> Sequence[Self] | None:
        """Return the fields of each object in a list, or None if it is left out."""
        return None if self.raw.get(name) is None else self.each(name)

    def _list(self, name: str) -> Sequence[Any]:
        value = self.raw.get(name)
        return () if value is None else self._typed(name, list, value)

    def _typed(self, name: str, kind: type | tuple[type, ...], value: Any) -> Any:
        if not isinstance(value, kind):
            raise UnexpectedAnswer(f"{name} of {self._what} is {_shown(value)}")
        return value


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:60]
