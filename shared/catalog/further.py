"""Further queries of a report type: `queries/NAME.sql` beside query.sql, and how a result becomes a pivot."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from shared.catalog.grouping import NO_GROUPING
from shared.catalog.model import Column, FurtherQuery, PdfOptions, ReportType
from shared.catalog.pivot import Pivot
from shared.catalog.query import query_problems
from shared.catalog.toml import Table
from shared.suggest import did_you_mean, did_you_mean_one_of

FOLDER = "queries"
QUERY_KEYS = ("title", "columns", "pivot")
PIVOT_KEYS = ("rows", "columns", "values", "aggregate", "total")
AGGREGATES = ("sum", "count", "min", "max", "avg")
RESERVED = frozenset({"report", "zip", "manifest"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST = 20


def further_queries(
    folder: Path,
    table: Table,
    problems: list[str],
    *,
    read_text: Callable[[Path, list[str], str], str | None],
    read_column: Callable[[str, Table], Column],
) -> tuple[FurtherQuery, ...]:
    """Read `queries/*.sql` and `[queries]`: first those named in report.toml, in its order, then the others by name.

    Mistakes are added to `problems`, as lines `file:line: what is wrong: remedy`.
    """
    paths = {path.stem: path for path in sorted((folder / FOLDER).glob("*.sql"))}
    tables = dict(table.tables())
    for name, one in tables.items():
        if name not in paths:
            one.wrong("", f"{FOLDER}/{name}.sql is missing: put its SELECT there{did_you_mean(name, paths)}")
    names = dict.fromkeys([*(name for name in tables if name in paths), *paths])
    if len(names) > _MOST:
        problems.append(f"{folder / FOLDER}:1: has {len(names)} queries: {_MOST} are the most of one report type")
    found = []
    for name in names:
        path = paths[name]
        if not _NAME.fullmatch(name) or name in RESERVED:
            problems.append(
                f"{path}:1: {name!r} cannot name a query: rename it to lower-case letters, digits and underscores, a "
                f"letter first, and none of {', '.join(sorted(RESERVED))}"
            )
        text = read_text(path, problems, "restore it")
        if text is not None:
            problems += (f"{path}:{line}: {message}" for line, message in query_problems(text))
            found.append(_query(name, text, table.table(name), read_column))
    return tuple(found)


def _query(name: str, text: str, table: Table, read_column: Callable[[str, Table], Column]) -> FurtherQuery:
    table.only(QUERY_KEYS)
    columns = {key: read_column(key, one) for key, one in table.table("columns").tables()}
    pivot = read_pivot(table.table("pivot")) if "pivot" in table else None
    return FurtherQuery(name, table.text("title") or name.replace("_", " ").capitalize(), text, columns, pivot)


def read_pivot(table: Table) -> Pivot:
    """Read `[pivot]` or `[queries.NAME.pivot]`."""
    table.only(PIVOT_KEYS)
    rows, column, value = table.strings("rows") or (), table.text("columns"), table.text("values")
    for key, there, example in (("rows", rows, '["shop"]'), ("columns", column, '"month"'), ("values", value, '"yen"')):
        if not there:
            table.wrong(key, f"is missing: write {key} = {example}, a column of the query")
    aggregate = table.text("aggregate", AGGREGATES[0])
    if aggregate not in AGGREGATES:
        near = did_you_mean_one_of(aggregate, AGGREGATES)
        table.wrong("aggregate", f"{aggregate!r} is not one of {', '.join(AGGREGATES)}{near}")
    if len({*rows, column, value}) < len(rows) + 2:
        table.wrong("", "names a column twice: each is of the rows, or gives the columns, or the values")
    return Pivot(rows, column, value, aggregate, table.text("total"))


def as_report(report: ReportType, query: FurtherQuery) -> ReportType:
    """Return the report type as if the further query were its only one."""
    return replace(
        report, title=query.title, description="", query=query.query, columns={**report.columns, **query.columns},
        pivot=query.pivot, grouping=NO_GROUPING, queries=(),
        pdf=PdfOptions(paper=report.pdf.paper, appendix=report.pdf.appendix),
    )  # fmt: skip


def every_query(report: ReportType) -> Iterator[tuple[str, str]]:
    """Yield the file in the report type's folder and the text of each query."""
    yield "query.sql", report.query
    for query in report.queries:
        yield f"{FOLDER}/{query.name}.sql", query.query
