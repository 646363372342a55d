"""Rows drawn at random: columns of every type of a source, with few values each, some of them awkward."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from shared.reports import duck


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of a source, and values of it."""

    type_: str
    values: Sequence[str]
    """As the source reads them from text."""
    is_number: bool = False
    has_order: bool = True

    def sql(self, value: str) -> str:
        """The value in SQL."""
        return f"CAST({duck.literal(value)} AS {self.type_})"


@dataclass(frozen=True, slots=True)
class DrawnColumn:
    """A column of a query."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rows:
    """A query, and its columns."""

    query: str
    columns: Sequence[DrawnColumn]
    count: int

    @property
    def names(self) -> Sequence[str]:
        """The columns' names."""
        return [column.name for column in self.columns]

    @property
    def numbers(self) -> Sequence[str]:
        """The names of columns of numbers."""
        return [column.name for column in self.columns if column.kind.is_number]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The SQL and the types of a kind of source."""

    kinds: Sequence[Kind]
    series: str
    """SQL for FROM: `g` from 1 to `{rows}`."""
    quotient: str
    """The operator that divides whole numbers."""


def _number(type_: str, *values: str) -> Kind:
    return Kind(type_, values, is_number=True)


def _kind(type_: str, *values: str) -> Kind:
    return Kind(type_, values)


def _heap(type_: str, *values: str) -> Kind:
    return Kind(type_, values, has_order=False)


_TEXTS = (
    "", "x", "y", "Z", "=cmd()", "+1", "-", "@a", "a\nb", "a\r\nb", '"q"', "a\tb", "<b>&amp;</b>", "a,b;c|d", "\\.",
    "\ufeff", "日本語の長い名前です", "العربية", "🙂", "é", "ก้ำ", "1e5", "007", "x\x01_x0041_", " padded ", "#REF!",
    "https://example.com/?a=1&b",
)  # fmt: skip
_DAYS = ("2024-02-29", "9999-12-31", "1899-12-31", "1900-02-28", "0001-01-01", "2026-11-30")
_MOMENTS = ("2024-02-29 23:59:59.999999", "0001-01-01 00:00:00", "1900-01-01 00:00:00", "2026-01-02 03:04:05")

_POSTGRES = (
    _number("int2", "0", "-32768", "7"),
    _number("int4", "0", "-5", "2147483647", "12"),
    _number("int8", "9223372036854775807", "-9223372036854775808", "1000000", "999999999999999"),
    _number("oid", "0", "4294967295"),
    _number("numeric", "0", "0.000000000000000000000000000001", "123456789012345678901234567890.123456789", "-0.000",
            "3.5", "100", "-7.25"),
    _number("numeric", "NaN", "1", "2.5"),
    _number("numeric", "Infinity", "-1"),
    _number("numeric(12, 2)", "1.50", "-2.05", "99999999.99", "0"),
    _number("numeric(12, 2)", "1.50", "NaN"),
    _number("numeric(38, 10)", "1.5", f"-{28 * '9'}.{10 * '9'}"),
    _number("numeric(38, 0)", 38 * "9", "1"),
    _number("numeric(2, 2)", "0.25", "-0.99"),
    _number("numeric(3, 5)", "0.00123"),
    _number("numeric(3, -2)", "12300", "-99900"),
    _number("float4", "1e-38", "3.4e38", "0.1", "-2.5"),
    _number("float8", "1e300", "-0", "0", "5e-324", "0.1", "2.5", "1e15", "1e16", "123456.789"),
    _number("float8", "0.5", "-0.25", "3", "0.0001", "-0", "0"),
    _number("float8", "NaN", "Infinity", "-Infinity", "1"),
    _kind("text", *_TEXTS),
    _kind("varchar(9)", "x", "", "=1"),
    _kind("char(4)", "x", "ab", "=1"),
    _kind("bool", "true", "false"),
    _kind("date", *_DAYS),
    _kind("date", "infinity", "0044-03-15 BC", "2024-01-01"),
    _kind("timestamp", *_MOMENTS),
    _kind("timestamp", "-infinity", "12000-01-01 00:00:00", "2024-01-01 10:00:00"),
    _kind("timestamptz", "2024-03-31 01:30:00+00", "2026-07-01 12:00:00+00", "0001-01-02 00:00:00+00"),
    _kind("timestamptz", "infinity", "0044-03-15 00:00:00+00 BC"),
    _kind("time", "24:00:00", "00:00:00.000001", "12:30:00"),
    _kind("timetz", "12:30:00+02"),
    _kind("interval", "3 days -04:05:06.7", "1 day", "999999 hours", "0", "90 minutes"),
    _kind("interval", "1 year", "2 mons", "-1 hour"),
    _kind("uuid", "00000000-0000-0000-0000-000000000001"),
    _kind("bytea", "\\xdeadbeef", ""),
    _kind("inet", "10.0.0.1/8", "::1"),
    _kind("money", "1234.50", "-1"),
    _kind("int4range", "[1,5)", "empty"),
    _kind("jsonb", '{"a": [1, 2.50, null]}', '"x"', "null"),
    _heap("json", '{"a": [1, 2.50, null]}', "null", '{"a":\n1}'),
    _heap("point", "(1,2)"),
    _kind("int4[]", "{1,2,NULL}", "{}"),
    _kind("text[]", '{"a,b",NULL,""}', "{=1}"),
    _kind("numeric(5, 2)[]", "{1.50,NaN}"),
)  # fmt: skip
_FILES = (
    _number("TINYINT", "-128", "7"),
    _number("UBIGINT", "18446744073709551615", "0"),
    _number("HUGEINT", 38 * "9", "-1", "170141183460469231731687303715884105727"),
    _number("DECIMAL(4, 4)", "0.25", "-0.5"),
    _number("DECIMAL(18, 3)", "1.5", "-99"),
    _number("FLOAT", "0.1", "nan", "1e30"),
    _number("DOUBLE", "0.1", "-0", "inf", "1e16"),
    _kind("VARCHAR", *_TEXTS),
    _kind("BOOLEAN", "true", "false"),
    _kind("DATE", *_DAYS),
    _kind("DATE", "infinity", "0044-03-15 (BC)"),
    _kind("TIMESTAMP", *_MOMENTS),
    _kind("TIMESTAMP_NS", "2024-02-29 23:59:59.999999"),
    _kind("TIMESTAMPTZ", "2024-03-31 01:30:00+00", "infinity"),
    _kind("TIME", "12:30:00.5", "00:00:00"),
    _kind("INTERVAL", "3 days", "90 minutes", "1 year"),
    _kind("UUID", "00000000-0000-0000-0000-000000000001"),
    _kind("BLOB", "\\xDE\\xAD", ""),
    _kind("JSON", '{"a": [1, 2.50, null]}'),
    _kind("INTEGER[]", "[1, 2, NULL]", "[]"),
    _kind("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': x}"),
    _kind("MAP(VARCHAR, INTEGER)", "{a=1}"),
)
_SQLITE = (
    _number("INTEGER", "0", "-5", "9223372036854775807"),
    _number("REAL", "0.1", "-2.5", "1e16", "0"),
    _kind("TEXT", *_TEXTS),
)
DIALECTS: Mapping[str, Dialect] = {
    "postgres": Dialect(_POSTGRES, "generate_series(1, {rows}) AS s(g)", "/"),
    "files": Dialect(_FILES, "range(1, {rows} + 1) AS s(g)", "//"),
    "sqlite": Dialect(
        _SQLITE,
        "(WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < {rows}) "
        "SELECT g FROM s WHERE g <= {rows})", "/",
    ),
}  # fmt: skip
"""By the kind of source."""
_STEMS = ("a", "A b", "日付", "x.y", "Total", "row", "first_row", 'q"', "sum(a)", "-n", "=n", "file_row_number", "step",
          "select", "filename", "row number")  # fmt: skip
_COUNTS = (0, 1, 2, 5, 9, 40, 90, 300)
"""Documents have a long table of their own beyond 60 rows."""


@st.composite
def rows(draw: st.DrawFn, dialect: Dialect, *, most: int = 7) -> Rows:
    """A query: a few columns, whose values repeat in runs or in turns."""
    kinds = draw(st.lists(st.sampled_from(dialect.kinds), min_size=1, max_size=most))
    numbers = [kind for kind in dialect.kinds if kind.is_number]
    kinds += draw(st.lists(st.sampled_from(numbers), max_size=2))
    columns = [DrawnColumn(f"{draw(st.sampled_from(_STEMS))}{at or ''}", kind) for at, kind in enumerate(kinds)]
    count = draw(st.sampled_from(_COUNTS))
    fields = [f"{draw(_cells(dialect, column.kind))} AS {duck.identifier(column.name)}" for column in columns]
    keys = ["1", "g"] if kinds[0].has_order and draw(st.booleans()) else ["g"]
    query = f"SELECT {', '.join(fields)} FROM {dialect.series.format(rows=count)} ORDER BY {', '.join(keys)}"
    return Rows(query, columns, count)


@st.composite
def _cells(draw: st.DrawFn, dialect: Dialect, kind: Kind) -> str:
    """SQL for the value of row `g`; some are NULL."""
    values = draw(st.lists(st.sampled_from(kind.values), min_size=1, max_size=4, unique=True))
    turns = len(values) + draw(st.integers(0, 1))
    times, by = draw(st.sampled_from([1, 1, 3, 7])), draw(st.sampled_from([1, 1, 2, 5, 20]))
    cases = " ".join(f"WHEN {at} THEN {kind.sql(value)}" for at, value in enumerate(values))
    return f"CASE (g * {times} {dialect.quotient} {by}) % {turns} {cases} END"
