"""The common part of sources with rows of Python values: text as COPY writes it, piece by piece, within the limits."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from shared.catalog.model import Limits
from shared.reports import duck, errors, source_errors
from shared.reports.columns import SourceColumn
from shared.reports.progress import RowProgress
from shared.reports.sources.result import Begun, SourceResult

Row = Sequence[object]
Write = Callable[[object], str]
"""Writes a value other than None as PostgreSQL does. Raises ValueError, which says what is wrong with it."""
_PIECE_BYTES = 1 << 16


class RowsResult(SourceResult):
    """A result that fetches the same rows for each reading, one by one."""

    repeatable = True

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    @abstractmethod
    def writers(self) -> Sequence[Write]:
        """The functions that write the values of each column."""

    @abstractmethod
    def rows(self) -> Iterable[Row]:
        """Yield the rows, from the first one on. Raises ReportError."""

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says."""
        del lenient  # moments are usual ones, or refused
        so_far = 0
        for piece, rows in self._pieces(longest, as_text, progress):
            duck.write_all(descriptor, piece)
            so_far = rows
        return so_far

    def begin(
        self, *, longest: int, as_text: Sequence[int], most_rows: int, most_bytes: int, progress: RowProgress
    ) -> Begun:
        """Begin as `SourceResult.begin` says."""
        return Begun(self._pieces(longest, as_text, progress), most_rows=most_rows, most_bytes=most_bytes)

    def _pieces(self, longest: int, as_text: Sequence[int], progress: RowProgress) -> Iterator[tuple[bytearray, int]]:
        piece, number, sent = bytearray(), 0, 0
        most_rows, most_bytes = self._limits.max_rows, self._limits.max_mb << 20
        write = partial(_written, self.columns, self.writers())
        for number, row in enumerate(self.rows(), 1):
            if number > most_rows:
                raise errors.row_limit_exceeded(self._limits)
            cells = write(number, row)
            text = line([*cells, *(cells[at] for at in as_text)]).encode()
            if len(text) > longest:
                raise errors.row_too_long()
            sent += len(text)
            if sent > most_bytes:
                raise errors.byte_limit_exceeded(self._limits)
            piece += text
            if len(piece) >= _PIECE_BYTES:
                yield self._told(piece, number, progress)
                piece = bytearray()
        yield self._told(piece, number, progress)

    def _told(self, piece: bytearray, rows: int, progress: RowProgress) -> tuple[bytearray, int]:
        self.sent_bytes += len(piece)
        progress(rows)
        return piece, rows


def _written(columns: Sequence[SourceColumn], writers: Sequence[Write], number: int, row: Row) -> list[str | None]:
    cells: list[str | None] = []
    for at, value in enumerate(row):
        try:
            cells.append(None if value is None else writers[at](value))
        except (ValueError, OverflowError) as error:
            raise source_errors.value_refused(number, columns[at].name, str(error)) from None
    return cells


def line(cells: Sequence[str | None]) -> str:
    """Return a line as COPY writes it: NULL is nothing, an empty text `""`."""
    return ",".join("" if c is None else _quoted(c) for c in cells) + "\n"


def _quoted(text: str) -> str:
    if text == "" or any(c in text for c in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
