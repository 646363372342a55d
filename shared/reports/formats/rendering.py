"""What every format is given: the rows, how they are shown, where the file goes."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from shared.catalog.cultures import Culture, culture_of
from shared.catalog.locales import LOCALE_PARAMETER
from shared.catalog.model import Column, ReportType
from shared.catalog.shape import AS_IT_IS, UTC_NAME, Shape
from shared.reports import duck
from shared.reports.extract import USUAL_MOMENTS, Extract, ExtractColumn, Heading
from shared.reports.formats.display import displayed
from shared.reports.formats.display_here import Show, count_here, shown_here
from shared.reports.formats.labels import NOTHING, labels_of
from shared.reports.warnings import ReportWarning

_FROM_RIGHT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Rendering:
    """The making of one file: one format of one report."""

    extract: Extract
    report: ReportType
    """The report type in the language that the job asks for."""
    parameters: Mapping[str, object]
    database: duckdb.DuckDBPyConnection | None
    """None where the file is made from the extract's cells, all but the answers of summary queries."""
    path: Path
    """Where the finished file goes."""
    scratch: Path
    """An empty folder for intermediate files."""
    progress: Callable[[int], None]
    """Is told the rows done."""
    fonts: Path | None = None
    """A folder of fonts for letters beyond Latin, Greek and Cyrillic, and for templates."""
    picture: Path | None = None
    """Where a picture of a document's first page goes; None wants none."""
    shape: Shape = AS_IT_IS
    """How the answer is to look."""
    further: "Sequence[Rendering]" = ()
    """The answers of the queries beside query.sql, where the format's file has them all."""
    asked: Extract | None = None
    """What summaries and charts ask, where `extract` is a pivot of it."""
    beside: Sequence[ExtractColumn] = ()
    """Columns of the extract that the file does not show, for summaries and charts."""
    job_id: str = ""
    taken_at: str = ""
    """When the source was read, in ISO 8601; empty if nobody knows."""
    warnings: list[ReportWarning] = field(default_factory=list)
    """What the finished file's reader should know."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The database that reads the extract's file."""
        if self.database is None:
            raise LookupError("rows that are here as cells need no database")
        return self.database

    @property
    def all_rows(self) -> int:
        """The rows of every answer in the file."""
        return self.extract.rows + sum(one.extract.rows for one in self.further)

    @property
    def row_count(self) -> str:
        """How many rows query.sql's answer has, in the ways of the document's language."""
        return count_here(self.extract.rows, self.culture)

    @property
    def culture(self) -> Culture:
        """How its numbers and dates are written."""
        return culture_of(self.language)

    @property
    def from_right(self) -> bool:
        """True for a document that is written from right to left: so run its columns, too."""
        return self.language.partition("-")[0] in _FROM_RIGHT

    @property
    def language(self) -> str:
        """The language of the titles, as a BCP 47 tag."""
        return self.report.language

    def shown(self, column: ExtractColumn) -> Column:
        """Return how report.toml wants the column to look."""
        if column.heading is not None:
            looks = self.report.columns.get(column.heading.looks) or Column("", "")
            return replace(looks, name=column.name, title=self._heading(column.heading))
        name = column.source.name
        found = self.report.columns.get(name) or Column(name, name)
        if column.source.type_name == "bool" and not found.number_format:
            # Sections for positive, negative and zero numbers, as which formats see true and false.
            labels = labels_of(self.language)
            return replace(found, number_format=f'"{labels.yes}";"{labels.yes}";"{labels.no}"')
        return found

    def _heading(self, heading: Heading) -> str:
        of, text = heading.of, heading.text
        if of is None or text is None:
            return text or ("" if of is None else NOTHING)
        return shown_here(of, self.shown(of), self.culture)(text) if _is_usual(of, text) else text

    def displayed(self, column: ExtractColumn) -> str:
        """Return SQL for the column's value as its reader sees it."""
        return displayed(column, self.shown(column), self.culture, utc=self.shape.zone == UTC_NAME)

    def show(self, column: ExtractColumn) -> Show:
        """Return a function that makes of the source's text of a value what its reader sees."""
        return shown_here(column, self.shown(column), self.culture)

    def shown_rows(
        self, columns: Sequence[ExtractColumn], rows: Sequence[Sequence[str | None]]
    ) -> Sequence[Sequence[str]]:
        """Return rows of the source's texts of these columns as their reader sees them. NULL is empty."""
        shows = [self.show(column) for column in columns]
        return [["" if text is None else show(text) for show, text in zip(shows, row, strict=True)] for row in rows]

    def title(self, column: ExtractColumn) -> str:
        """Return the column's heading, with its unit, and with the time zone that was asked for if it has times."""
        shown = self.shown(column)
        zone = self.shape.time_zone if column.source.has_zone else None
        behind = ", ".join(filter(None, (shown.unit, zone)))
        return f"{shown.title} ({behind})" if behind else shown.title

    def shown_parameters(self) -> Sequence[tuple[str, str]]:
        """Return title and value of each parameter, as a reader wants them."""
        labels = labels_of(self.language)
        shown = []
        for parameter in self.report.parameters:
            value = self.parameters.get(parameter.name)
            if parameter.name == LOCALE_PARAMETER:
                continue
            match value:
                case None:
                    text = labels.all
                case bool():
                    text = labels.yes if value else labels.no
                case list() | tuple():
                    text = ", ".join(str(item) for item in value) or NOTHING
                case _:
                    text = str(value)
            shown.append((parameter.title, text))
        if self.shape.time_zone is not None:
            shown.append((labels.time_zone, self.shape.time_zone))
        return shown

    def lines(self, *parts: str, source: str = "") -> Iterator[bytes]:
        """Yield what the SQL `parts` make of each row, a line for each, in pieces, and tell the progress.

        `source` is SQL for FROM, if the rows are not those of the extract as it is.
        """
        # One concat() of all parts, because one within another copies what it has made.
        line = f"concat({', '.join(parts)})" if len(parts) > 1 else parts[0]
        query = f"SELECT {line} FROM {source or self.extract.table}"
        # For few rows it is cheaper to make Python's texts of them than to start a thread and a pipe.
        lines = duck.few_lines if self.extract.is_small else duck.lines
        seen = 0
        for piece in lines(self.connection, query):
            seen += piece.count(b"\n")
            self.progress(min(seen, self.extract.rows))
            yield piece


def _is_usual(column: ExtractColumn, text: str) -> bool:
    """False for a value that has no number and no date to show: NaN, infinity, a year that only PostgreSQL knows."""
    if column.source.is_number:
        return math.isfinite(float(text))
    return not column.source.is_moment or re.fullmatch(USUAL_MOMENTS[column.source.type_name], text) is not None


Renderer = Callable[[Rendering], int]
"""Writes one format and returns the data rows it wrote. Raises ReportError, OSError, duckdb.Error."""
