"""The files contain what the database returned, for any data."""

import csv
import datetime as dt
import hashlib
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from shared.catalog.model import Column
from shared.catalog.parameter import Parameter, ParameterKind
from shared.reports.interface import ReportError
from tests.reports.conftest import Render, a_report

HOSTILE = r"""
    SELECT * FROM (VALUES
        (1, 'plain', '-5'), (2, 'comma, "quote"', '=1+1'), (3, E'line\nbreak\r\nand more', '+1'), (4, '', '@x'),
        (5, NULL, E'\tcell'), (6, 'emoji 🛫 日本語', '-'), (7, E'control \x01 char', 'a=b'), (8, ' spaces ', '''quoted')
    ) AS hostile(n, words, formula) ORDER BY n
"""


def read_csv(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def sheet(path: Path, number: int = 0) -> list[tuple[Any, ...]]:
    of_rows = [one for one in openpyxl.load_workbook(path).worksheets if one.title != "Overview"]
    return list(of_rows[number].iter_rows(values_only=True))


def test_hostile_text_arrives_whole_and_harmless_in_csv(make: Render) -> None:
    (file,) = make(a_report(HOSTILE))

    rows = read_csv(file.path)
    assert rows[0] == ["n", "words", "formula"]
    assert [row[1] for row in rows[1:]] == [
        "plain", 'comma, "quote"', "line\nbreak\r\nand more", "", "", "emoji 🛫 日本語", "control \x01 char",
        " spaces ",
    ]  # fmt: skip
    assert [row[2] for row in rows[1:]] == ["'-5", "'=1+1", "'+1", "'@x", "'\tcell", "'-", "a=b", "'quoted"]
    assert file.rows == 8  # line breaks inside cells are not rows
    assert b'4,"",' in file.path.read_bytes()  # an empty text is not NULL
    assert b"5,,'" in file.path.read_bytes()


def test_numbers_are_never_guarded(make: Render) -> None:
    (file,) = make(a_report("SELECT -5 AS i, -1.5::numeric AS d, -0.5::float8 AS f, date '2026-01-02' AS day"))

    assert read_csv(file.path)[1] == ["-5", "-1.5", "-0.5", "2026-01-02"]


def test_hostile_text_stays_text_in_excel(make: Render) -> None:
    (file,) = make(a_report(HOSTILE), formats="xlsx")

    rows = sheet(file.path)
    assert [row[2] for row in rows[1:]] == ["-5", "=1+1", "+1", "@x", "\tcell", "-", "a=b", "'quoted"]
    book = openpyxl.load_workbook(file.path)
    assert {cell.data_type for row in book.worksheets[0].iter_rows(min_row=2, min_col=3) for cell in row} == {"s"}
    assert rows[3][1].replace("_x000D_", "\r") == "line\nbreak\r\nand more"


def test_excel_cells_have_types_titles_and_formats(make: Render) -> None:
    columns = {
        "share": Column("share", "Share", number_format="0.0%"),
        "delay": Column("delay", "Delay", unit="min", number_format="0.0"),
    }
    query = """SELECT 1.5::numeric AS delay, 0.25::float8 AS share, true AS flag, date '2026-03-04' AS day,
        timestamptz '2026-03-04 05:06:07+02' AS moment, NULL AS nothing, 12345678901234567890::numeric AS huge,
        'text' AS words, '{"a": 1}'::jsonb AS doc, date '1850-01-01' AS old, 'NaN'::float8 AS nan"""
    (file,) = make(a_report(query, columns=columns), formats="xlsx")

    header, row = sheet(file.path)
    assert header[:2] == ("Delay (min)", "Share")
    assert row == (
        1.5, 0.25, True, dt.datetime(2026, 3, 4), dt.datetime(2026, 3, 4, 3, 6, 7), None, "12345678901234567890",  # noqa: DTZ001 - Excel has no zones
        "text", '{"a": 1}', "1850-01-01", "NaN",
    )  # fmt: skip
    first = openpyxl.load_workbook(file.path).worksheets[0]
    assert (first["A2"].number_format, first["B2"].number_format) == ("0.0", "0.0%")
    assert first.freeze_panes == "A2"
    assert first.auto_filter.ref == "A1:K2"
    assert first.title == "Probe a test"


def test_no_rows_is_a_report_too(make: Render) -> None:
    files = make(a_report("SELECT 1 AS a WHERE false"), formats="csv xlsx")

    assert [f.rows for f in files] == [0, 0]
    assert files[0].path.read_text() == "a\n"
    assert sheet(files[1].path) == [("a",)]


def test_a_cell_too_long_for_excel_is_an_error_and_never_cut(make: Render) -> None:
    query = "SELECT repeat('x', 32768) AS long"
    with pytest.raises(ReportError) as caught:
        make(a_report(query), formats="xlsx")

    assert caught.value.code == "cell_too_long"
    assert "'long'" in str(caught.value)
    assert len(read_csv(make(a_report(query))[0].path)[1][0]) == 32_768


def test_both_formats_show_one_snapshot(make: Render) -> None:
    query = (
        "SELECT (SELECT xmin FROM pg_class LIMIT 1)::text AS x, now() AS moment, pg_current_snapshot()::text AS snap"
    )
    csv_file, xlsx_file = make(a_report(query), formats="csv xlsx")

    assert read_csv(csv_file.path)[1][2] == sheet(xlsx_file.path)[1][2]


def test_the_same_rows_give_the_same_bytes(make: Render) -> None:
    digests = []
    for _ in range(2):
        files = make(a_report(HOSTILE), formats="csv xlsx")
        digests.append([f.sha256 for f in files])
        assert [hashlib.sha256(f.path.read_bytes()).hexdigest() for f in files] == digests[-1]

    assert digests[0] == digests[1]


INJECTIONS = [
    "x'; DROP TABLE jobs; --", "'", "''", "\\", "\\'", "$$", "$1", "%s", "%(x)s", ":name", "E'\\x00'", '"', "/*", "--",
    "日本語 🛫", "a\nb", "{},{}", 'a","b', "{'x'}",
]  # fmt: skip


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_parameter_is_a_value_whatever_it_holds(make: Render, value: str) -> None:
    words = Parameter("words", ParameterKind.STRING, "Words")
    many = Parameter("many", ParameterKind.LIST, "Many", items=ParameterKind.STRING)
    choice = Parameter("choice", ParameterKind.CHOICE, "Choice", choices=(value,))
    query = """SELECT :words::text AS words, (:many)[1] AS first, (:many)[2] AS second, :choice AS choice,
        ':words' AS quoted, $$:words$$ AS dollars -- :words"""
    given = {"words": value, "many": [value, "b"], "choice": value}

    (file,) = make(a_report(query, words, many, choice), given, formats="xlsx")

    assert sheet(file.path)[1] == (value, value, "b", value, ":words", ":words")


def test_every_kind_of_parameter_is_bound_with_its_type(make: Render) -> None:
    kinds: dict[ParameterKind, Any] = {
        ParameterKind.INTEGER: -(2**63), ParameterKind.DECIMAL: "-1.50", ParameterKind.BOOLEAN: True,
        ParameterKind.DATE: "2026-01-02", ParameterKind.DATETIME: "2026-01-02T03:04:05+02:00",
    }  # fmt: skip
    parameters = [Parameter(kind.value, kind, kind.value) for kind in kinds]
    query = "SELECT " + ", ".join(f"pg_typeof(:{k.value})::text || ' ' || :{k.value} AS {k.value}" for k in kinds)

    (file,) = make(a_report(query, *parameters), {k.value: v for k, v in kinds.items()}, formats="xlsx")
    (nothing,) = make(a_report(query, *parameters), {}, formats="csv")

    assert sheet(file.path)[1] == (
        "bigint -9223372036854775808", "numeric -1.50", "boolean true", "date 2026-01-02",
        "timestamp with time zone 2026-01-02 01:04:05+00",
    )  # fmt: skip
    assert read_csv(nothing.path)[1] == [""] * 5
