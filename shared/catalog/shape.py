"""What a request says about the shape of its answer: its time zone, columns, sorting, and so on.

It is part of the question, as parameters are. A report type may forbid some of it, and may define defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

UTC_NAME = "UTC"
"""The time zone if no other is requested."""
FIELDS: Mapping[str, str] = {
    "timeZone": "time_zone", "locale": "locale", "columns": "columns", "sort": "sort", "limit": "limit", "csv": "csv",
}  # fmt: skip
"""Their names in requests → the fields of a Shape, which are also their names in report.toml."""
WORDS = "relativeDates"
"""Where a job stores the parameters that were given in words: name → the words."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of an answer. What was not requested is None."""

    time_zone: str | None = None
    """A name of the IANA database. The query's session, and every time shown to a reader, is in this zone."""
    locale: str | None = None
    """The language of a document's texts: one that the report type has."""
    columns: tuple[str, ...] | None = None
    """The columns that files have, in this order."""
    sort: tuple[str, ...] | None = None
    """The columns by which rows are sorted, the most significant first; a leading `-` reverses the order."""
    limit: int | None = None
    """The most rows, counted after sorting."""
    csv: Mapping[str, Any] | None = None
    """How a CSV is written, by the fields of a request, where it differs from the report type's settings."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return the shape contained in a job's stored options."""
        if not stored:
            return cls()
        found: dict[str, Any] = {name: stored.get(wire) for wire, name in FIELDS.items()}
        for name, value in found.items():
            if isinstance(value, list):
                found[name] = tuple(value)
        return cls(**found)

    def as_json(self) -> dict[str, object]:
        """Return what a job stores of it, by the names of a request; fields that were not requested are left out."""
        found = {wire: getattr(self, name) for wire, name in FIELDS.items()}
        return {wire: list(v) if isinstance(v, tuple) else v for wire, v in found.items() if v is not None}

    def over(self, other: "Shape") -> "Shape":
        """Return this shape, with fields that it leaves open taken from `other`."""
        return replace(other, **{f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None})

    @property
    def zone(self) -> str:
        """The time zone, which is UTC unless another one was requested."""
        return self.time_zone or UTC_NAME

    @property
    def arranges(self) -> bool:
        """True if rows or columns differ from those of the query or its order."""
        return self.columns is not None or self.sort is not None or self.limit is not None


AS_IT_IS = Shape()
"""The shape of a request that asks for nothing: files are as the report type defines them."""


def sort_key(wanted: str, columns: Sequence[str]) -> tuple[str, bool] | None:
    """Return the column of one item of `sort`, and True if it is descending; None if there is no such column."""
    if wanted in columns:
        return wanted, False
    if wanted.startswith("-") and wanted[1:] in columns:
        return wanted[1:], True
    return None


@dataclass(frozen=True, slots=True)
class TypeOptions:
    """What a report type says about the shapes of its answers: `[options]` of report.toml."""

    forbid: tuple[str, ...] = ()
    """Fields, by their names in requests, that no request may have."""
    defaults: Shape = AS_IT_IS


NO_OPTIONS = TypeOptions()
"""Everything may be requested, and there are no defaults."""
