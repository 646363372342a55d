"""The first rows of a report, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw

Row = Mapping[str, Any]
"""Values by column name: None, or the same as in the report's files."""


@dataclass(frozen=True, slots=True)
class RowsColumn:
    """A column of the rows."""

    name: str
    title: str
    type: str
    """`integer` and `boolean` values are Python's own. `bigint`, `decimal`, `float`, `date`, `timestamp`,
    `timestamptz`, `json` and `text` values are strings, so that no digit is lost: `Decimal(row["paid"])`.
    """
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(name=read.text("name"), title=read.some_text("title"), type=read.some_text("type"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class RowsPage:
    """Some of a report's first rows."""

    columns: Sequence[RowsColumn]
    rows: Sequence[Row]
    stored_rows: int
    """The number of rows that the server keeps."""
    total_rows: int
    """The number of rows in the report."""
    truncated: bool
    """True if the report has more rows than are kept."""
    next_after: int | None
    """The `after` of the next page; None on the last one."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of rows")
        return cls(
            columns=tuple(RowsColumn.read(one) for one in read.each("columns")),
            rows=tuple(one.raw for one in read.each("rows")),
            stored_rows=read.integer("storedRows"),
            total_rows=read.integer("totalRows"),
            truncated=read.flag("truncated"),
            next_after=read.maybe_integer("nextAfter"),
            raw=read.raw,
        )
