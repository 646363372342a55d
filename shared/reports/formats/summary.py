"""Answers the summary queries of a PDF over the extract, with the columns shown as usual.

The queries run on a connection that reaches nothing but the extract.
"""

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from shared.catalog.model import Column, SummaryTable
from shared.reports import duck, errors
from shared.reports.columns import json_type
from shared.reports.extract import Extract, ExtractColumn, duckdb_column
from shared.reports.formats.bands import Bands, Group, bands_of
from shared.reports.formats.joined import JOINED, JOINED_IN_SQL
from shared.reports.formats.query_in_python import Answer, answer_of
from shared.reports.formats.rendering import Rendering

MOST_ROWS = 5_000
"""The most rows of one summary or chart: a document is for reading."""
_FEW_ROWS = 10_000
_MOST_LETTERS = 100_000
"""The most letters of the report's own rows that are typeset, because a typesetter keeps all of them in memory."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for a page, with every value as text."""

    title: str
    columns: Sequence[Mapping[str, object]]
    """The `title` of each column, which is its `name` with its `unit`, and `number`: true if it is right-aligned."""
    rows: Sequence[Sequence[str]]
    kinds: Mapping[int, str] = field(default_factory=dict)
    """The rows, from 0, that describe others: `heading0`, `heading1` and so on by level, whose single text is in the
    first cell; `total`, whose label is there; or a `label` with the `totals` in a row below it."""


@dataclass(frozen=True, slots=True)
class Result:
    """A summary query's columns and rows."""

    columns: Sequence[ExtractColumn]
    shown_as: Rendering
    """Shows them."""
    texts: Sequence[Sequence[str | None]] | None
    """The rows' texts as a source would write them; None if DuckDB must provide the rows."""


class Summaries:
    """Runs queries over `report`, which contains all rows."""

    def __init__(self, rendering: Rendering, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._rendering = rendering
        self._looks = rendering.report.columns
        self._connect = connect
        self._few = all((one.asked or one.extract).is_small for one in [rendering, *rendering.further])

    def table(self, name: str, title: str, query: str, looks: Mapping[str, Column]) -> Table:
        """Return the result as text; `looks` defines how its own columns are shown. Raises ReportError."""
        shown_as = self._shown_as(looks)
        if answer := self._answer(name, query):
            return Table(title, _heads(answer.columns, shown_as), shown_as.shown_rows(answer.columns, answer.texts))
        columns = self._columns(name, query)
        return Table(title, _heads(columns, shown_as), self._rows(name, query, _cells(columns, shown_as)))

    def result_of(self, summary: SummaryTable) -> Result:
        """Return a summary's result. Raises ReportError."""
        shown_as, answer = self._shown_as(summary.columns), self._answer(summary.name, summary.query)
        if answer:
            return Result(answer.columns, shown_as, answer.texts)
        return Result(self._columns(summary.name, summary.query), shown_as, None)

    def values_of(self, summary: SummaryTable, fields: Sequence[str]) -> Sequence[Sequence[str | None]]:
        """Return `fields`, SQL over a summary's result, for each of its rows. Raises ReportError."""
        return self._rows(summary.name, summary.query, ", ".join(fields))

    def _shown_as(self, looks: Mapping[str, Column]) -> Rendering:
        report = self._rendering.report
        return replace(self._rendering, report=replace(report, columns={**self._looks, **looks}))

    def all_rows(self, title: str, rendering: Rendering, *, whole: bool = False) -> Table | None:
        """Return the rows of an answer itself, with the same texts as a long table; None if they are too long and need
        not be `whole`.
        """
        bands = bands_of(rendering)
        every = rendering.extract.columns
        columns = [c for c in every if bands is None or c not in bands.levels] or every
        rows = self._shown(columns, rendering, most_letters=sys.maxsize if whole else _MOST_LETTERS)
        if rows is None:
            return None
        heads = _heads(columns, rendering)
        return Table(title, heads, rows) if bands is None else _banded(title, heads, columns, rows, bands)

    def _shown(
        self, columns: Sequence[ExtractColumn], rendering: Rendering, *, most_letters: int
    ) -> Sequence[Sequence[str]] | None:
        """Return the rows with these columns; None if they have more letters."""
        extract = rendering.extract
        if extract.cells is not None:
            rows = rendering.shown_rows(columns, extract.cells_of(columns))
            return rows if sum(len(text) for row in rows for text in row) <= most_letters else None
        cells = _cells(columns, rendering)
        [(letters,)] = self._ask("rows", f"SELECT coalesce(sum(length(concat({cells}))), 0) FROM {extract.table}")
        return self._ask("rows", f"SELECT {cells} FROM {extract.table}") if letters <= most_letters else None

    def joined_letters(self) -> set[str]:
        """Return the letters of the rows that would be drawn wrong letter by letter from left to right."""
        extract, found = self._rendering.extract, set()
        texts = [c for c in extract.columns if c.may_be_any_text]
        if extract.cells is not None:
            return {letter for row in extract.cells_of(texts) for text in row for letter in JOINED.findall(text or "")}
        for text in (c.as_source_text for c in texts):
            letters = f"unnest(regexp_extract_all({text}, '{JOINED_IN_SQL}'))"
            found |= {letter for (letter,) in self._ask("rows", f"SELECT DISTINCT {letters} FROM {extract.table}")}
        return found

    def objects(self, name: str, query: str) -> Sequence[Mapping[str, Any]]:
        """Return the result as JSON objects, for a chart. Raises ReportError."""
        if answer := self._answer(name, query):
            return answer.objects
        types = [(duck.identifier(row[0]), json_type(row[1], widest="DOUBLE"))
                 for row in self._ask(name, f"DESCRIBE FROM ({query}\n)")]  # fmt: skip
        cast = ", ".join(f"{field}::{type_} AS {field}" for field, type_ in types if type_)
        fields = f"* REPLACE ({cast})" if cast else "*"
        objects = f"SELECT to_json(chart)::VARCHAR AS object FROM (SELECT {fields} FROM ({query}\n)) AS chart"
        return [json.loads(text, parse_constant=_no_number) for (text,) in self._rows(name, objects, "object")]

    def _answer(self, name: str, query: str) -> Answer | None:
        """Return the answer to a query over a small result; None if DuckDB must show it."""
        if not self._few:
            return None
        with _told(name):
            answer = answer_of(self._connect().execute(f"FROM ({query}\n) LIMIT {MOST_ROWS + 1}"))
        if answer and len(answer.texts) > MOST_ROWS:
            raise errors.summary_too_large(name, MOST_ROWS)
        return answer

    def _columns(self, name: str, query: str) -> Sequence[ExtractColumn]:
        described = self._ask(name, f"DESCRIBE FROM ({query}\n)")
        return [duckdb_column(row[0], row[1]) for row in described]

    def _rows(self, name: str, query: str, fields: str) -> Sequence[Any]:
        rows = self._ask(name, f"SELECT {fields} FROM ({query}\n) LIMIT {MOST_ROWS + 1}")
        if len(rows) > MOST_ROWS:
            raise errors.summary_too_large(name, MOST_ROWS)
        return rows

    def _ask(self, name: str, statement: str) -> Sequence[Any]:
        with _told(name):
            return self._connect().execute(statement).fetchall()


def _no_number(_: str) -> None:
    """JSON has neither NaN nor infinity, and no chart can show them."""


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Say which query an error belongs to."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise errors.summary_failed(name, str(error).splitlines()[0]) from None


def _cells(columns: Sequence[ExtractColumn], rendering: Rendering) -> str:
    """SQL for the cells of a row, as text."""
    return ", ".join(f"coalesce({rendering.displayed(c)}, '')" for c in columns)


def _heads(columns: Sequence[ExtractColumn], rendering: Rendering) -> Sequence[Mapping[str, object]]:
    return [
        {"title": rendering.title(c), "name": (shown := rendering.shown(c)).title, "unit": shown.unit,
         "number": c.source.at_right, "key": shown.key}
        for c in columns
    ]  # fmt: skip


def _banded(
    title: str, heads: Sequence[Mapping[str, object]], columns: Sequence[ExtractColumn],
    rows: Sequence[Sequence[str]], bands: Bands,
) -> Table:  # fmt: skip
    """Return the table with headings of groups, and totals, between its rows."""
    made: list[Sequence[str]] = []
    kinds: dict[int, str] = {}
    between = bands.at()

    def add(kind: str, label: str, group: Group | None = None) -> None:
        totals = [group.totals.get(c.name) if group else None for c in columns]
        if totals[0]:  # no room for the label in front of the numbers
            add("label", label)
            kind = "totals"
        kinds[len(made)] = kind
        texts = [total.shown if total else "" for total in totals]
        made.append([texts[0] or label, *texts[1:]])

    for at in range(len(rows) + 1):
        ended, begun = between.get(at, ((), ()))
        for group in ended:
            add("total", bands.label_of(group), group)
        for group in begun:
            add(f"heading{group.level}", group.title)
        made += rows[at : at + 1]
    if bands.has_totals:
        add("total", bands.label_of(bands.all_rows), bands.all_rows)
    return Table(title, heads, made, kinds)


@contextlib.contextmanager
def open_summaries(rendering: Rendering) -> Iterator[Summaries]:
    """Let summaries query the extracts: query.sql's rows as `report`, those of further queries by their names.

    The first query opens a database for them.
    """
    with contextlib.ExitStack() as stack:
        yield Summaries(rendering, functools.cache(lambda: stack.enter_context(_opened(rendering))))


@contextlib.contextmanager
def _opened(rendering: Rendering) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database that has the rows, and can reach nothing else."""
    extract, report = rendering.asked or rendering.extract, rendering.report
    columns = [*extract.columns, *rendering.beside]
    with duck.opened_once(
        rendering.scratch, report.limits.memory_mb, columns=len(columns), small=extract.rows <= _FEW_ROWS,
        zone=rendering.shape.zone,
    ) as connection:  # fmt: skip
        _offer(connection, "report", extract, columns)
        for query, one in zip(report.queries, rendering.further, strict=True):
            further = one.asked or one.extract
            _offer(connection, query.name, further, further.columns)
        extracts = [x for one in [rendering, *rendering.further] for x in (one.extract, one.asked) if x is not None]
        duck.confine(connection, *{x.path for x in extracts if x.cells is None})
        yield connection


def _offer(
    connection: duckdb.DuckDBPyConnection, name: str, extract: Extract, columns: Sequence[ExtractColumn]
) -> None:
    """Offer the rows to queries under this name: from their file, or as a table of the cells."""
    if extract.cells is None:
        fields = ", ".join(c.as_asked for c in columns)
        connection.execute(f"CREATE VIEW {duck.identifier(name)} AS SELECT {fields} FROM {extract.table}")
        return
    fields, texts = extract.typed_cells([(c, c.asked_as or c.stored_as) for c in columns])
    connection.execute(f"CREATE TABLE {duck.identifier(name)} AS SELECT {fields}", texts)
