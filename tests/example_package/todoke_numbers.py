"""A data source: `numbers://5` answers every query with the numbers from 1 to 5 and their squares."""

import contextlib
import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shared.plugin import Question, RowProgress, SourceColumn, SourceResult, row_limit_exceeded


class Numbers(SourceResult):
    """One result: its columns now, its rows when asked."""

    repeatable = True

    def __init__(self, last: int) -> None:
        self._last = last

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """Their types have PostgreSQL's short names."""
        return [SourceColumn("n", "int4"), SourceColumn("square", "int8")]

    def estimated_rows(self) -> int:
        """Left out, it would be 0: nobody knows."""
        return self._last

    def snapshot(self) -> Mapping[str, object]:
        """What tells this state of the data from others."""
        return {"id": str(self._last), "takenAt": dt.datetime.now(dt.UTC).isoformat()}

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows into a pipe as CSV; the columns of `as_text` (floating point) once more at the end."""
        del lenient, longest, as_text  # there are no moments here, no long rows, and no floating point
        with os.fdopen(os.dup(descriptor), "w") as pipe:
            for n in range(1, self._last + 1):
                pipe.write(f"{n},{n * n}\n")
                progress(n)
        return self._last


@contextlib.contextmanager
def open_result(url: str, question: Question, scratch: Path, /) -> Iterator[Numbers]:
    """What the entry point names: connect, hold one moment of the data for as long as the block lasts, and let go."""
    del scratch  # a folder for files
    limits = question.report.limits  # and question.parameters, and question.asker, whose rows to give
    last = int(url.removeprefix("numbers://"))
    if last > limits.max_rows:
        raise row_limit_exceeded(limits)
    yield Numbers(last)
