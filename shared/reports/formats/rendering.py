"""What every format receives: the rows, how they are shown, and where the file goes."""

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
from shared.reports.formats.display_in_python import Show, count_text, shown_in_python
from shared.reports.formats.labels import NOTHING, labels_of
from shared.reports.warnings import ReportWarning

_FROM_RIGHT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Rendering:
    """One file in the making: one format of one report."""

    extract: Extract
    report: ReportType
    """The report type in the job's language."""
    parameters: Mapping[str, object]
    database: duckdb.DuckDBPyConnection | None
    """None if the file is made from the extract's cells, except for answers of summary queries."""
    path: Path
    """Where the finished file goes."""
    scratch: Path
    """An empty folder for intermediate files."""
    progress: Callable[[int], None]
    """Receives the number of rows done."""
    fonts: Path | None = None
    """A folder of fonts for letters beyond Latin, Greek and Cyrillic, and for templates."""
    picture: Path | None = None
    """Where to put a picture of a document's first page; None wants none."""
    shape: Shape = AS_IT_IS
    """The requested shape of the answer."""
    further: "Sequence[Rendering]" = ()
    """The answers of the further queries, if the format's file contains them all."""
    asked: Extract | None = None
    """What summaries and charts query, if `extract` is a pivot of it."""
    beside: Sequence[ExtractColumn] = ()
    """Columns of the extract that the file does not show, for summaries and charts."""
    job_id: str = ""
    taken_at: str = ""
    """When the source was read, in ISO 8601; empty if unknown."""
    warnings: list[ReportWarning] = field(default_factory=list)
    """Warnings for readers of the finished file."""

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
        """The number of rows of query.sql's answer, in the format of the document's language."""
        return count_text(self.extract.rows, self.culture)

    @property
    def culture(self) -> Culture:
        """How its numbers and dates are written."""
        return culture_of(self.language)

    @property
    def from_right(self) -> bool:
        """True for a right-to-left document, whose columns run from right to left, too."""
        return self.language.partition("-")[0] in _FROM_RIGHT

    @property
    def language(self) -> str:
        """The language of the titles, as a BCP 47 tag."""
        return self.report.language

    def shown(self, column: ExtractColumn) -> Column:
        """Return how report.toml defines the column's look."""
        if column.heading is not None:
            looks = self.report.columns.get(column.heading.looks) or Column("", "")
            return replace(looks, name=column.name, title=self._heading(column.heading))
        name = column.source.name
        found = self.report.columns.get(name) or Column(name, name)
        if column.source.type_name == "bool" and not found.number_format:
            # Sections for positive, negative and zero numbers, as formats treat true and false.
            labels = labels_of(self.language)
            return replace(found, number_format=f'"{labels.yes}";"{labels.yes}";"{labels.no}"')
        return found

    def _heading(self, heading: Heading) -> str:
        of, text = heading.of, heading.text
        if of is None or text is None:
            return text or ("" if of is None else NOTHING)
        return shown_in_python(of, self.shown(of), self.culture)(text) if _is_usual(of, text) else text

    def displayed(self, column: ExtractColumn) -> str:
        """Return SQL for the column's value as readers see it."""
        return displayed(column, self.shown(column), self.culture, utc=self.shape.zone == UTC_NAME)

    def show(self, column: ExtractColumn) -> Show:
        """Return a function that turns the source's text of a value into what readers see."""
        return shown_in_python(column, self.shown(column), self.culture)

    def shown_rows(
        self, columns: Sequence[ExtractColumn], rows: Sequence[Sequence[str | None]]
    ) -> Sequence[Sequence[str]]:
        """Return rows of the source's texts of these columns as readers see them. NULL is empty."""
        shows = [self.show(column) for column in columns]
        return [["" if text is None else show(text) for show, text in zip(shows, row, strict=True)] for row in rows]

    def title(self, column: ExtractColumn) -> str:
        """Return the column's heading, with its unit, and with the requested time zone if it has times."""
        shown = self.shown(column)
        zone = self.shape.time_zone if column.source.has_zone else None
        behind = ", ".join(filter(None, (shown.unit, zone)))
        return f"{shown.title} ({behind})" if behind else shown.title

    def shown_parameters(self) -> Sequence[tuple[str, str]]:
        """Return title and value of each parameter, as readers see them."""
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
        """Yield the lines that the SQL `parts` make, one per row, in pieces, and report the progress.

        `source` is SQL for FROM, if the rows are not those of the extract as it is.
        """
        # One concat() of all parts, because a nested one copies its result.
        line = f"concat({', '.join(parts)})" if len(parts) > 1 else parts[0]
        query = f"SELECT {line} FROM {source or self.extract.table}"
        # For small results it is cheaper to make Python's texts than to start a thread and a pipe.
        lines = duck.few_lines if self.extract.is_small else duck.lines
        seen = 0
        for piece in lines(self.connection, query):
            seen += piece.count(b"\n")
            self.progress(min(seen, self.extract.rows))
            yield piece


def _is_usual(column: ExtractColumn, text: str) -> bool:
    """False for a value that cannot be shown as a number or a date: NaN, infinity, a year that only
    PostgreSQL knows.
    """
    if column.source.is_number:
        return math.isfinite(float(text))
    return not column.source.is_moment or re.fullmatch(USUAL_MOMENTS[column.source.type_name], text) is not None


Renderer = Callable[[Rendering], int]
"""Writes one format and returns the data rows it wrote. Raises ReportError, OSError, duckdb.Error."""
