"""The columns of a result: the source's names of their types, and the DuckDB types that hold them without loss."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.catalog.model import CsvOptions

_INTEGERS = {"int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "oid": "UINTEGER"}
_FLOATS = {"float4": "FLOAT", "float8": "DOUBLE"}
_MOMENTS = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
_PLAIN = {**_INTEGERS, **_FLOATS, **_MOMENTS, "bool": "BOOLEAN"}
# The server makes their text from a value; nobody typed it.
_UNQUOTED = frozenset({*_PLAIN, "numeric", "time", "timetz", "interval", "uuid", "inet", "cidr", "macaddr"})
_HARMLESS = _UNQUOTED | {"money"}
_FROM_DUCKDB: Mapping[str, str] = {
    "TINYINT": "int2", "SMALLINT": "int2", "UTINYINT": "int2", "INTEGER": "int4", "USMALLINT": "int4",
    "BIGINT": "int8", "UINTEGER": "int8",
    "FLOAT": "float4", "DOUBLE": "float8", "BOOLEAN": "bool", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "TIME": "time", "INTERVAL": "interval",
}  # fmt: skip
_DUCKDB_WHOLE: Mapping[str, int] = {"UBIGINT": 20, "HUGEINT": 39, "UHUGEINT": 39}
"""Digits of DuckDB's integers of more than 64 bits."""
_DUCKDB_NESTED = re.compile(r"(?s)(STRUCT|MAP|UNION)\(.*|.*\[\d*\]|JSON|VARIANT")
_DUCKDB_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_DECIMAL_WITHIN = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
# A spreadsheet would run a text cell that begins with one of these (OWASP, "CSV Injection", read 2026-11-25); the
# full-width ones in a Japanese Excel, and in Numbers.
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
DECIMAL_DIGITS = 38
"""The most that DuckDB's and Parquet's exact decimals hold."""
_OPEN_SCALE = 20
"""Decimal places in typed files of a `numeric` without a precision: PostgreSQL gives averages and quotients up to
20."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of a source's result."""

    name: str
    type_name: str
    """PostgreSQL's short name (`int4`, `timestamptz`), or the type's number if it is not built in."""
    precision: int | None = None
    """Digits of a `numeric(precision, scale)`; None where the type leaves it open."""
    scale: int | None = None
    nested: bool = False
    """True for a PostgreSQL array or composite, which its source can also write as JSON."""

    @property
    def is_number(self) -> bool:
        """True for numbers, which a spreadsheet can add up."""
        return self.is_integer or self.is_float or self.type_name == "numeric"

    @property
    def is_integer(self) -> bool:
        """True for integers of at most 64 bits."""
        return self.type_name in _INTEGERS

    @property
    def is_float(self) -> bool:
        """True for binary floating point."""
        return self.type_name in _FLOATS

    @property
    def is_moment(self) -> bool:
        """True for dates and timestamps."""
        return self.type_name in _MOMENTS

    @property
    def has_zone(self) -> bool:
        """True for instants, which are shown differently in each time zone."""
        return self.type_name == "timestamptz"

    @property
    def is_duration(self) -> bool:
        """True for times of day and for intervals. Intervals without months are a number of days."""
        return self.type_name in {"time", "interval"}

    @property
    def at_right(self) -> bool:
        """True for what a reader compares by its end: numbers and durations."""
        return self.is_number or self.is_duration

    @property
    def is_plain_text(self) -> bool:
        """True for text that COPY writes unchanged."""
        return self.type_name in {"text", "varchar"}

    @property
    def is_json(self) -> bool:
        """True for text that is JSON."""
        return self.type_name in {"json", "jsonb"}

    @property
    def may_hold_a_formula(self) -> bool:
        """True for text, and for every type that is not known to be harmless (citext, enums, json, arrays …)."""
        return self.type_name not in _HARMLESS

    @property
    def is_never_quoted(self) -> bool:
        """True for types whose text never needs quotes in a CSV. Money may: `$1,000.00`."""
        return self.type_name in _UNQUOTED

    @property
    def declared(self) -> tuple[int, int]:
        """Precision and scale of the exact decimal that represents this `numeric` in typed files, whatever its rows.

        A value that does not fit (NaN, or more digits) makes the column text there.
        """
        if not self.precision or self.scale is None:
            return DECIMAL_DIGITS, _OPEN_SCALE
        places = min(max(self.scale, 0), DECIMAL_DIGITS)
        # numeric(3, -2) holds 12300, numeric(2, 5) 0.00012.
        return min(max(self.precision, places, self.precision - self.scale), DECIMAL_DIGITS), places

    def stored_as(self, *, lenient: bool = False) -> str:
        """Return the DuckDB type that holds every value of this column; VARCHAR holds the source's own text.

        `lenient` is for results with values that exist in PostgreSQL only: infinite dates, years BC, NaN in decimals.
        Then dates and decimals stay text.
        """
        if self.type_name == "numeric" and not lenient and self.precision and self.scale is not None:
            # For decimals without a digit before the point, DuckDB 2.0 omits the zero: `.25`.
            fits = self.precision <= DECIMAL_DIGITS and 0 <= self.scale < self.precision
            return f"DECIMAL({self.precision}, {self.scale})" if fits else "VARCHAR"
        if self.is_moment and lenient:
            return "VARCHAR"
        return _PLAIN.get(self.type_name, "VARCHAR")


def from_duckdb(name: str, type_: str) -> SourceColumn:
    """Return a column of a DuckDB result with PostgreSQL's name of its type.

    Lists, structs and maps become JSON; other types that PostgreSQL lacks become text.
    """
    if _DUCKDB_NESTED.fullmatch(type_):
        return SourceColumn(name, "json")
    if decimal := _DUCKDB_DECIMAL.fullmatch(type_):
        return SourceColumn(name, "numeric", int(decimal[1]), int(decimal[2]))
    if digits := _DUCKDB_WHOLE.get(type_):
        return SourceColumn(name, "numeric", digits, 0)
    return SourceColumn(name, _FROM_DUCKDB.get(type_, "text"))


def json_type(type_: str, *, widest: str) -> str | None:
    """Return a DuckDB type of the same numbers that `to_json` writes as valid JSON; None if the type itself is one.

    DuckDB 2.0 writes `.25` for decimals without a digit before the point; those of 38 digits become `widest`.
    """

    def wider(found: re.Match[str]) -> str:
        digits, places = int(found[1]), int(found[2])
        if digits != places:
            return found[0]
        return f"DECIMAL({digits + 1},{places})" if digits < DECIMAL_DIGITS else widest

    wide = _DECIMAL_WITHIN.sub(wider, type_)
    return None if wide == type_ else wide


def unique_names(names: Iterable[str]) -> Sequence[str]:
    """Make the names unique, ignoring case. SQL allows duplicates, files do not.

    The first keeps its name; a duplicate gets the next name that no column has: of `a`, `a`, `a_2` the second becomes
    `a_3`.
    """
    wanted = [name or "column" for name in names]
    given = {name.casefold() for name in wanted}
    met: set[str] = set()
    unique = []
    for name in wanted:
        candidate, number = name, 1
        while candidate.casefold() in (given if candidate != name or name.casefold() in met else ()):
            number += 1
            candidate = f"{name}_{number}"
        met.add(name.casefold())
        given.add(candidate.casefold())
        unique.append(candidate)
    return unique


def header_line(names: Sequence[str], options: CsvOptions) -> bytes:
    """Return the first line of a CSV, quoted as by COPY.

    Names are guarded like cells, because PIVOT turns values into names.
    """
    alone = len(names) == 1
    cells = []
    for name in map(guarded, names) if options.formula_guard else names:
        quoted = name == "" or any(c in name for c in f'"\r\n{options.delimiter}') or (alone and name == "\\.")
        cells.append('"' + name.replace('"', '""') + '"' if quoted else name)
    return f"{options.delimiter.join(cells)}{options.line_end}".encode()


def guarded(text: str) -> str:
    """Return the text with an apostrophe in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text[:1] in set(FORMULA_STARTS) else text
