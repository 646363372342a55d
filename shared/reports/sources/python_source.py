"""The source for report types in Python: their rows become an extract like that of a query."""

import contextlib
import datetime as dt
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from shared.artifacts.tree import NotAPlainFile, Tree
from shared.catalog.model import BUNDLE, Format, Limits
from shared.catalog.python_report import TYPES, PythonReport, load_python_report
from shared.catalog.shape import UTC_NAME
from shared.reports import errors, source_errors
from shared.reports.columns import SourceColumn
from shared.reports.interface import RenderCancelled, ReportError
from shared.reports.manifest import NAME as MANIFEST
from shared.reports.progress import RowProgress
from shared.reports.question import Question
from shared.reports.sources.attachments import check_media_type, check_name
from shared.reports.sources.result import SourceResult
from shared.reports.sources.rows import line

ATTACHMENTS = "attachments"
_PIECE_ROWS = 1_000
_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Python's words for what is not a number → PostgreSQL's."""


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
    tenant: str | None = None
    requester: str | None = None
    time_zone: str = UTC_NAME
    attached: set[str] = field(default_factory=set)
    """The names of the files attached so far."""

    def progress(self, rows: int, of: int | None = None) -> None:
        """Report the progress as `Context.progress` says."""
        self.tell(rows, of)

    def check_cancelled(self) -> None:
        """Raise RenderCancelled if the worker is gone."""
        if os.getppid() != self.worker:
            raise RenderCancelled("the worker is gone")

    @contextlib.contextmanager
    def attach(self, name: str, media_type: str) -> Iterator[BinaryIO]:
        """Open an attached file as `Context.attach` says."""
        check_name(name)
        check_media_type(name, media_type)
        if name.casefold() in {one.casefold() for one in (*self.taken, *self.attached)}:
            raise errors.attachment_wrong(name, "it names another file of the job; choose a name of its own")
        self.attached.add(name)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        with path.open("xb") as file:
            yield file
        _type_file(path).write_text(media_type)


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
        del lenient  # every value comes from Python, whose dates are all usual ones
        self._running.tell = progress
        width = len(self._report.columns)
        rows = sent = 0
        with open(descriptor, "wb", closefd=False) as out:
            for piece in _pieces(self._rows):
                lines = []
                for row in piece:
                    rows += 1
                    _check_row(row, rows, width)
                    cells = [self._cell(value, at, rows) for at, value in enumerate(row)]
                    text = line([*cells, *(cells[at] for at in as_text)]).encode()
                    if len(text) > longest:
                        raise errors.row_too_long()
                    lines.append(text)
                if rows > self._limits.max_rows:
                    raise errors.row_limit_exceeded(self._limits)
                together = b"".join(lines)
                sent += len(together)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                out.write(together)
                self.sent_bytes += len(together)
                progress(rows)
        return rows

    def _cell(self, value: object, at: int, row: int) -> str | None:
        if value is None:
            return None
        kind = self._report.columns[at].type
        types = _TAKEN[kind]
        if not isinstance(value, types) or (isinstance(value, bool | dt.datetime) and type(value) not in types):
            raise self._wrong(row, at, f"is {kind}, not {type(value).__name__}")
        try:
            return _WRITTEN[kind](value)
        except (ValueError, OverflowError) as error:
            raise self._wrong(row, at, f"has {str(value)[:60]!r}: {error}") from None

    def _wrong(self, row: int, at: int, what: str) -> ReportError:
        return errors.python_row_wrong(row, f"column {self._report.columns[at].name!r} {what}")


@contextlib.contextmanager
def open_result(question: Question, scratch: Path, *, first_rows: int | None = None) -> Iterator[PythonResult]:
    """Run the report; if `first_rows` is given, only for so many rows. Raises ReportError."""
    report, asker = question.report, question.asker
    try:
        implementation = load_python_report(report.name)
    except LookupError as error:
        raise source_errors.source_missing(report.name, str(error)) from None
    given = implementation.Parameters.model_validate(question.parameters)
    folder = scratch / ATTACHMENTS
    shutil.rmtree(folder, ignore_errors=True)
    taken = frozenset({MANIFEST, *(f"{report.name}.{kind}" for kind in (*Format, BUNDLE))})
    running = RunningReport(
        folder, os.getppid(), taken, tenant=asker.tenant, requester=asker.requester, time_zone=question.shape.zone
    )
    rows = itertools.islice(implementation.rows(given, running), first_rows)
    yield PythonResult(implementation, rows, running, report.limits)


def _type_file(path: Path) -> Path:
    """Return the file with the media type of the attached file `path`. A hash is shorter than the longest name."""
    return path.with_name(f".{hashlib.sha256(path.name.encode()).hexdigest()}.type")


def attached(scratch: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that the report attached, with their media types. Raises ReportError for anything but a file."""
    folder = scratch / ATTACHMENTS
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("[!.]*")):
        try:
            Tree(scratch).open(f"{ATTACHMENTS}/{path.name}").close()
        except (OSError, NotAPlainFile):
            raise errors.attachment_wrong(path.name, "it is a link, a folder, a pipe or a device, not a file") from None
        try:
            media_type = _type_file(path).read_text()
        except OSError:
            raise errors.attachment_wrong(path.name, "it was put there without `attach`") from None
        check_media_type(path.name, media_type)
        yield path, media_type


def _check_row(row: object, number: int, width: int) -> None:
    if not isinstance(row, Sequence) or isinstance(row, str | bytes):
        raise errors.python_row_wrong(number, f"it is a {type(row).__name__}, not a tuple or list of {width} values")
    if len(row) != width:
        raise errors.python_row_wrong(number, f"{len(row)} values for {width} columns")


def _boolean(value: bool) -> str:
    return "t" if value else "f"


def _integer(value: int) -> str:
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("beyond 64 bits; declare the column as decimal")
    return str(value)


def _decimal(value: Decimal | int) -> str:
    if isinstance(value, int) or value.is_finite():
        return format(value or abs(value), "f")  # PostgreSQL's numeric has no negative zero, but its floats do
    return "NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"


def _float(value: float) -> str:
    text = repr(float(value)).removesuffix(".0")
    return _NO_NUMBERS.get(text, text)


def _date(value: dt.date) -> str:
    return value.isoformat()


def _moment(value: dt.datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("it has no time zone")
    return value.astimezone(dt.UTC).isoformat(sep=" ")


def _text(value: str) -> str:
    value.encode()  # fails for an unpaired surrogate
    return value


_TAKEN: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,), "integer": (int,), "decimal": (Decimal, int), "float": (float, int),
    "date": (dt.date,), "datetime": (dt.datetime,), "text": (str,),
}  # fmt: skip
_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "boolean": _boolean, "integer": _integer, "decimal": _decimal, "float": _float,
    "date": _date, "datetime": _moment, "text": _text,
}  # fmt: skip
"""Column type → a function that writes a value as PostgreSQL does. Each raises ValueError or OverflowError."""


def _pieces(rows: Iterable[Sequence[object]]) -> Iterator[Sequence[Sequence[object]]]:
    piece: list[Sequence[object]] = []
    for row in rows:
        piece.append(row)
        if len(piece) == _PIECE_ROWS:
            yield piece
            piece = []
    if piece:
        yield piece
