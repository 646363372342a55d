"""Computes the groups and totals of a report's rows: where each group begins and ends, and what its totals are.

They are computed once, as decimals, over the rows that the file shows; every format writes these same values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from shared.catalog.model import Column
from shared.reports import duck, errors
from shared.reports.extract import ExtractColumn, duckdb_column
from shared.reports.formats.display import displayed
from shared.reports.formats.display_here import shown_here
from shared.reports.formats.labels import labels_of
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.totals_here import runs_here, total_here

MOST_GROUPS = 10_000
"""Of one level. They are held in memory; more of them are no groups for a reader."""
_FUNCTIONS: Mapping[str, str] = {
    "sum": "sum({})", "mean": "avg({})", "min": "min({})", "max": "max({})", "count": "count({})",
}  # fmt: skip
NOTHING = "–"  # noqa: RUF001 - a dash as wide as a digit
"""Stands for the value NULL of a group's column."""


@dataclass(frozen=True, slots=True)
class Total:
    """A column's total of one group, or of all rows."""

    shown: str
    """As people read it, by the column's format."""
    number: str | None
    """All digits; None if there is nothing to add up."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring rows that belong together."""

    level: int
    """0 for the outermost."""
    first: int
    last: int
    """Its rows, from 0, the last one included."""
    title: str
    totals: Mapping[str, Total]
    """By the columns' names."""


@dataclass(frozen=True, slots=True)
class Bands:
    """The groups of one file, and the totals of all its rows."""

    levels: Sequence[ExtractColumn]
    """The columns whose values make the groups."""
    functions: Mapping[str, str]
    """The columns that have totals, by name → the function."""
    groups: Sequence[Group]
    all_rows: Group
    subtotal_label: str
    total_label: str

    @property
    def has_totals(self) -> bool:
        """True if there is anything to write below a group."""
        return bool(self.functions)

    def label_of(self, group: Group) -> str:
        """What stands before a group's totals."""
        return self.total_label if group is self.all_rows else self.subtotal_label.replace("{group}", group.title)

    def at(self) -> Mapping[int, tuple[Sequence[Group], Sequence[Group]]]:
        """Row → the groups that have ended before it, the innermost first, and those that begin with it."""
        found: dict[int, tuple[list[Group], list[Group]]] = {}
        for group in self.groups:
            found.setdefault(group.first, ([], []))[1].append(group)
            if self.has_totals:
                found.setdefault(group.last + 1, ([], []))[0].append(group)
        for ended, begun in found.values():
            ended.sort(key=lambda group: -group.level)
            begun.sort(key=lambda group: group.level)
        return found


def bands_of(rendering: Rendering) -> Bands | None:
    """Return the groups and totals that the report type asks for; None if it asks for none, or there are no rows.

    Raises ReportError if there are too many groups.
    """
    columns = rendering.extract.columns
    names = [c.source.name for c in columns]
    asked = rendering.report.grouping.within(names, sorted_anew=rendering.shape.sort is not None)
    if not asked or not rendering.extract.rows:
        return None
    levels = [columns[names.index(name)] for name in asked.by]
    summed = {columns[names.index(name)].name: what for name, what in asked.totals.items()}
    if rendering.extract.cells is not None:
        groups, whole = _computed_here(rendering, levels, summed)
    else:
        groups = [group for at in range(len(levels)) for group in _groups(rendering, levels[: at + 1], summed)]
        [whole] = _computed(rendering, f"SELECT *, 1 AS run FROM {_source(rendering, levels, summed)}", None, summed)
    labels = labels_of(rendering.language)
    return Bands(levels, summed, groups, whole, labels.subtotal, labels.total)


def with_bands(pieces: Iterable[bytes], end: bytes, events: Mapping[int, bytes]) -> Iterator[bytes]:
    """Yield the pieces with something between their rows: `events` says what stands before which row, from 0.

    `end` ends each row, and is nowhere within one.
    """
    waiting = sorted(events)
    seen = at = 0
    for piece in pieces:
        start, count = 0, piece.count(end)
        while at < len(waiting) and waiting[at] <= seen + count:
            for _ in range(waiting[at] - seen):
                start = piece.index(end, start) + len(end)
            count -= waiting[at] - seen
            seen = waiting[at]
            at += 1
            yield piece[:start]
            yield events[seen]
            piece, start = piece[start:], 0
        seen += count
        yield piece
    for row in waiting[at:]:
        yield events[row]


def _source(rendering: Rendering, levels: Sequence[ExtractColumn], summed: Mapping[str, str]) -> str:
    """SQL for FROM: the columns in question, with their rows' numbers."""
    wanted = [c for c in rendering.extract.columns if c in levels or c.name in summed]
    fields = [c.quoted if c in levels else c.as_asked for c in wanted]
    return f"(SELECT {', '.join([*fields, 'file_row_number AS row'])} FROM {rendering.extract.numbered})"


def _groups(rendering: Rendering, levels: Sequence[ExtractColumn], summed: Mapping[str, str]) -> Sequence[Group]:
    changes = " OR ".join(f"{c.quoted} IS DISTINCT FROM lag({c.quoted}) OVER (ORDER BY row)" for c in levels)
    begins = f"SELECT *, (row = 0 OR {changes})::INTEGER AS begins FROM {_source(rendering, levels, summed)}"
    runs = f"SELECT *, sum(begins) OVER (ORDER BY row) AS run FROM ({begins})"
    found = _computed(rendering, runs, levels[-1], summed, level=len(levels) - 1)
    if len(found) > MOST_GROUPS:
        raise errors.groups_too_many(levels[-1].source.name, MOST_GROUPS)
    return found


def _computed(
    rendering: Rendering, runs: str, titled: ExtractColumn | None, summed: Mapping[str, str], *, level: int = 0
) -> Sequence[Group]:
    """Return a group for each `run`."""
    functions = [f"{_FUNCTIONS[what].format(duck.identifier(name))} AS {duck.identifier(name)}"
                 for name, what in summed.items()]  # fmt: skip
    title = f"any_value({titled.quoted}) AS {titled.quoted}" if titled and titled.name not in summed else "NULL AS none"
    fields = ", ".join(["min(row) AS first_row", "max(row) AS last_row", title, *functions])
    grouped = f"SELECT {fields} FROM ({runs}) GROUP BY run ORDER BY first_row LIMIT {MOST_GROUPS + 1}"
    types = {name: type_ for name, type_, *_ in _ask(rendering, f"DESCRIBE ({grouped})")}
    shown = [f"coalesce({rendering.displayed(titled)}, '{NOTHING}')" if titled else "''"]
    names = {c.name: c for c in rendering.extract.columns}
    for name, what in summed.items():
        column = duckdb_column(name, types[name])
        look = _look(rendering, names[name], what)
        shown += [f"coalesce({displayed(column, look, rendering.culture)}, '')", f"{column.quoted}::VARCHAR"]
    rows = _ask(rendering, f"SELECT first_row, last_row, {', '.join(shown)} FROM ({grouped})")
    return [
        Group(level, first, last, text, {
            name: Total(values[2 * at], values[2 * at + 1]) for at, name in enumerate(summed)
        })
        for first, last, text, *values in rows
    ]  # fmt: skip


def _computed_here(
    rendering: Rendering, levels: Sequence[ExtractColumn], summed: Mapping[str, str]
) -> tuple[Sequence[Group], Group]:
    """Return the groups of all levels, and the totals of all rows, from cells."""
    extract = rendering.extract
    names = {c.name: c for c in extract.columns}
    texts = {name: [text for [text] in extract.cells_of([names[name]])] for name in summed}
    total_of = {name: _total_here(rendering, names[name], what) for name, what in summed.items()}

    def group(level: int, first: int, last: int, title: str) -> Group:
        totals = {name: total(texts[name][first : last + 1]) for name, total in total_of.items()}
        return Group(level, first, last, title, totals)

    groups = []
    for level, titled in enumerate(levels):
        show, rows = rendering.show(titled), extract.cells_of(levels[: level + 1])
        for first, last in runs_here(levels[: level + 1], rows):
            text = rows[first][-1]
            groups.append(group(level, first, last, NOTHING if text is None else show(text)))
    return groups, group(0, 0, extract.rows - 1, "")


def _total_here(rendering: Rendering, column: ExtractColumn, what: str) -> Callable[[Sequence[str | None]], Total]:
    counted = duckdb_column(column.name, "BIGINT")
    show = shown_here(counted if what == "count" else column, _look(rendering, column, what), rendering.culture)
    is_float = column.source.is_float or what == "mean"

    def total(texts: Sequence[str | None]) -> Total:
        number = total_here(what, column, texts)
        if number is None:
            return Total("", None)
        return Total(show(number.removesuffix(".0") if is_float else number), number)

    return total


def _look(rendering: Rendering, column: ExtractColumn, what: str) -> Column:
    if what == "count":
        return Column(column.name, column.name, number_format="#,##0")
    return rendering.shown(column)


def _ask(rendering: Rendering, statement: str) -> Sequence[tuple[Any, ...]]:
    try:
        return rendering.connection.execute(statement).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:  # a sum of texts, for example
        raise errors.summary_failed("totals", str(error).splitlines()[0]) from None
