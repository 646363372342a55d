"""Reads how a report type's files look: the tables `columns`, `csv` and `pdf` of report.toml."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.catalog.audience import scope
from shared.catalog.csv_dialect import (
    DECIMAL_MARKS,
    DELIMITERS,
    ENCODINGS,
    HEADERS,
    LINE_ENDS,
    UNENCODABLE,
    dialect_problem,
)
from shared.catalog.model import Chart, Column, CsvOptions, Highlight, PdfOptions, SummaryTable
from shared.catalog.number_format_text import format_problem
from shared.catalog.toml import Table
from shared.suggest import did_you_mean_one_of

CSV_KEYS = (
    "delimiter", "decimal_mark", "header", "line_end", "bom", "encoding", "unencodable", "formula_guard", "gzip",
)  # fmt: skip
PDF_KEYS = ("paper", "standards", "appendix", "figures", "tables", "charts")
FIGURES_KEYS = ("query", "columns")
TABLE_KEYS = ("title", "query", "columns")
CHART_KEYS = ("title", "query", "spec")
COLUMN_KEYS = ("title", "unit", "format", "width", "required_scope", "highlight", "key")
HIGHLIGHT_KEYS = ("above", "below", "bars")
_LARGEST = 1e15
_EXCEL_WIDEST = 255
"""The greatest width of a column in characters (Microsoft, "Excel specifications and limits", read 2026-11-23)."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_PAPERS = ("a4", "us-letter")
_STANDARDS = ("a-2u", "ua-1")


def column(name: str, table: Table, *, documents: bool) -> Column:
    """Read `[columns.NAME]`. With `documents`, HTML and PDF must be able to show its format."""
    table.only(COLUMN_KEYS)
    if wrong := format_problem(table.text("format"), documents=documents):
        table.wrong("format", wrong)
    return Column(
        name=name,
        title=table.text("title") or _title_of(name),
        unit=table.text("unit"),
        number_format=table.text("format"),
        width=table.number("width", 1, _EXCEL_WIDEST),
        required_scope=scope(table),
        key=table.flag("key"),
        highlight=_highlight(table.table("highlight")) if "highlight" in table else None,
    )


def _highlight(table: Table) -> Highlight:
    table.only(HIGHLIGHT_KEYS)
    above, below = (table.number(key, -_LARGEST, _LARGEST) for key in ("above", "below"))
    return Highlight(above, below, table.flag("bars"))


def csv_options(table: Table) -> CsvOptions:
    """Read `[csv]`."""
    table.only(CSV_KEYS)
    options = CsvOptions(
        delimiter=_one_of(table, "delimiter", DELIMITERS),
        decimal_mark=_one_of(table, "decimal_mark", DECIMAL_MARKS),
        header=_one_of(table, "header", HEADERS),
        line_end=LINE_ENDS[_one_of(table, "line_end", tuple(LINE_ENDS))],
        bom=table.flag("bom"),
        encoding=_one_of(table, "encoding", tuple(ENCODINGS)),
        unencodable=UNENCODABLE[_one_of(table, "unencodable", tuple(UNENCODABLE))],
        formula_guard=table.flag("formula_guard") if "formula_guard" in table else True,
        gzip=table.flag("gzip"),
    )
    if problem := dialect_problem(options):
        key = {"decimalMark": "decimal_mark"}.get(problem[0], problem[0])
        table.wrong(key, problem[1])
    return options


def pdf_options(table: Table, folder: Path) -> PdfOptions:
    """Read `[pdf]` with its figures, tables and charts."""
    table.only(PDF_KEYS)
    tables, charts, figures = [], [], None
    standards = table.strings("standards") or ()
    for name in standards:
        if name not in _STANDARDS:
            table.wrong("standards", f"{name!r} is not one of {', '.join(map(repr, _STANDARDS))}")
    if "figures" in table:
        one = table.table("figures")
        one.only(FIGURES_KEYS)
        figures = SummaryTable("figures", "", _query(one), _columns(one))
    for name, one in _named(table.table("tables")):
        one.only(TABLE_KEYS)
        tables.append(SummaryTable(name, one.text("title") or _title_of(name), _query(one), _columns(one)))
    for name, one in _named(table.table("charts")):
        one.only(CHART_KEYS)
        spec = one.text("spec") or f"{name}.vl.json"
        if Path(spec).name != spec or not (folder / spec).is_file():
            one.wrong("spec", f"{spec!r} is not a file in this folder: put the chart's Vega-Lite specification there")
        else:
            _check_json(folder / spec, one)
        charts.append(Chart(name, one.text("title") or _title_of(name), _query(one), spec))
    return PdfOptions(
        paper=_one_of(table, "paper", _PAPERS),
        standards=standards,
        appendix=table.flag("appendix") if "appendix" in table else True,
        figures=figures,
        tables=tuple(tables),
        charts=tuple(charts),
    )


def _columns(table: Table) -> Mapping[str, Column]:
    return {name: column(name, one, documents=True) for name, one in table.table("columns").tables()}


def _named(table: Table) -> Iterator[tuple[str, Table]]:
    for name, one in table.tables():
        if not _NAME.fullmatch(name):
            one.wrong("", "rename it to lower-case letters, digits, hyphens and underscores, a letter first")
        yield name, one


def _check_json(path: Path, table: Table) -> None:
    try:
        if isinstance(json.loads(path.read_text("utf-8-sig")), dict):
            return
        said = "it is not a JSON object"
    except (ValueError, OSError, RecursionError) as error:
        said = str(error)
    table.wrong("spec", f"{path.name} is not a Vega-Lite specification: {said}")


def _query(table: Table) -> str:
    query = table.text("query").strip().rstrip(";")
    if not query.lower().startswith(("select", "with", "from")):
        table.wrong("query", 'must be a SELECT: write query = """SELECT … FROM report GROUP BY …"""')
    return query


def _one_of(table: Table, key: str, known: tuple[str, ...]) -> str:
    value = table.text(key, known[0])
    if value in known:
        return value
    shown = ", ".join(repr(one) for one in known)
    table.wrong(key, f"{value!r} is not one of {shown}{did_you_mean_one_of(value, known)}")
    return known[0]


def _title_of(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()
