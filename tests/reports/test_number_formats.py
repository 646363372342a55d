"""HTML and PDF show numbers and dates as a spreadsheet does, by ECMA-376's rules, or the loader refuses the format."""

import json

import duckdb
import pytest

from shared.catalog.cultures import culture_of
from shared.catalog.model import Column
from shared.catalog.number_format_text import WrongFormat, read_format
from shared.reports.columns import SourceColumn
from shared.reports.extract import ExtractColumn
from shared.reports.formats.display import displayed
from shared.reports.formats.display_in_python import shown_in_python
from tests.interop.number_formats import CORPUS

KEEP_POINT = {"0.##", "#.##"}
"""Formats with which Excel, and so we, show the point of a whole number (`12.`); LibreOffice leaves it out."""
CLDR = {"[$-401]d mmmm yyyy", "[$-40D]mmmm d", "[$-41F]dddd d mmm"}
"""Formats for which LibreOffice has names of its own, or marks of direction, and we have those of CLDR 48."""
TYPES = {
    "number": ("VARCHAR", "numeric"), "moment": ("TIMESTAMP", "timestamp"), "duration": ("VARCHAR", "interval"),
}  # fmt: skip
BINARY = {("0%", "1.005"), ("#,##0%", "1.005")}
"""LibreOffice multiplies a binary number, so a hundred times 1.005 is less than 100.5 and becomes 100%."""


def shown(value: str, number_format: str, type_: str = "VARCHAR", name: str = "numeric") -> object:
    column = ExtractColumn(SourceColumn("v", name), "v", type_)
    text = displayed(column, Column("v", "v", number_format=number_format))
    [found] = duckdb.connect().execute(f"SELECT {text} FROM (SELECT '{value}'::{type_} AS v)").fetchone() or [None]
    return found


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        # R23: rounded as decimals, half away from zero.
        ("1.005", "0.00", "1.01"), ("2.675", "0.00", "2.68"), ("-2.5", "0", "-3"), ("0.125", "0.00", "0.13"),
        ("999999999999999.5", "0%", "99999999999999950%"), ("-1.005", "#,##0.00", "-1.01"),
        ("12345678901234567890.125", "#,##0.00", "12,345,678,901,234,567,890.13"), ("-0.004", "0.00", "0.00"),
        # What documents knew before.
        ("1234.5", "0", "1235"), ("1234.5", "#,##0", "1,235"), ("1234567.891", "#,##0.0", "1,234,567.9"),
        ("0.0455", "0.0%", "4.6%"), ("0", "#,##0.00", "0.00"), ("123", "#,##0", "123"), ("1000", "#,##0", "1,000"),
        # U2: currency, leading zeros, literals, sections.
        ("65171900000", "¥#,##0", "¥65,171,900,000"), ("-92081000", "¥#,##0", "-¥92,081,000"),
        ("540", "0000", "0540"), ("12345", "0000", "12345"), ("1234.5", "$#,##0.00", "$1,234.50"),
        ("-1234.5", "#,##0.00;(#,##0.00)", "(1,234.50)"), ("-1234.5", "#,##0.00;[Red]-#,##0.00", "-1,234.50"),
        ("0", '0;-0;"none"', "none"), ("5", '0;-0;"none"', "5"), ("-5", "0;;", ""), ("3", '#,##0 "km"', "3 km"),
        ("1234567.89", "[$€-407] #,##0.00", "€ 1,234,567.89"), ("1234567.89", "[$-409]0", "1234568"),
        ("12", "0.##", "12."), ("12.5", "0.##", "12.5"), ("12.345", "0.0##", "12.345"), ("12.3", "0.0##", "12.3"),
        ("0.5", "#.00", ".50"), ("0", "#", ""), ("0", "#,###", ""), ("12", "0,000", "0,012"),
        ("1234567", "0,", "1235"), ("1234567", '0.0,,"M"', "1.2M"), ("1499.5", "0,", "1"),
        ("5551234567", "(000) 000-0000", "(555) 123-4567"), ("1234", "000-000", "001-234"),
        ("7", "00-00-00", "00-00-07"),
        ("12345678", "0000-0000", "1234-5678"), ("123456789", "0000-0000", "12345-6789"),
        ("1", r"0\%", "1%"), ("1.5", '0.0"%"', "1.5%"), ("1.5", "0.0_);(0.0)", "1.5 "), ("2", '"a;b"0', "a;b2"),
        ("NaN", "0.00", "NaN"), ("-Infinity", "#,##0;(0)", "-Infinity"), ("1" + "0" * 44, "0.00", "1" + "0" * 44),
        ("1234.5", "yyyy-mm-dd", "1234.5"), ("1.5", "", "1.5"),
    ],
)  # fmt: skip
def test_a_number_is_shown_as_its_format_says(value: str, number_format: str, text: str) -> None:
    assert shown(value, number_format) == text


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [("1e+20", "#,##0", "100,000,000,000,000,000,000"), ("1.005", "0.00", "1.01"), ("NaN", "0.0", "NaN"),
     ("-Infinity", "0.0;(0.0)", "-Infinity"), ("1e-7", "0.0%", "0.0%"), ("0.5", "0%", "50%"), ("5", "0000", "0005")],
)  # fmt: skip
def test_floating_point_is_shown_by_its_shortest_digits(value: str, number_format: str, text: str) -> None:
    assert shown(value, number_format, "DOUBLE", "float8") == text


@pytest.mark.parametrize(
    ("number_format", "text"),
    [
        ("yyyy-mm-dd", "2026-03-05"), ("dd/mm/yyyy", "05/03/2026"), ("yyyy年m月d日", "2026年3月5日"),
        ("d.m.yyyy", "5.3.2026"),
        ("dd/mm/yy", "05/03/26"), ("mmmm yyyy", "March 2026"), ("m/d/yyyy", "3/5/2026"), ("h:mm AM/PM", "2:07 PM"),
        ("dddd, d mmm", "Thursday, 5 Mar"), ("hh:mm:ss", "14:07:09"), ("mm:ss", "07:09"), ("h:m:s", "14:7:9"),
        ("yyyy-mm-dd hh:mm:ss.000", "2026-03-05 14:07:09.250"), ('yyyy"%Y"', "2026%Y"), ("YYYY-MM-DD", "2026-03-05"),
        ("[$-411]yyyy/mm", "2026/03"), ("0.00", "2026-03-05 14:07:09"), ("", "2026-03-05 14:07:09"),
    ],
)  # fmt: skip
def test_a_moment_is_shown_as_its_format_says(number_format: str, text: str) -> None:
    assert shown("2026-03-05 14:07:09.25", number_format, "TIMESTAMP", "timestamp") == text


def test_numbers_and_moments_are_shown_as_libreoffice_shows_them() -> None:
    """By a file that `python -m tests.interop.number_formats` makes with LibreOffice."""
    connection = duckdb.connect()
    wrong = []
    for kind, number_format, texts in json.loads(CORPUS.read_text()):
        assert not read_format(number_format).only_in_excel
        type_, name = TYPES[kind]
        column = ExtractColumn(SourceColumn("v", name), "v", type_)
        shown_as = Column("v", "v", number_format=number_format)
        text, here = displayed(column, shown_as), shown_in_python(column, shown_as)
        values = ", ".join(f"({at}, '{value}'::{type_})" for at, value in enumerate(texts))
        found = connection.execute(f"SELECT {text} FROM (VALUES {values}) t(n, v) ORDER BY n").fetchall()
        wrong += [(number_format, value, here(value), ours) for value, (ours,) in zip(texts, found, strict=True)
                  if here(value) != ours]  # fmt: skip
        wrong += [
            (number_format, value, ours, theirs)
            for (value, theirs), (ours,) in zip(texts.items(), found, strict=True)
            if ours != theirs
            and number_format not in CLDR
            and (number_format, value) not in BINARY
            and not (number_format in KEEP_POINT and ours == f"{theirs}.")
        ]
    assert wrong == []


@pytest.mark.parametrize(
    ("number_format", "why"),
    [
        ('"open', "never closed"),
        ("0" * 256, "255"),
        ("[Foo]0", "[Foo]"),
        ("a\x01b", "U+0001"),
        ("0;0;0;0;0", "sections"),
        ("0 km", "'k'"),
        ("0\\", "ends in"),
        ("0]", "other half"),
        ("0\ufffe", "U+FFFE"),
        ("%.2f", "'2'"),
    ],
)
def test_a_format_that_excel_does_not_know_is_refused(number_format: str, why: str) -> None:
    with pytest.raises(WrongFormat) as refused:
        read_format(number_format)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    "number_format",
    ["0.00E+00", "# ?/?", "[>100]0;0.0", "General", "@", "0.0.0", "ss.0", "yyyyy", "0.0-0", "0,0-0", "0%0"],
)
def test_a_format_for_spreadsheets_alone_says_so(number_format: str) -> None:
    assert read_format(number_format).only_in_excel


@pytest.mark.parametrize(
    ("language", "type_", "value", "number_format", "text"),
    [
        ("de", "numeric", "-1234567.5", "#,##0.00 €", "-1.234.567,50 €"), ("de", "numeric", "1234.5", "", "1234,5"),
        ("de-CH", "numeric", "1234567.5", "#,##0.0", "1'234'567.5"), ("fr", "numeric", "0.125", "0.0%", "12,5%"),
        ("fr", "numeric", "1234567", "#,##0", "1\u202f234\u202f567"), ("ja", "numeric", "1234.5", "#,##0.0", "1,234.5"),
        ("ar-EG", "numeric", "1234.5", "#,##0.00", "\u0661\u066c\u0662\u0663\u0664\u066b\u0665\u0660"),
        ("en-IN", "numeric", "1234567.5", "#,##0.00", "12,34,567.50"),
        ("en-IN", "numeric", "-100000", "#,##0", "-1,00,000"),
        ("hi", "numeric", "123456789", "#,##0", "12,34,56,789"), ("ta", "numeric", "999", "#,##0", "999"),
        ("de", "numeric", "NaN", "0.00", "NaN"),
        ("de", "numeric", "1" + "0" * 44 + ".5", "0.00", "1" + "0" * 44 + ",5"),
        ("xx-unknown", "numeric", "1234.5", "#,##0.0", "1,234.5"), ("pl", "float8", "0.25", "", "0,25"),
        ("ja", "timestamp", "2026-03-05 14:07:09", "mmmm d (ddd) AM/PM h:mm", "3月 5 (木) 午後 2:07"),
        ("de", "timestamp", "2026-03-05 14:07:09", "d. mmmm yyyy", "5. März 2026"),
        ("de", "timestamp", "2026-03-05 14:07:09", "[$-411]mmmm", "3月"),  # the format's own language
        ("ja", "date", "2019-04-30", 'ggge"年"m"月"d"日"', "平成31年4月30日"),
        ("en", "date", "1850-01-02", "ggge", "1850"),
        ("de", "date", "2026-03-05", "", "2026-03-05"), ("ar-EG", "date", "2026-03-05", "d mmm", "\u0665 مارس"),
        ("en", "interval", "1 day 02:03:04.5", "[h]:mm:ss", "26:03:05"),
        ("en", "interval", "1 mon", "[h]:mm", "1 mon"),
        ("en", "time", "14:07:09.25", "hh:mm:ss.000", "14:07:09.250"),
        ("en", "interval", "-01:00:00", "[h]", "-01:00:00"),
    ],
)  # fmt: skip
def test_numbers_dates_and_durations_are_written_in_the_ways_of_a_language(
    language: str, type_: str, value: str, number_format: str, text: str
) -> None:
    culture, shown_as = culture_of(language), Column("v", "v", number_format=number_format)
    stored = {"timestamp": "TIMESTAMP", "date": "DATE", "float8": "DOUBLE"}.get(type_, "VARCHAR")
    column = ExtractColumn(SourceColumn("v", type_), "v", stored)
    asked = f"SELECT {displayed(column, shown_as, culture)} FROM (SELECT '{value}'::{stored} AS v)"
    assert duckdb.connect().execute(asked).fetchall() == [(text,)]
    if value != "NaN" and len(value) < 40:  # rows with such values are not written from cells
        assert shown_in_python(column, shown_as, culture)(value) == text
