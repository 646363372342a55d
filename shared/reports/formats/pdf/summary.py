"""Answers the summary queries of a PDF over the extract, with the columns shown as usual.

The queries run on a connection that reaches nothing but the extract.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from shared.catalog.model import Column
from shared.reports import duck, errors
from shared.reports.extract import ExtractColumn, duckdb_column
from shared.reports.formats.display import displayed
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
    """The `title` of each column, and `number`: true if it is aligned to the right."""
    rows: Sequence[Sequence[str]]


class Summaries:
    """Runs queries over `report`, the view of all rows."""

    def __init__(self, rendering: Rendering, connection: duckdb.DuckDBPyConnection) -> None:
        self._rendering = rendering
        self._looks = rendering.report.columns
        self._connection = connection

    def table(self, name: str, title: str, query: str, looks: Mapping[str, Column]) -> Table:
        """Return the result as text; `looks` says how its own columns are shown. Raises ReportError."""
        shown_as = replace(self._rendering, report=replace(self._rendering.report, columns={**self._looks, **looks}))
        columns = self._columns(name, query)
        rows = self._ask(name, f"SELECT {_cells(columns, shown_as)} FROM ({query}\n) LIMIT {MOST_ROWS + 1}")
        if len(rows) > MOST_ROWS:
            raise errors.summary_too_large(name, MOST_ROWS)
        return Table(title, _heads(columns, shown_as), rows)

    def all_rows(self, title: str) -> Table | None:
        """Return the rows of the report itself, in the same words as a long table has; None if they are long texts."""
        columns, table = self._rendering.extract.columns, self._rendering.extract.table
        cells = _cells(columns, self._rendering)
        [(letters,)] = self._ask("rows", f"SELECT coalesce(sum(length(concat({cells}))), 0) FROM {table}")
        if letters > _MOST_LETTERS:
            return None
        return Table(title, _heads(columns, self._rendering), self._ask("rows", f"SELECT {cells} FROM {table}"))

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
    return ", ".join(f"coalesce({displayed(c, rendering.shown(c))}, '')" for c in columns)


def _heads(columns: Sequence[ExtractColumn], rendering: Rendering) -> Sequence[Mapping[str, object]]:
    return [{"title": rendering.title(c), "number": c.source.is_number} for c in columns]


@contextlib.contextmanager
def open_summaries(rendering: Rendering) -> Iterator[Summaries]:
    """Open the extract for summary queries."""
    extract, report = rendering.extract, rendering.report
    few = extract.rows <= _FEW_ROWS
    with duck.opened_once(
        rendering.scratch, report.limits.memory_mb, columns=len(extract.columns), small=few
    ) as connection:
        fields = ", ".join(c.as_asked for c in extract.columns)
        connection.execute(f"CREATE VIEW report AS SELECT {fields} FROM {extract.table}")
        duck.confine(connection, extract.path)
        yield Summaries(rendering, connection)
