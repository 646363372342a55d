"""The classes that every source of rows implements, including those of packages."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from shared.catalog.model import CsvOptions
from shared.reports import source_errors
from shared.reports.columns import SourceColumn
from shared.reports.progress import RowProgress
from shared.reports.question import Arrangement, Question


class Begun:
    """Rows whose beginning, perhaps everything, is already here, in the form that `SourceResult.feed` writes."""

    def __init__(self, pieces: Iterator[tuple[bytearray, int]], *, most_rows: int, most_bytes: int) -> None:
        self.text = bytearray()
        self.rows = 0
        self.is_all = False
        self._pieces = pieces
        for piece, rows in pieces:
            self.text += piece
            self.rows = rows
            if rows > most_rows or len(self.text) > most_bytes:
                return
        self.is_all = True

    def feed(self, write: Callable[[bytearray], object]) -> None:
        """Write all rows, those that are here and the rest."""
        write(self.text)
        for piece, _ in self._pieces:
            write(piece)


class SourceResult(ABC):
    """The result of one report on one source: its columns now, its rows when asked, all of one moment."""

    repeatable: bool = False
    """True if `feed` may be called again and returns the same rows."""
    sent_bytes: int = 0
    """How much text was sent so far, for the cost of the report."""
    can_copy_csv: bool = False
    """True if the source can write a finished CSV itself, with `copy_csv`."""

    arrangement: Arrangement | None = None
    """What the source has done with the query's result; None if it returns the query's own rows and columns."""

    @property
    @abstractmethod
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order, or as arranged."""

    @property
    def query_names(self) -> Collection[str]:
        """The names of all columns of the query, some of which may be left out."""
        return {column.name for column in self.columns}

    def estimated_rows(self) -> int:
        """A guess for the progress bar; 0 for none."""
        return 0

    def further(self, question: Question) -> "SourceResult":
        """Return the result of another query, of the same moment, once this one is read. Raises ReportError."""
        raise source_errors.one_query_only(question.report.source)

    @abstractmethod
    def snapshot(self) -> Mapping[str, object]:
        """Identifies this state of the source. It goes into the manifest as JSON."""

    def add_json(self, positions: Sequence[int]) -> None:
        """From here on, `feed` and `begin` also write the JSON of these columns, after all others.

        Called only for columns that are `nested`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no nested columns")

    @abstractmethod
    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows into a pipe as PostgreSQL's CSV: NULL is nothing, an empty text is `""`.

        Returns the number of rows. After the columns come those of `as_text` (positions from 0) once more. Unless
        `lenient`, a moment outside the years 1 to 9999 is written so that it cannot be read as one. Raises
        `row_too_long` before it writes any of a row of more than `longest` bytes: DuckDB reads some of those as other
        rows, without an error.
        """

    def begin(
        self, *, longest: int, as_text: Sequence[int], most_rows: int, most_bytes: int, progress: RowProgress
    ) -> Begun | None:
        """Begin what `feed` does, and stop when there are more rows or bytes than these. None if that is impossible.

        Raises what `feed` raises.
        """
        del longest, as_text, most_rows, most_bytes, progress
        return None

    def copy_csv(self, out: Callable[[bytearray], object], options: CsvOptions, progress: Callable[[int], None]) -> int:
        """Pass the finished CSV in UTF-8 to `out`, including header and guarded formulas.

        Returns the number of data rows. Called only if `can_copy_csv`.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot copy CSV")


class OpenSource(Protocol):
    """Opens a result: one moment of the source, held for as long as the block lasts."""

    def __call__(self, url: str, question: Question, scratch: Path, /) -> AbstractContextManager[SourceResult]:
        """Return a context manager. Raises ReportError for what the client or the report's author should know.

        Anything that depends on the tenant must come from `question.asker`, and from nowhere else.
        """
