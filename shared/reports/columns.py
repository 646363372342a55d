"""The columns of a result: the source's names of their types, and the DuckDB types that hold them without loss."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_INTEGERS = {"int2": "SMALLINT", "int4": "INTEGER", "int8": "BIGINT", "oid": "UINTEGER"}
_FLOATS = {"float4": "FLOAT", "float8": "DOUBLE"}
_MOMENTS = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
_PLAIN = {**_INTEGERS, **_FLOATS, **_MOMENTS, "bool": "BOOLEAN"}
# Their text is made by the server from a value, not typed in by somebody.
_UNQUOTED = frozenset({*_PLAIN, "numeric", "time", "timetz", "interval", "uuid", "inet", "cidr", "macaddr"})
_HARMLESS = _UNQUOTED | {"money"}
_FROM_DUCKDB: Mapping[str, str] = {
    "TINYINT": "int2", "SMALLINT": "int2", "UTINYINT": "int2", "INTEGER": "int4", "USMALLINT": "int4",
    "BIGINT": "int8", "UINTEGER": "int8", "HUGEINT": "numeric", "UBIGINT": "numeric", "UHUGEINT": "numeric",
    "FLOAT": "float4", "DOUBLE": "float8", "BOOLEAN": "bool", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}  # fmt: skip
_DUCKDB_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# A spreadsheet would run a text cell that begins with one of these (OWASP, "CSV Injection", read 2026-11-25); the
# full-width ones by Excel in a Japanese environment, and by Numbers.
FORMULA_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
DECIMAL_DIGITS = 38
"""The most that DuckDB's and Parquet's exact decimals hold."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of a source's result."""

    name: str
    type_name: str
    """PostgreSQL's short name (`int4`, `timestamptz`), or the type's number if it is not a built-in one."""
    precision: int | None = None
    """Digits of a `numeric(precision, scale)`; None where the type leaves it open."""
    scale: int | None = None

    @property
    def is_number(self) -> bool:
        """True for numbers, which a spreadsheet can add up."""
        return self.is_integer or self.is_float or self.type_name == "numeric"

    @property
    def is_integer(self) -> bool:
        """True for whole numbers of at most 64 bits."""
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
    def is_plain_text(self) -> bool:
        """True for text that COPY writes as it stands."""
        return self.type_name in {"text", "varchar"}

    @property
    def may_hold_a_formula(self) -> bool:
        """True for text, and for every type that is not known to be harmless (citext, enums, json, arrays …)."""
        return self.type_name not in _HARMLESS

    @property
    def is_never_quoted(self) -> bool:
        """True for types whose text has nothing that a CSV must quote. Money has: `$1,000.00`."""
        return self.type_name in _UNQUOTED

    def stored_as(self, *, lenient: bool = False) -> str:
        """Return the DuckDB type that holds every value of this column; VARCHAR holds the source's own text.

        `lenient` is for results with values that exist in PostgreSQL only: infinite dates, years before Christ,
        a NaN among decimals. Then dates and decimals stay text.
        """
        if self.type_name == "numeric" and not lenient and self.precision and self.scale is not None:
            fits = self.precision <= DECIMAL_DIGITS and 0 <= self.scale <= self.precision
            return f"DECIMAL({self.precision}, {self.scale})" if fits else "VARCHAR"
        if self.is_moment and lenient:
            return "VARCHAR"
        return _PLAIN.get(self.type_name, "VARCHAR")


def from_duckdb(name: str, type_: str) -> SourceColumn:
    """Return a column of a DuckDB result with PostgreSQL's name of its type; a type that PostgreSQL lacks is text."""
    if decimal := _DUCKDB_DECIMAL.fullmatch(type_):  # a list of decimals does not match, and is text
        return SourceColumn(name, "numeric", int(decimal[1]), int(decimal[2]))
    return SourceColumn(name, _FROM_DUCKDB.get(type_, "text"))


def unique_names(names: Iterable[str]) -> Sequence[str]:
    """Make the names different from each other, whatever their case: `a`, `a_2`. SQL allows twins, files do not."""
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name or "column", 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name or 'column'}_{number}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique
