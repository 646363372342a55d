"""The classes that every source of rows is written against, a package's own too."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from shared.catalog.model import CsvOptions
from shared.reports.columns import SourceColumn
from shared.reports.progress import RowProgress
from shared.reports.question import Question


class SourceResult(ABC):
    """The result of one report on one source: its columns now, its rows when asked, all of one moment."""

    repeatable: bool = False
    """True if `feed` may be called again and gives the same rows."""
    sent_bytes: int = 0
    """Text that was given so far, for whoever reckons what a report costs."""
    can_copy_csv: bool = False
    """True if the source can write a finished CSV itself, by `copy_csv`."""

    @property
    @abstractmethod
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order."""

    def estimated_rows(self) -> int:
        """A guess for the progress bar; 0 for none."""
        return 0

    @abstractmethod
    def snapshot(self) -> Mapping[str, object]:
        """What tells this state of the source from others. It goes into the manifest as JSON."""

    @abstractmethod
    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows into a pipe as PostgreSQL's CSV: NULL is nothing, an empty text is `""`. Returns the rows.

        After the columns come those of `as_text` (positions from 0) once more. Unless `lenient`, a moment outside the
        years 1 to 9999 is written so that it cannot be read as one. Raises `row_too_long` before it writes any of a row
        of more than `longest` bytes: DuckDB reads some of those as other rows, without an error.
        """

    def copy_csv(self, out: Callable[[bytearray], object], options: CsvOptions, progress: Callable[[int], None]) -> int:
        """Give `out` the finished CSV in UTF-8, header and guarded formulas included. Returns the data rows.

        Called only if `can_copy_csv`.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot copy CSV")


class OpenSource(Protocol):
    """Opens a result: one moment of the source, held for as long as the block lasts."""

    def __call__(self, url: str, question: Question, scratch: Path, /) -> AbstractContextManager[SourceResult]:
        """Return a context manager. Raises ReportError for what the client or the report's author should know.

        What depends on the tenant comes from `question.asker`, and from nowhere else.
        """
