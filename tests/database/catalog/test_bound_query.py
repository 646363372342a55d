"""PostgreSQL itself confirms that a literal holds its value, and that the scanner reads as it does."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from shared.catalog.asker import NOBODY
from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters
from shared.catalog.query import bound_query
from tests.unit.catalog.builders import a_parameter, a_report

Connection = psycopg.Connection[Any]

STRING, INTEGER, DECIMAL, BOOLEAN, DATE, DATETIME, CHOICE, LIST = ParameterKind

HOSTILE = [
    "'",
    "''",
    "\\",
    "\\'",
    "'; DROP TABLE x; --",
    "%s",
    "%(p)s",
    "%%",
    ":p",
    "$$",
    "$1",
    "{}",
    "{0}",
    '"',
    ",",
    "NULL",
    "null",
    "",
    " ",
    "\n",
    "--",
    "/*",
    "*/",
    "🛫",
    "a\u2028b",
    ") TO PROGRAM 'x'",
]


def through_copy(conn: Connection, report: ReportType, parameters: Mapping[str, object]) -> tuple[Any, ...]:
    """The one row of the report's query, by way of COPY's binary-safe text and back into types."""
    query = bound_query(report, parameters, NOBODY)
    described = conn.execute(sql.SQL("SELECT * FROM ({}\n) AS report").format(query))
    types = [column.type_code for column in described.description or ()]
    with conn.cursor().copy(sql.SQL("COPY ({}\n) TO STDOUT").format(query)) as copy:
        copy.set_types(types)
        [row] = list(copy.rows())
    assert row == described.fetchone()
    return row


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_arrives_unchanged_through_every_kind_that_takes_text(conn: Connection, text: str) -> None:
    report = a_report(
        a_parameter(STRING, "a"),
        a_parameter(CHOICE, "b", choices=(text, "other")),
        a_parameter(LIST, "c", items=STRING),
        a_parameter(LIST, "d", items=CHOICE, choices=(text,)),
        query="SELECT :a, :b, :c, :d, '100%', ':a', 5 % 3 -- :a %s",
    )
    given = {"a": text, "b": text, "c": [text, "x", text], "d": [text]}
    assert through_copy(conn, report, given) == (text, text, [text, "x", text], [text], "100%", ":a", 2)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_literal_even_where_backslashes_escape(conn: Connection, text: str) -> None:
    conn.execute("SET LOCAL standard_conforming_strings = off")
    report = a_report(a_parameter(STRING, "a"), a_parameter(LIST, "b", items=STRING), query="SELECT :a, :b")
    assert through_copy(conn, report, {"a": text, "b": [text]}) == (text, [text])


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_arrives_unchanged(conn: Connection, text: str) -> None:
    report = a_report(a_parameter(STRING, "a"), a_parameter(LIST, "b", items=STRING), query="SELECT :a, :b")
    assert through_copy(conn, report, {"a": text, "b": [text]}) == (text, [text])


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
def test_text_that_postgresql_cannot_hold_never_reaches_it(text: str) -> None:
    report = a_report(a_parameter(STRING, "a"), a_parameter(LIST, "b", items=STRING), query="SELECT :a, :b")
    with pytest.raises(InvalidParameters) as refused:
        bound_query(report, {"a": text, "b": ["x", text]}, NOBODY)
    assert [v.field for v in refused.value.violations] == ["parameters.a", "parameters.b[1]"]


@pytest.mark.parametrize(
    ("parameter", "stored", "sql_type", "value"),
    [
        (a_parameter(INTEGER), -(2**63), "bigint", -(2**63)),
        (a_parameter(INTEGER), 5, "bigint", 5),
        (a_parameter(DECIMAL), "-12.50", "numeric", Decimal("-12.50")),
        (a_parameter(DECIMAL), "9" * 38, "numeric", Decimal("9" * 38)),
        (a_parameter(BOOLEAN), False, "boolean", False),
        (a_parameter(DATE), "0001-01-01", "date", date(1, 1, 1)),
        (a_parameter(DATE), "9999-12-31", "date", date(9999, 12, 31)),
        (
            a_parameter(DATETIME),
            "2026-01-31T00:00:00.000001Z",
            "timestamp with time zone",
            datetime(2026, 1, 31, 0, 0, 0, 1, UTC),
        ),
        (a_parameter(LIST, items=INTEGER), [-1, 2], "bigint[]", [-1, 2]),
        (a_parameter(LIST, items=DATE), [], "date[]", []),
        (a_parameter(LIST, items=DECIMAL), ["-0.10"], "numeric[]", [Decimal("-0.10")]),
        (a_parameter(LIST, items=BOOLEAN), [True], "boolean[]", [True]),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_values_arrive_typed_and_exact_in_any_time_zone(
    conn: Connection, parameter: Parameter, stored: object, sql_type: str, value: object, zone: str
) -> None:
    conn.execute("SELECT set_config('TimeZone', %s, true), set_config('DateStyle', 'ISO, DMY', true)", [zone])
    report = a_report(parameter, query="SELECT pg_typeof(:p)::text, :p")
    assert conn.execute(bound_query(report, {"p": stored}, NOBODY)).fetchone() == (sql_type, value)


@pytest.mark.parametrize("kind", list(ParameterKind))
def test_what_was_left_out_is_a_null_of_the_right_type(conn: Connection, kind: ParameterKind) -> None:
    parameter = a_parameter(kind, choices=("a",), items=DATE if kind is LIST else None)
    report = a_report(parameter, query="SELECT :p IS NULL, pg_typeof(:p) <> 'unknown'::regtype")
    assert through_copy(conn, report, {}) == (True, True)


def test_a_negative_number_after_a_minus_is_no_comment(conn: Connection) -> None:
    report = a_report(a_parameter(INTEGER), query="SELECT 1-:p, -:p")
    assert through_copy(conn, report, {"p": -5}) == (6, 5)


def test_a_closing_comment_and_semicolon_do_not_swallow_the_copy_around_them(conn: Connection) -> None:
    report = a_report(a_parameter(INTEGER), query="SELECT :p; -- the end;")
    assert through_copy(conn, report, {"p": 1}) == (1,)


def test_parameters_are_checked_against_the_catalog_of_today() -> None:
    report = a_report(a_parameter(DATE, "since"), query="SELECT :since")
    with pytest.raises(InvalidParameters, match="no such parameter"):
        bound_query(report, {"from": "2026-01-01"}, NOBODY)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (r"'\' || :p", "\\P"),
        (r"E'\':p'", "':p"),
        (r"E'\\' || :p", "\\P"),
        ("E'a'\n'\\':p'", "a':p"),
        ("E'a' -- x\n -- 'y\n '\\':p'", "a':p"),
        ("'a'\n'b\\' || :p", "ab\\P"),
        ("$$:p'$$ || :p", ":p'P"),
        ("$é$:p$$$é$ || :p", ":p$$P"),
        ("/* /* ' */ :p */ :p", "P"),
        ("-- ' :p\n :p", "P"),
        ('(SELECT "a:p" FROM (SELECT :p AS "a:p") x)', "P"),
        ("(SELECT x$1$ || '$1$:p' FROM (SELECT :p AS x$1$) x)", "P$1$:p"),
        ("(ARRAY[:p, 'b'])[1:1]::text", "{P}"),
        ("U&'\\0041:p' || :p", "A:pP"),
    ],
)
def test_the_scanner_reads_quotes_and_comments_as_postgresql_does(
    conn: Connection, expression: str, value: str
) -> None:
    report = a_report(a_parameter(STRING), query=f"SELECT {expression}")
    assert through_copy(conn, report, {"p": "P"}) == (value,)
