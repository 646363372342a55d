"""Computes the groups and totals of a report's rows: where each group begins and ends, and what its totals are.

They are computed once, as decimals, over the rows that the file shows; every format writes these same values.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from shared.catalog.model import Column
from shared.reports import duck, errors
from shared.reports.extract import ExtractColumn, duckdb_column
from shared.reports.formats.display import displayed
from shared.reports.formats.display_in_python import shown_in_python
from shared.reports.formats.labels import NOTHING, labels_of, left_to_right
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.totals_in_duckdb import added_up, is_exact, parts_of, total_in_duckdb
from shared.reports.formats.totals_in_python import runs_in_python, total_in_python

MOST_GROUPS = 10_000
"""The most groups of one level. They are held in memory, and nobody reads more."""


@dataclass(frozen=True, slots=True)
class Total:
    """A column's total over one group, or over all rows."""

    shown: str
    """As people read it, in the column's format."""
    number: str | None
    """With all digits; None if there is nothing to add up."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring rows that belong together."""

    level: int
    """0 for the outermost."""
    first: int
    last: int
    """Its first and last rows, from 0, both included."""
    title: str
    totals: Mapping[str, Total]
    """By the columns' names."""


@dataclass(frozen=True, slots=True)
class Bands:
    """The groups of one file, and the totals of all its rows."""

    levels: Sequence[ExtractColumn]
    """The columns whose values define the groups."""
    functions: Mapping[str, str]
    """The columns that have totals, by name → the function."""
    groups: Sequence[Group]
    all_rows: Group
    subtotal_label: str
    total_label: str
    from_right: bool
    """True in a document that is written from right to left."""

    @property
    def has_totals(self) -> bool:
        """True if there is anything to write below a group."""
        return bool(self.functions)

    def label_of(self, group: Group) -> str:
        """Return the label in front of a group's totals."""
        if group is self.all_rows:
            return self.total_label
        return self.subtotal_label.replace("{group}", left_to_right(group.title, from_right=self.from_right))

    def at(self) -> Mapping[int, tuple[Sequence[Group], Sequence[Group]]]:
        """Row → the groups that end before it, the innermost first, and those that begin with it."""
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
    """Return the groups and totals that the report type defines; None if it defines none, or there are no rows.

    Raises ReportError if there are too many groups.
    """
    columns = rendering.extract.columns
    names = [c.source.name for c in columns]
    asked = rendering.report.grouping.within(names, sorted_anew=rendering.shape.sort is not None)
    if not asked or not rendering.extract.rows:
        return None
    levels = [columns[names.index(name)] for name in asked.by]
    summed = {columns[names.index(name)]: what for name, what in asked.totals.items()}
    if rendering.extract.cells is not None:
        groups, whole = _computed_in_python(rendering, levels, summed)
    else:
        there = _InDuckDb.of(rendering, levels, summed)
        groups, whole = list(there.groups()), there.whole()
    labels, functions = labels_of(rendering.language), {column.name: what for column, what in summed.items()}
    return Bands(levels, functions, groups, whole, labels.subtotal, labels.total, rendering.from_right)


def with_bands(pieces: Iterable[bytes], end: bytes, events: Mapping[int, bytes]) -> Iterator[bytes]:
    """Yield the pieces with insertions between their rows: `events` gives what to insert before which row, from 0.

    `end` terminates each row, and occurs nowhere within one.
    """
    waiting = sorted(events)
    seen = at = 0
    for piece in whole_rows(pieces, end):
        start, rows = 0, piece.count(end)
        while at < len(waiting) and waiting[at] <= seen + rows:
            for _ in range(waiting[at] - seen):
                start = piece.index(end, start) + len(end)
            rows -= waiting[at] - seen
            seen = waiting[at]
            at += 1
            yield piece[:start]
            yield events[seen]
            piece, start = piece[start:], 0
        seen += rows
        yield piece
    for row in waiting[at:]:
        yield events[row]


def whole_rows(pieces: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """Yield the same bytes in pieces that consist of whole rows."""
    rest = b""
    for piece in pieces:
        text = rest + piece
        cut = text.rfind(end) + len(end)
        if cut < len(end):
            rest = text
            continue
        yield text[:cut]
        rest = text[cut:]
    if rest:
        yield rest


@dataclass(frozen=True, slots=True)
class _InDuckDb:
    """Rows that DuckDB groups and adds up, under names of ours, because a report's columns may have any name."""

    rendering: Rendering
    levels: Sequence[ExtractColumn]
    summed: Mapping[ExtractColumn, str]
    """The columns that have totals, each with its function."""
    source: str
    """SQL for FROM: their values, with the rows' numbers."""

    @classmethod
    def of(
        cls, rendering: Rendering, levels: Sequence[ExtractColumn], summed: Mapping[ExtractColumn, str]
    ) -> "_InDuckDb":
        """Select the values of the levels and of the totals under neutral names: `level0`, `total0` and so on."""
        extract, fields = rendering.extract, []
        for at, column in enumerate(levels):
            fields.append(f"{column.quoted} AS level{at}")
            if column.text_name:
                fields.append(f"{duck.identifier(column.text_name)} AS text{at}")
        fields += [f"{added_up(what, column)} AS total{at}" for at, (column, what) in enumerate(summed.items())]
        source = f"(SELECT {', '.join([*fields, f'{extract.row_number} AS row'])} FROM {extract.numbered})"
        renamed = [replace(c, name=f"level{at}", text_name=c.text_name and f"text{at}") for at, c in enumerate(levels)]
        return cls(rendering, renamed, summed, source)

    def groups(self) -> Iterator[Group]:
        """Yield the groups of all levels. Raises ReportError if one level has too many."""
        for level, column in enumerate(self.levels):
            keys = [c.name for c in self.levels[: level + 1]]
            changes = " OR ".join(f"{key} IS DISTINCT FROM lag({key}) OVER (ORDER BY row)" for key in keys)
            begins = f"SELECT *, (row = 0 OR {changes})::INTEGER AS begins FROM {self.source}"
            runs = f"SELECT *, sum(begins) OVER (ORDER BY row) AS run FROM ({begins})"
            found = self._computed(runs, level)
            if len(found) > MOST_GROUPS:
                raise errors.groups_too_many(column.source.name, MOST_GROUPS)
            yield from found

    def whole(self) -> Group:
        """Return all rows as one group."""
        [whole] = self._computed(f"SELECT *, 1 AS run FROM {self.source}", None)
        return whole

    def _computed(self, runs: str, level: int | None) -> Sequence[Group]:
        """Return a group for each `run`."""
        fields, title = ["min(row) AS first_row", "max(row) AS last_row"], "''"
        if level is not None:
            titled = self.levels[level]
            fields += [f"any_value({name}) AS {name}" for name in (titled.name, titled.text_name) if name]
            title = f"coalesce({self.rendering.displayed(titled)}, '{NOTHING}')"
        names = []
        for at, (column, what) in enumerate(self.summed.items()):
            parts = parts_of(what, column, f"total{at}", self.rendering.extract.rows)
            names.append([f"part{at}_{n}" for n in range(len(parts))])
            fields += [f"{part} AS {name}" for part, name in zip(parts, names[-1], strict=True)]
        grouped = f"SELECT {', '.join(fields)} FROM ({runs}) GROUP BY run ORDER BY first_row LIMIT {MOST_GROUPS + 1}"
        types = {name: type_ for name, type_, *_ in _ask(self.rendering, f"DESCRIBE ({grouped})")}
        totals = [
            _total_in_duckdb(self.rendering, column, what, [(name, types[name]) for name in of])
            for (column, what), of in zip(self.summed.items(), names, strict=True)
        ]
        asked = ", ".join(["first_row", "last_row", title, *(f"[{', '.join(texts)}]" for texts, _ in totals)])
        groups = []
        for first, last, text, *found in _ask(self.rendering, f"SELECT {asked} FROM ({grouped})"):
            made = [total(texts) for (_, total), texts in zip(totals, found, strict=True)]
            by_name = {column.name: total for column, total in zip(self.summed, made, strict=True)}
            groups.append(Group(level or 0, first, last, text, by_name))
        return groups


def _computed_in_python(
    rendering: Rendering, levels: Sequence[ExtractColumn], summed: Mapping[ExtractColumn, str]
) -> tuple[Sequence[Group], Group]:
    """Return the groups of all levels, and the totals of all rows, computed from cells."""
    extract = rendering.extract
    texts = {column.name: [text for [text] in extract.cells_of([column])] for column in summed}
    total_of = {column.name: _total_in_python(rendering, column, what) for column, what in summed.items()}

    def group(level: int, first: int, last: int, title: str) -> Group:
        totals = {name: total(texts[name][first : last + 1]) for name, total in total_of.items()}
        return Group(level, first, last, title, totals)

    groups = []
    for level, titled in enumerate(levels):
        show, rows = rendering.show(titled), extract.cells_of(levels[: level + 1])
        for first, last in runs_in_python(levels[: level + 1], rows):
            text = rows[first][-1]
            groups.append(group(level, first, last, NOTHING if text is None else show(text)))
    return groups, group(0, 0, extract.rows - 1, "")


def _total_in_duckdb(
    rendering: Rendering, column: ExtractColumn, what: str, parts: Sequence[tuple[str, str]]
) -> tuple[Sequence[str], Callable[[Sequence[str | None]], Total]]:
    """Return SQL for texts of a total, whose parts have these names and types, and a function that combines them."""
    if is_exact(what, column):
        show = _show_of(rendering, column, what)
        return [f"{name}::VARCHAR" for name, _ in parts], lambda texts: show(total_in_duckdb(what, column, texts))
    [(name, type_)] = parts
    shown = displayed(duckdb_column(name, type_), rendering.shown(column), rendering.culture)
    return [f"coalesce({shown}, '')", f"{name}::VARCHAR"], lambda texts: Total(texts[0] or "", texts[1])


def _total_in_python(rendering: Rendering, column: ExtractColumn, what: str) -> Callable[[Sequence[str | None]], Total]:
    show = _show_of(rendering, column, what)
    return lambda texts: show(total_in_python(what, column, texts))


def _show_of(rendering: Rendering, column: ExtractColumn, what: str) -> Callable[[str | None], Total]:
    """Return a function that makes a total from its digits."""
    if what == "count":
        look, column = Column(column.name, column.name, number_format="#,##0"), duckdb_column(column.name, "BIGINT")
    else:
        look = rendering.shown(column)
    show, is_float = shown_in_python(column, look, rendering.culture), column.source.is_float or what == "mean"

    def total(number: str | None) -> Total:
        return Total("" if number is None else show(number.removesuffix(".0") if is_float else number), number)

    return total


def _ask(rendering: Rendering, statement: str) -> Sequence[tuple[Any, ...]]:
    try:
        return rendering.connection.execute(statement).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:  # a sum of texts, for example
        raise errors.summary_failed("totals", str(error).splitlines()[0]) from None
