"""What every format is given: the rows, how they are shown, where the file goes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from shared.catalog.locales import LOCALE_PARAMETER
from shared.catalog.model import Column, ReportType
from shared.reports import duck
from shared.reports.extract import Extract, ExtractColumn
from shared.reports.formats.labels import labels_of
from shared.reports.warnings import ReportWarning


@dataclass(frozen=True, slots=True)
class Rendering:
    """The making of one file: one format of one report."""

    extract: Extract
    report: ReportType
    """The report type in the language that the job asks for."""
    parameters: Mapping[str, object]
    connection: duckdb.DuckDBPyConnection
    path: Path
    """Where the finished file goes."""
    scratch: Path
    """An empty folder for intermediate files."""
    progress: Callable[[int], None]
    """Is told the rows done."""
    fonts: Path | None = None
    """A folder of fonts for letters beyond Latin, Greek and Cyrillic, and for templates."""
    warnings: list[ReportWarning] = field(default_factory=list)
    """What the finished file's reader should know."""

    @property
    def language(self) -> str:
        """The language of the titles, as a BCP 47 tag."""
        return self.report.language

    def shown(self, column: ExtractColumn) -> Column:
        """Return how report.toml wants the column to look."""
        name = column.source.name
        return self.report.columns.get(name) or Column(name, name)

    def title(self, column: ExtractColumn) -> str:
        """Return the column's heading, with its unit."""
        shown = self.shown(column)
        return f"{shown.title} ({shown.unit})" if shown.unit else shown.title

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
                    text = ", ".join(str(item) for item in value) or "-"
                case _:
                    text = str(value)
            shown.append((parameter.title, text))
        return shown

    def lines(self, expression: str, *, source: str | None = None) -> Iterator[bytes]:
        """Yield the SQL text `expression` of each row, in pieces, and tell the progress."""
        seen = 0
        # For few rows it is cheaper to make Python's texts of them than to start a thread and a pipe.
        lines = duck.few_lines if self.extract.is_small else duck.lines
        for piece in lines(self.connection, f"SELECT {expression} FROM {source or self.extract.table}"):
            seen += piece.count(b"\n")
            self.progress(min(seen, self.extract.rows))
            yield piece


Renderer = Callable[[Rendering], int]
"""Writes one format and returns the data rows it wrote. Raises ReportError, OSError, duckdb.Error."""
