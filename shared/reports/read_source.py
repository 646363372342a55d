"""Reads a source's rows once, into the extract."""

import codecs
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import duckdb

from shared.catalog.model import Format
from shared.catalog.shape import UTC_NAME
from shared.failures import FailureCode
from shared.reports import cells, duck, errors, extract, source_errors
from shared.reports.arrange import arranged
from shared.reports.column_types import settled, with_decimals, with_decimals_of
from shared.reports.columns import unique_names
from shared.reports.extract import ROWS_FILE, Extract, ExtractColumn
from shared.reports.interface import ReportError
from shared.reports.progress import RowProgress
from shared.reports.question import Question
from shared.reports.sources.result import Begun, SourceResult

# DuckDB fills a buffer of two lines, then processes it: with a small buffer the source continues meanwhile, and the
# processor's caches hold it (an eighth faster).
_MOST_COLUMNS = 1_600
"""Columns that a source is asked for at once; PostgreSQL returns up to 1,664 (PostgreSQL 18, appendix K, read
2026-11-28)."""
_FOR_PEOPLE = frozenset({Format.HTML, Format.XLSX, Format.PDF})
_USUAL_LINE, _LONGEST_LINE = 512 << 10, 8 << 20
"""Bytes of one row's text: the limit of the first reading, and the most that any reading allows."""


def read(
    source: SourceResult,
    folder: Path,
    question: Question,
    formats: Sequence[Format],
    progress: RowProgress,
) -> Extract:
    """Read all rows into `folder`, arranged as requested, without the columns that are hidden from the requester.

    Raises what the source raises, ReportError, OSError, duckdb.Error.
    """
    path, report = folder / ROWS_FILE, question.report
    hidden = report.hidden_columns(question.asker.scopes)
    if missing := question.scoped_columns - set(source.query_names):
        # Under another name its values would be shown to everyone.
        raise source_errors.scoped_column_missing(sorted(missing))
    snapshot = source.snapshot()
    layout = _Layout.of(source, formats, hidden)
    if not layout.shown:
        raise source_errors.every_column_hidden()
    # Cells have the source's texts of moments, which are in UTC, and the query's own columns and rows.
    as_it_is = question.shape.zone == UTC_NAME and not question.shape.arranges
    begun, longest = None, _USUAL_LINE
    few: Extract | None = None
    if as_it_is and not _is_computed(question, formats, layout):
        begun, longest = _begun(source, layout, progress)
        few = _few(begun, layout) if begun else None
    if few is not None:
        few = replace(few, path=path, snapshot=snapshot, text_bytes=source.sent_bytes)
        if Format.PARQUET not in formats:
            return few
    with duck.opened(folder, report.limits.memory_mb, columns=2 * len(source.columns)) as connection:
        if few is not None:
            _write_finished(few, connection)
            return replace(few, has_file=True)
        columns, rows, doubtful = _read(source, connection, path, layout, progress, begun, longest)
        if rows > report.limits.max_rows:
            raise errors.row_limit_exceeded(report.limits)
        shown = source.arrangement.shown if source.arrangement is not None else None
        extract_ = Extract(path, columns, rows, snapshot, source.sent_bytes, shown)
        if doubtful or not source.repeatable:
            extract_ = settled(extract_, connection)
        extract_ = replace(extract_, columns=with_decimals(extract_, connection))
        return extract_ if source.arrangement is not None else arranged(extract_, question, connection)


def _is_computed(question: Question, formats: Sequence[Format], layout: "_Layout") -> bool:
    """True if DuckDB must compute something from the rows: JSON of arrays and composites, and, in formats for people,
    pivots and totals of values other than numbers.
    """
    report = question.report
    of_rows = bool(report.pivot) or not cells.can_add_up(report.grouping, layout.columns)
    for_people = question.has_summaries or not _FOR_PEOPLE.isdisjoint(formats)
    return (of_rows and for_people) or any(c.json_name for c in layout.columns)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns that a source is asked for, and those that an extract shows."""

    columns: Sequence[ExtractColumn]
    twins: Sequence[int]
    """Floating point columns that are read a second time, as text. PostgreSQL and DuckDB write them differently, and a
    CSV must have PostgreSQL's text."""
    hidden: Collection[str]

    @classmethod
    def of(cls, source: SourceResult, formats: Sequence[Format], hidden: Collection[str]) -> "_Layout":
        """Plan the columns for these formats: a CSV needs the text of floats, JSON Lines the JSON of nested values."""
        names = unique_names(c.name for c in source.columns)
        twins = [at for at, c in enumerate(source.columns) if c.is_float and Format.CSV in formats]
        texts = unique_names([*names, *(f"text of {names[at]}" for at in twins)])[len(names) :]
        nested = [at for at, c in enumerate(source.columns) if c.nested] if Format.JSONL in formats else []
        if len(names) + len(twins) + len(nested) > _MOST_COLUMNS:
            nested = []  # they stay text
        jsons = unique_names([*names, *texts, *(f"json of {names[at]}" for at in nested)])[len(names) + len(texts) :]
        text_names, json_names = (dict(zip(*pair, strict=True)) for pair in ((twins, texts), (nested, jsons)))
        columns = [
            ExtractColumn(c, name, c.stored_as(), text_name=text_names.get(at), json_name=json_names.get(at))
            for at, (c, name) in enumerate(zip(source.columns, names, strict=True))
        ]
        if nested:
            source.add_json(nested)
        return cls(columns, twins, hidden)

    def as_stored(self, *, lenient: bool) -> "_Layout":
        """Return the same with the types of a strict or a lenient reading."""
        columns = [replace(c, stored_as=c.source.stored_as(lenient=lenient)) for c in self.columns]
        return replace(self, columns=columns)

    @property
    def shown(self) -> Sequence[ExtractColumn]:
        """The columns that the requester may see."""
        return [c for c in self.columns if c.source.name not in self.hidden]

    @property
    def twice(self) -> bool:
        """True if the source can be asked for the twins; otherwise only their text is read, and the number is made from
        it.
        """
        return len(self.columns) + len(self.twins) <= _MOST_COLUMNS

    @property
    def as_text(self) -> Sequence[int]:
        """The columns to ask for a second time."""
        return self.twins if self.twice else ()


def _begun(source: SourceResult, layout: _Layout, progress: RowProgress) -> tuple[Begun | None, int]:
    """Return the first rows, perhaps all, and how long a row may be in the reading of the rest."""
    few = {"most_rows": extract.FEW_ROWS, "most_bytes": extract.LITTLE_BYTES}
    try:
        return source.begin(longest=_USUAL_LINE, as_text=layout.as_text, progress=progress, **few), _USUAL_LINE
    except ReportError as error:
        if error.code != FailureCode.ROW_TOO_LONG:
            raise
        return None, _LONGEST_LINE


def _few(begun: Begun, layout: _Layout) -> Extract | None:
    """Return the cells of the columns that the requester may see, if these are all rows, and all
    values are usual ones.
    """
    if not begun.is_all:
        return None
    rows = cells.parsed(begun.text.decode(), len(layout.columns) + len(layout.as_text))
    shown = [at for at, c in enumerate(layout.columns) if c.source.name not in layout.hidden]
    few = None if rows is None else [[row[at] for at in shown] for row in rows]
    if few is None or not cells.are_usual(layout.shown, few):
        return None
    columns = with_decimals_of(layout.shown, few)
    if any(c.asked_as == "DOUBLE" for c in columns):  # numbers that no DuckDB decimal can hold
        return None
    return Extract(Path(), columns, begun.rows, {}, 0, cells=few, has_file=False)


def _write_finished(few: Extract, connection: duckdb.DuckDBPyConnection) -> None:
    """Write the cells as the requested Parquet: their final types can hold usual values."""
    fields, texts = few.typed_cells([(c, c.final_type) for c in few.columns])
    written = extract.AS_EXTRACT if few.has_final_columns else extract.AS_FINISHED  # as for many rows
    connection.execute(f"COPY (SELECT {fields}) TO {duck.literal(str(few.path))} ({written})", texts)


def _read(
    source: SourceResult,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    layout: _Layout,
    progress: RowProgress,
    begun: Begun | None,
    longest: int,
) -> tuple[Sequence[ExtractColumn], int, bool]:
    """Read strictly, with short lines; once more, leniently, if a value or a row does not fit.

    The last item returned is true if columns are text only because one of them must be.
    """
    lenient, longest = False, longest if source.repeatable else _LONGEST_LINE
    while True:
        as_stored = layout.as_stored(lenient=lenient)

        again = partial(source.feed, lenient=lenient, longest=longest, as_text=layout.as_text, progress=progress)
        feed = again if begun is None else partial(_feed, begun)
        try:
            rows = _read_as(as_stored, connection, path, feed, longest)
        except duckdb.ConversionException as error:
            if lenient or not source.repeatable:
                raise source_errors.value_wrong(duck.said(error)) from None
            lenient = True
        except ReportError as error:
            if error.code != FailureCode.ROW_TOO_LONG or longest == _LONGEST_LINE:
                raise
            longest = _LONGEST_LINE
        else:
            return as_stored.shown, rows, lenient
        begun = None


def _feed(begun: Begun, descriptor: int) -> None:
    begun.feed(partial(duck.write_all, descriptor))


def _read_as(
    layout: _Layout,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    feed: Callable[[int], object],
    longest: int,
) -> int:
    """Read the whole source into the Parquet file at `path`, with the layout's types. Returns the number of rows."""
    columns, shown, twice = layout.columns, layout.shown, layout.twice
    types = {c.name: c.stored_as for c in columns} | {c.text_name: "VARCHAR" for c in columns if c.text_name}
    if not twice:
        types = {c.name: "VARCHAR" if c.text_name else c.stored_as for c in columns}
    types |= {c.json_name: "VARCHAR" for c in columns if c.json_name}
    fields = ", ".join(f"{duck.literal(name)}: {duck.literal(stored)}" for name, stored in types.items())

    def work(descriptor: int) -> None:
        # The reader takes one byte order mark for its own; the first cell may begin with another.
        duck.write_all(descriptor, codecs.BOM_UTF8)
        feed(descriptor)

    with duck.fed(work) as pipe:
        [rows] = connection.execute(f"""
            COPY (SELECT {_selected(shown, twice=twice, all_of_them=len(shown) == len(columns))}
                    FROM read_csv('{pipe}', columns = {{{fields}}}, header = false, auto_detect = false,
                         delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
                         new_line = '\\n', parallel = false, max_line_size = {longest}, buffer_size = {2 * longest}))
              TO {duck.literal(str(path))} ({extract.AS_EXTRACT})
        """).fetchone() or [0]
    return int(rows)


def _selected(columns: Sequence[ExtractColumn], *, twice: bool, all_of_them: bool) -> str:
    if twice and all_of_them:
        return "*"
    if twice:
        others = (duck.identifier(n) for n in (*(c.text_name for c in columns), *(c.json_name for c in columns)) if n)
        return ", ".join([*(c.quoted for c in columns), *others])
    numbers = [f"{c.quoted}::{c.stored_as} AS {c.quoted}" if c.text_name else c.quoted for c in columns]
    return ", ".join([*numbers, *(f"{c.quoted} AS {duck.identifier(c.text_name)}" for c in columns if c.text_name)])
