"""Arranges a result as the request demands: columns selected and reordered, rows sorted and limited.

A query is wrapped in another one that calls its columns `c1`, `c2` …, so that no name from a request or a result
becomes SQL.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import duckdb

from shared.catalog.shape import sort_key
from shared.reports import duck, source_errors
from shared.reports.extract import AS_EXTRACT, Extract
from shared.reports.question import Arrangement, Question


def arrangement_of(question: Question, names: Sequence[str]) -> Arrangement | None:
    """Return what the question changes in a result with columns of these names; None if nothing.

    Raises ReportError if it names a column that does not exist or that the requester may not see, or if no column
    remains.
    """
    shape = question.shape
    if not shape.arranges:
        return None
    hidden = question.report.hidden_columns(question.asker.scopes)
    places: dict[str, int] = {}
    for at, name in enumerate(names):
        if name not in hidden:
            places.setdefault(name, at)

    def place(name: str) -> int:
        if name not in places:
            raise source_errors.column_missing(name)
        return places[name]

    every = tuple(at for at, name in enumerate(names) if name not in hidden)
    if not every:
        raise source_errors.every_column_hidden()
    shown = every if shape.columns is None else tuple(map(place, shape.columns))
    others = tuple(at for at in every if at not in shown) if question.has_summaries else ()
    known = [*question.report.columns, *places]
    keys = [sort_key(one, known) or (one.removeprefix("-"), False) for one in shape.sort or ()]
    return Arrangement(
        (*shown, *others), len(shown), tuple((place(name), descending) for name, descending in keys), shape.limit
    )


def outer_query(
    arrangement: Arrangement, width: int, outputs: Sequence[str], *, by_text: Collection[int] = ()
) -> tuple[str, str]:
    """Return the SQL before and after a query of `width` columns.

    `outputs` are the selected expressions over `c1`, `c2` … Rows are sorted by the texts of the columns at the places
    `by_text`.
    """
    items, columns = ", ".join(outputs), ", ".join(f"c{n}" for n in range(1, width + 1))
    limit = "" if arrangement.limit is None else f" LIMIT {arrangement.limit}"
    if not arrangement.order:
        return f"SELECT {items} FROM (", f"\n) AS report ({columns}){limit}"
    # Numbered as they come, so that equal rows keep the query's own order.
    before = f"SELECT {items} FROM (SELECT *, row_number() OVER () AS place FROM ("
    keys = [_key(f"c{at + 1}{'::text' if at in by_text else ''}", descending) for at, descending in arrangement.order]
    return before, f"\n) AS report ({columns})) AS placed ORDER BY {', '.join([*keys, 'place'])}{limit}"


def arranged(extract: Extract, question: Question, connection: duckdb.DuckDBPyConnection) -> Extract:
    """Return the arranged extract, for a source that returned its query's result as it is.

    Raises as `arrangement_of` does.
    """
    columns = extract.columns
    arrangement = arrangement_of(question, [c.source.name for c in columns])
    if arrangement is None:
        return extract
    read = [columns[at] for at in arrangement.read]
    others = [duck.identifier(name) for c in read for name in (c.text_name, c.json_name) if name]
    fields = [c.quoted for c in read] + others
    keys = [_key(columns[at].as_sortable, descending) for at, descending in arrangement.order]
    limit = "" if arrangement.limit is None else f"LIMIT {arrangement.limit}"
    path = extract.path.with_suffix(".arranged")
    [rows] = connection.execute(
        f"COPY (SELECT {', '.join(fields)} FROM {extract.numbered} "
        f"ORDER BY {', '.join([*keys, extract.row_number])} {limit}) "
        f"TO {duck.literal(str(path))} ({AS_EXTRACT})"
    ).fetchone() or [0]
    path.replace(extract.path)
    return replace(extract, columns=read, rows=rows, shown=arrangement.shown)


def _key(column: str, descending: bool) -> str:
    return f"{column} {'DESC' if descending else 'ASC'} NULLS LAST"
