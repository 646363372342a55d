"""Answers the summary queries of a PDF over the extract, with the columns shown as usual.

The queries run on a connection that reaches nothing but the extract.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb

from shared.catalog.model import Column, SummaryTable
from shared.reports import duck, errors
from shared.reports.extract import ExtractColumn, duckdb_column
from shared.reports.formats.bands import Bands, Group, bands_of
from shared.reports.formats.joined import JOINED_IN_SQL
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
    """The `title` of each column, which is its `name` with its `unit`, and `number`: true if it is aligned to the
    right."""
    rows: Sequence[Sequence[str]]
    kinds: Mapping[int, str] = field(default_factory=dict)
    """The rows, from 0, that are about others: `heading0`, `heading1` and so on by level, whose one text is in the
    first cell; `total`, whose label is there; or a `label` with the `totals` in a row below it."""


class Summaries:
    """Runs queries over `report`, the view of all rows."""

    def __init__(self, rendering: Rendering, connection: duckdb.DuckDBPyConnection) -> None:
        self._rendering = rendering
        self._looks = rendering.report.columns
        self._connection = connection

    def table(self, name: str, title: str, query: str, looks: Mapping[str, Column]) -> Table:
        """Return the result as text; `looks` says how its own columns are shown. Raises ReportError."""
        shown_as = self._shown_as(looks)
        columns = self._columns(name, query)
        rows = self._ask(name, f"SELECT {_cells(columns, shown_as)} FROM ({query}\n) LIMIT {MOST_ROWS + 1}")
        if len(rows) > MOST_ROWS:
            raise errors.summary_too_large(name, MOST_ROWS)
        return Table(title, _heads(columns, shown_as), rows)

    def columns_of(self, summary: SummaryTable) -> tuple[Sequence[ExtractColumn], Rendering]:
        """Return the columns of a summary, and the rendering that shows them. Raises ReportError."""
        return self._columns(summary.name, summary.query), self._shown_as(summary.columns)

    def values_of(self, summary: SummaryTable, fields: Sequence[str]) -> Sequence[Sequence[str | None]]:
        """Return `fields`, SQL over a summary's result, of its rows. Raises ReportError."""
        rows = self._ask(summary.name, f"SELECT {', '.join(fields)} FROM ({summary.query}\n) LIMIT {MOST_ROWS + 1}")
        if len(rows) > MOST_ROWS:
            raise errors.summary_too_large(summary.name, MOST_ROWS)
        return rows

    def _shown_as(self, looks: Mapping[str, Column]) -> Rendering:
        report = self._rendering.report
        return replace(self._rendering, report=replace(report, columns={**self._looks, **looks}))

    def all_rows(self, title: str, rendering: Rendering, *, whole: bool = False) -> Table | None:
        """Return the rows of an answer itself, in the same words as a long table has; None if they are long texts and
        need not be `whole`."""
        bands, table = bands_of(rendering), rendering.extract.table
        every = rendering.extract.columns
        columns = [c for c in every if bands is None or c not in bands.levels] or every
        cells = _cells(columns, rendering)
        [(letters,)] = self._ask("rows", f"SELECT coalesce(sum(length(concat({cells}))), 0) FROM {table}")
        if letters > _MOST_LETTERS and not whole:
            return None
        rows = self._ask("rows", f"SELECT {cells} FROM {table}")
        heads = _heads(columns, rendering)
        return Table(title, heads, rows) if bands is None else _banded(title, heads, columns, rows, bands)

    def joined_letters(self) -> set[str]:
        """Return the letters of the rows that a drawing from left to right, letter by letter, gets wrong."""
        extract, found = self._rendering.extract, set()
        for text in (c.quoted for c in extract.columns if c.stored_as == "VARCHAR"):
            letters = f"unnest(regexp_extract_all({text}, '{JOINED_IN_SQL}'))"
            found |= {letter for (letter,) in self._ask("rows", f"SELECT DISTINCT {letters} FROM {extract.table}")}
        return found

    def objects(self, name: str, query: str) -> Sequence[Mapping[str, Any]]:
        """Return the result as JSON objects, for a chart. Raises ReportError."""
        found = self._ask(name, f"SELECT to_json(chart)::VARCHAR FROM ({query}\n) AS chart LIMIT {MOST_ROWS + 1}")
        if len(found) > MOST_ROWS:
            raise errors.summary_too_large(name, MOST_ROWS)
        return [json.loads(text) for (text,) in found]

    def _columns(self, name: str, query: str) -> Sequence[ExtractColumn]:
        described = self._ask(name, f"DESCRIBE ({query}\n)")
        return [duckdb_column(row[0], row[1]) for row in described]

    def _ask(self, name: str, statement: str) -> Sequence[Any]:
        try:
            return self._connection.execute(statement).fetchall()
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
         "number": c.source.is_number, "key": shown.key}
        for c in columns
    ]  # fmt: skip


def _banded(
    title: str, heads: Sequence[Mapping[str, object]], columns: Sequence[ExtractColumn],
    rows: Sequence[Sequence[str]], bands: Bands,
) -> Table:  # fmt: skip
    """The table with headings of groups, and totals, between its rows."""
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
    """Open the extracts for summary queries: query.sql's rows as `report`, those of further queries by their names."""
    extract, report = rendering.asked or rendering.extract, rendering.report
    columns = [*extract.columns, *rendering.beside]
    few = extract.rows <= _FEW_ROWS
    with duck.opened_once(
        rendering.scratch, report.limits.memory_mb, columns=len(columns), small=few, zone=rendering.shape.zone
    ) as connection:
        fields = ", ".join(c.as_asked for c in columns)
        connection.execute(f"CREATE VIEW report AS SELECT {fields} FROM {extract.table}")
        for query, one in zip(report.queries, rendering.further, strict=True):
            further = one.asked or one.extract
            fields = ", ".join(c.as_asked for c in further.columns)
            connection.execute(f"CREATE VIEW {duck.identifier(query.name)} AS SELECT {fields} FROM {further.table}")
        files = {x.path for one in [rendering, *rendering.further] for x in (one.extract, one.asked) if x is not None}
        duck.confine(connection, *files)
        yield Summaries(rendering, connection)
