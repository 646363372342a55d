"""What a request says about the shape of its answer: in which time zone, with which columns, how sorted, and so on.

It is part of the question, as parameters are. A report type may forbid some of it, and have defaults of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

UTC_NAME = "UTC"
"""The time zone that holds where no other one is asked for."""
FIELDS: Mapping[str, str] = {
    "timeZone": "time_zone", "locale": "locale", "columns": "columns", "sort": "sort", "limit": "limit", "csv": "csv",
}  # fmt: skip
"""Their names in requests → the fields of a Shape, which are their names in report.toml, too."""
WORDS = "relativeDates"
"""Beside them a job stores the parameters that were asked for in words: name → the words."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of an answer. What was not asked for is None."""

    time_zone: str | None = None
    """A name of the IANA database: the query's session, and every time that a reader sees, is in it."""
    locale: str | None = None
    """The language of a document's texts: one that the report type has."""
    columns: tuple[str, ...] | None = None
    """The columns that files have, in this order."""
    sort: tuple[str, ...] | None = None
    """The columns by which rows are sorted, the most significant first; `-` in front of a name turns its order."""
    limit: int | None = None
    """The most rows, of the sorted ones."""
    csv: Mapping[str, Any] | None = None
    """How a CSV is written, by the fields of a request, as far as it is not as the report type has it."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """The shape among the options that a job stores."""
        if not stored:
            return cls()
        found: dict[str, Any] = {name: stored.get(wire) for wire, name in FIELDS.items()}
        for name, value in found.items():
            if isinstance(value, list):
                found[name] = tuple(value)
        return cls(**found)

    def as_json(self) -> dict[str, object]:
        """What a job stores of it, by the names of a request; nothing for what was not asked for."""
        found = {wire: getattr(self, name) for wire, name in FIELDS.items()}
        return {wire: list(v) if isinstance(v, tuple) else v for wire, v in found.items() if v is not None}

    def over(self, other: "Shape") -> "Shape":
        """This shape, and where it says nothing the other one."""
        return replace(other, **{f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None})

    @property
    def zone(self) -> str:
        """The time zone, which is UTC unless another one was asked for."""
        return self.time_zone or UTC_NAME

    @property
    def arranges(self) -> bool:
        """True if rows or columns are not those of the query, in its own order."""
        return self.columns is not None or self.sort is not None or self.limit is not None


AS_IT_IS = Shape()
"""Nothing is asked for: files are as the report type has them."""


def sort_key(wanted: str, columns: Sequence[str]) -> tuple[str, bool] | None:
    """The column of one item of `sort`, and true if it is descending; None if there is no such column."""
    if wanted in columns:
        return wanted, False
    if wanted.startswith("-") and wanted[1:] in columns:
        return wanted[1:], True
    return None


@dataclass(frozen=True, slots=True)
class TypeOptions:
    """What a report type says of the shapes of its answers: `[options]` of report.toml."""

    forbid: tuple[str, ...] = ()
    """Fields, by their names in requests, that no request may have."""
    defaults: Shape = AS_IT_IS


NO_OPTIONS = TypeOptions()
"""Everything may be asked for, and nothing holds but what is."""
