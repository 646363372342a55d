"""What a source gives of one report."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from shared.reports.columns import SourceColumn
from shared.reports.progress import RowProgress


class SourceResult(Protocol):
    """What a source gives of one report: its columns now, its rows when asked, all of one moment."""

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """In the query's order."""

    @property
    def repeatable(self) -> bool:
        """Whether `feed` may be called again, and gives the same rows."""

    def estimated_rows(self) -> int:
        """A guess for the progress bar; 0 for none."""

    def snapshot(self) -> Mapping[str, object]:
        """What tells this state of the source from others."""

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows into a pipe as PostgreSQL's CSV: NULL is nothing, an empty text is `""`. Returns the rows.

        After the columns come those of `as_text` (positions from 0) once more. Unless `lenient`, a moment outside the
        years 1 to 9999 is written so that it cannot be read as one. Raises `row_too_long` before it writes any of a row
        of more than `longest` bytes: DuckDB reads some of those as other rows without a word.
        """
