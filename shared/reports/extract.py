"""The extract: a report's rows, read once and kept as Parquet. Every format is made from this one file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.reports import duck
from shared.reports.columns import SourceColumn, from_duckdb, json_type, unique_names

ROWS_FILE = "extract.parquet"
_FILE_ROW_NUMBER = "file_row_number"
FEW_ROWS, LITTLE_BYTES = 1_000, 1 << 20
"""The largest result whose texts may all be held in memory."""
AS_EXTRACT = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20_480"
"""How DuckDB writes rows that will be read again: it holds two groups in memory at a time, and so does what is rendered
from them. Level 1 gives files a tenth larger than the default 3, a tenth faster (`make bench-reports`)."""
AS_FINISHED = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 120_000"
"""How it writes a file that a client requested."""
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_NESTED = "NESTED"
"""Stands for DuckDB's nested types, which an extract stores as JSON."""
_DAY, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"
USUAL_MOMENTS: Mapping[str, str] = {
    "date": _DAY, "timestamp": f"{_DAY} {_TIME}", "timestamptz": f"{_DAY} {_TIME}[+-][0-9]{{2}}(:[0-9]{{2}}){{0,2}}",
}  # fmt: skip
"""What PostgreSQL writes for a moment of the years 1 to 9999, as regular expressions."""
DURATION = "([0-9]+ days? ?)?([0-9]+:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?)?"
"""What PostgreSQL writes for a time of day, and for an interval that is not negative and has no months."""
NUMBER = "-?[0-9]+([.][0-9]+)?"
"""What PostgreSQL writes for a number that is neither NaN nor infinite, as a regular expression."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column that a pivot has made."""

    text: str | None
    """The source's text of a value, or the title of the total."""
    of: "ExtractColumn | None"
    """The column whose value it is; None for the total."""
    looks: str
    """The column whose values are below it, and which determines how they look."""


@dataclass(frozen=True, slots=True)
class ExtractColumn:
    """One column of the result, as the extract holds it."""

    source: SourceColumn
    name: str
    """Its name in files: the source's name, made unique."""
    stored_as: str
    """Its DuckDB type in the extract."""
    decimal: tuple[int, int] | None = None
    """The precision and scale for every number of a column that the extract stores as text."""
    strange: bool = False
    """True if some value is unusual for its type: NaN, infinity, a year BC or beyond 9999."""
    typed_as: str | None = None
    """Its DuckDB type in typed files, where that differs from `stored_as`."""
    asked_as: str | None = None
    """Its DuckDB type for the queries of a document, where that differs from `stored_as`."""
    text_name: str | None = None
    """The name of the column with the source's own text, where DuckDB would write the value differently."""
    json_name: str | None = None
    """The name of the column with the JSON of an array or a composite, if JSON is to be written."""
    heading: Heading | None = None
    """Its heading, if a pivot has made it. A kept extract has no such columns."""

    @property
    def quoted(self) -> str:
        """Its quoted name, for SQL over the extract."""
        return duck.identifier(self.name)

    @property
    def may_be_any_text(self) -> bool:
        """True if a value may contain any character: in text, in JSON, and in numbers and moments stored as text."""
        source = self.source
        return self.stored_as == "VARCHAR" or not (source.is_number or source.is_moment or source.type_name == "bool")

    @property
    def as_source_text(self) -> str:
        """SQL for the text that the source would write in a CSV."""
        if self.text_name:
            return duck.identifier(self.text_name)
        if self.stored_as == "BOOLEAN":
            return f"CASE WHEN {self.quoted} THEN 't' WHEN NOT {self.quoted} THEN 'f' END"
        if self.stored_as == _NESTED:
            return f"CASE WHEN {self.quoted} IS NOT NULL THEN to_json({self.asked})::VARCHAR END"
        if (decimal := _DECIMAL.fullmatch(self.stored_as)) and decimal[1] == decimal[2]:
            return f"regexp_replace({self.quoted}::VARCHAR, '^(-?)[.]', '\\10.')"  # DuckDB 2.0 writes `.25`
        return self.quoted if self.stored_as == "VARCHAR" else f"{self.quoted}::VARCHAR"

    @property
    def as_float_text(self) -> str:
        """SQL for a floating point number as PostgreSQL writes it: no `.0`, and its spelling of NaN and Infinity."""
        if self.text_name:
            return self.as_source_text
        value, text = self.quoted, f"{self.quoted}::VARCHAR"
        return (
            f"CASE WHEN isfinite({value}) AND {value} <> trunc({value}) THEN {text} "
            f"WHEN isfinite({value}) THEN regexp_replace({text}, '\\.0$', '') "
            f"WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' WHEN {value} < 0 THEN '-Infinity' END"
        )

    @property
    def as_final(self) -> str:
        """SQL for the value in its final type, under the column's name."""
        if self.final_type == self.stored_as:
            return self.quoted
        return f"{self.quoted}::{self.final_type} AS {self.quoted}"

    @property
    def final_type(self) -> str:
        """Its DuckDB type in files that have types."""
        return self.typed_as or self.stored_as

    @property
    def as_asked(self) -> str:
        """SQL for the value as the queries of a document see it, under the column's name."""
        return self.quoted if self.asked_as is None else f"{self.asked} AS {self.quoted}"

    @property
    def asked(self) -> str:
        """SQL for the value as the queries of a document see it."""
        if self.asked_as is None:
            return self.quoted
        text = self.quoted
        if self.source.is_moment:
            # PostgreSQL puts the era after the time, DuckDB in brackets after the date.
            text = f"regexp_replace({text}, '^([^ ]+)(.*) BC$', '\\1 (BC)\\2')"
        return f"{text}::{self.asked_as}"

    @property
    def as_microseconds(self) -> str:
        """SQL for a duration in microseconds; NULL if it is negative or has months, whose length varies."""
        text = self.as_source_text
        return f"CASE WHEN regexp_full_match({text}, '{DURATION}') THEN epoch_us(TRY_CAST({text} AS INTERVAL)) END"

    @property
    def as_sortable(self) -> str:
        """SQL for the value to sort by and to add up: a number that the extract stores as text becomes a number."""
        return self.quoted if self.asked_as is None else f"TRY_CAST({self.quoted} AS {self.asked_as})"

    @property
    def as_usual_moment(self) -> str:
        """SQL for the moment; NULL if the extract has text, because only PostgreSQL knows such a moment."""
        if self.stored_as != "VARCHAR":
            return self.quoted
        usual = USUAL_MOMENTS[self.source.type_name]
        return (
            f"CASE WHEN regexp_full_match({self.quoted}, '{usual}') THEN {self.quoted}::{self.source.stored_as()} END"
        )

    @property
    def as_utc(self) -> str:
        """SQL for the same without a zone, as UTC clocks show it; the connection is in UTC.

        No calendar is involved, which would take twice as long as everything else.
        """
        has_zone = self.stored_as == "TIMESTAMP WITH TIME ZONE"
        return f"make_timestamp(epoch_us({self.quoted}))" if has_zone else self.as_usual_moment


def duckdb_column(name: str, type_: str) -> ExtractColumn:
    """Return a column of a DuckDB result as if it were one of an extract. Types without a name here become `OTHER`."""
    source = from_duckdb(name, type_)
    if source.is_json:
        return ExtractColumn(source, name, _NESTED, asked_as=json_type(type_, widest="VARCHAR"))
    if source.type_name == "text":
        return ExtractColumn(source, name, "OTHER")
    return ExtractColumn(source, name, source.stored_as() if source.is_moment else type_)


@dataclass(frozen=True, slots=True)
class Extract:
    """The rows of a report: their file, their columns, and the state of the source that they represent."""

    path: Path
    columns: Sequence[ExtractColumn]
    rows: int
    snapshot: Mapping[str, object]
    """Identifies this state of the source, as JSON."""
    text_bytes: int
    """How much text the source sent for them."""
    shown: int | None = None
    """How many of the columns are shown in files, from the first on; None for all. The others are for summaries and
    charts."""
    cells: Sequence[Sequence[str | None]] | None = None
    """The source's texts of all rows, if they are few and of usual kinds."""
    has_file: bool = True
    """False if the cells are enough. Beside cells, the file is the requested Parquet, with final types."""

    def cells_of(self, columns: Sequence[ExtractColumn]) -> Sequence[Sequence[str | None]]:
        """Return the cells of some of the columns."""
        places = [self.columns.index(column) for column in columns]
        return [[row[at] for at in places] for row in self.cells or ()]

    def typed_cells(self, typed: Sequence[tuple[ExtractColumn, str]]) -> tuple[str, Sequence[Sequence[str | None]]]:
        """Return SQL for the fields of a SELECT with the cells of columns, each in its DuckDB type, and the values to
        bind to it.
        """
        fields = ", ".join(f"unnest(?::VARCHAR[])::{type_} AS {column.quoted}" for column, type_ in typed)
        return fields, [[text for [text] in self.cells_of([column])] for column, _ in typed]

    @property
    def has_final_columns(self) -> bool:
        """True if rows that are kept for reading are the columns of a Parquet file, in their final types."""
        return all(c.final_type == c.stored_as and not c.text_name and not c.json_name for c in self.columns)

    @property
    def as_shown(self) -> "Extract":
        """The same rows with the columns that files show."""
        return self if self.shown is None else replace(self, columns=self.columns[: self.shown], shown=None)

    @property
    def is_small(self) -> bool:
        """True if the texts of all rows may be held in memory at once."""
        return self.rows <= FEW_ROWS and self.text_bytes <= LITTLE_BYTES

    @property
    def table(self) -> str:
        """SQL for FROM: the rows in the source's order."""
        return f"read_parquet({duck.literal(str(self.path))})"

    @property
    def numbered(self) -> str:
        """SQL for FROM: the same rows, with `row_number` from 0."""
        fields, number = ", ".join(map(duck.identifier, self._fields)), self.row_number
        if any(name.casefold() == _FILE_ROW_NUMBER for name in self._fields):
            return f"(SELECT {fields}, row_number() OVER () - 1 AS {number} FROM {self.table})"
        # DuckDB's own row number leaves out the groups of rows that a condition on it excludes.
        table = f"read_parquet({duck.literal(str(self.path))}, {_FILE_ROW_NUMBER} = true)"
        return f"(SELECT {fields}, {_FILE_ROW_NUMBER} AS {number} FROM {table})"

    def between(self, first: int, end: int) -> str:
        """Return SQL for FROM: the rows from `first` up to but excluding `end`, with `row_number`."""
        if first == 0 and end == self.rows:
            return self.numbered
        return f"(FROM {self.numbered} WHERE {self.row_number} >= {first} AND {self.row_number} < {end})"

    @property
    def row_number(self) -> str:
        """The quoted name of the row number."""
        return self.unused("row number")

    def unused(self, name: str, *taken: str) -> str:
        """Return a quoted name like this one that differs from all columns and from `taken`."""
        return duck.identifier(unique_names([*self._fields, *taken, name])[-1])

    @property
    def _fields(self) -> Sequence[str]:
        return [n for c in self.columns for n in (c.name, c.text_name, c.json_name) if n]
