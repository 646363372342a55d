"""The source for report types in Python: their rows become the same extract as a query's."""

import contextlib
import datetime as dt
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from shared.catalog.model import BUNDLE, Format, Limits, ReportType
from shared.catalog.python_report import TYPES, PythonReport, load_python_report
from shared.reports import errors
from shared.reports.columns import SourceColumn
from shared.reports.interface import RenderCancelled
from shared.reports.manifest import NAME as MANIFEST
from shared.reports.progress import RowProgress
from shared.reports.sources.result import SourceResult

ATTACHMENTS = "attachments"
_PIECE_ROWS = 1_000


@dataclass(slots=True)
class RunningReport:
    """The `Context` of one run of a Python report."""

    folder: Path
    """The folder of attached files."""
    worker: int
    """The id of the process that waits for the report."""
    taken: frozenset[str]
    """The names of the job's own files."""
    tell: RowProgress = lambda _rows, _of=None: None

    def progress(self, rows: int, of: int | None = None) -> None:
        """Tell the progress as `Context.progress` says."""
        self.tell(rows, of)

    def check_cancelled(self) -> None:
        """Raise RenderCancelled if the worker is gone."""
        if os.getppid() != self.worker:
            raise RenderCancelled("the worker is gone")

    @contextlib.contextmanager
    def attach(self, name: str, media_type: str) -> Iterator[BinaryIO]:
        """Open an attached file as `Context.attach` says."""
        if not name or name != Path(name).name or name.startswith(".") or "\\" in name:
            raise ValueError(f"{name!r} cannot name an attached file")
        if name in self.taken:
            raise ValueError(f"{name!r} names another file of the job; choose a name of its own")
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        with path.open("xb") as file:
            yield file
        path.with_name(f".{name}.type").write_text(media_type)


class PythonResult(SourceResult):
    """The rows of one Python report."""

    def __init__(
        self, report: PythonReport, rows: Iterable[Sequence[object]], running: RunningReport, limits: Limits
    ) -> None:
        self._report = report
        self._rows = rows
        self._running = running
        self._limits = limits

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns that the class declares."""
        return [SourceColumn(c.name, TYPES[c.type]) for c in self._report.columns]

    def snapshot(self) -> Mapping[str, object]:
        """Return the time of the run."""
        return {"id": None, "takenAt": dt.datetime.now(dt.UTC).isoformat()}

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says."""
        del lenient  # every value comes from Python, whose dates are all usual
        self._running.tell = progress
        width = len(self._report.columns)
        rows = sent = 0
        with open(descriptor, "wb", closefd=False) as out:
            for piece in _pieces(self._rows):
                lines = []
                for row in piece:
                    rows += 1
                    if len(row) != width:
                        raise errors.python_row_wrong(rows, f"{len(row)} values for {width} columns")
                    cells = [self._cell(value, at, rows) for at, value in enumerate(row)]
                    line = _line([*cells, *(cells[at] for at in as_text)]).encode("utf-8", "replace")
                    if len(line) > longest:
                        raise errors.row_too_long()
                    lines.append(line)
                if rows > self._limits.max_rows:
                    raise errors.row_limit_exceeded(self._limits)
                text = b"".join(lines)
                sent += len(text)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                out.write(text)
                progress(rows)
        return rows

    def _cell(self, value: object, at: int, row: int) -> str | None:
        column = self._report.columns[at]
        if value is None:
            return None
        match column.type, value:
            case "boolean", bool():
                return "t" if value else "f"
            case "integer", int() if not isinstance(value, bool):
                return str(value)
            case "decimal", Decimal() | int() if not isinstance(value, bool):
                return format(value, "f")
            case "float", float() | int() if not isinstance(value, bool):
                return repr(float(value))
            case "datetime", dt.datetime() if value.tzinfo is not None:
                return value.astimezone(dt.UTC).isoformat(sep=" ")
            case "date", dt.date() if not isinstance(value, dt.datetime):
                return value.isoformat()
            case "text", str():
                return value
            case _:
                raise errors.python_row_wrong(
                    row, f"column {column.name!r} is {column.type}, not {type(value).__name__}"
                )


@contextlib.contextmanager
def open_result(
    report: ReportType, parameters: Mapping[str, object], scratch: Path, *, first_rows: int | None = None
) -> Iterator[PythonResult]:
    """Run the report, for its `first_rows` only if given. Raises ReportError."""
    try:
        implementation = load_python_report(report.name)
    except LookupError as error:
        raise errors.source_missing(report.name, str(error)) from None
    given = implementation.Parameters.model_validate(parameters)
    folder = scratch / ATTACHMENTS
    shutil.rmtree(folder, ignore_errors=True)
    taken = frozenset({MANIFEST, *(f"{report.name}.{kind}" for kind in (*Format, BUNDLE))})
    running = RunningReport(folder, os.getppid(), taken)
    rows = itertools.islice(implementation.rows(given, running), first_rows)
    yield PythonResult(implementation, rows, running, report.limits)


def attached(scratch: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that the report attached, with their media types."""
    for path in sorted((scratch / ATTACHMENTS).glob("[!.]*")):
        yield path, path.with_name(f".{path.name}.type").read_text()


def _line(cells: Sequence[str | None]) -> str:
    """Return a line as COPY writes it: NULL is nothing, an empty text `""`."""
    return ",".join("" if c is None else _quoted(c) for c in cells) + "\n"


def _quoted(text: str) -> str:
    if text == "" or any(c in text for c in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _pieces(rows: Iterable[Sequence[object]]) -> Iterator[Sequence[Sequence[object]]]:
    piece: list[Sequence[object]] = []
    for row in rows:
        piece.append(row)
        if len(piece) == _PIECE_ROWS:
            yield piece
            piece = []
    if piece:
        yield piece
