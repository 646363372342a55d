"""Does once, before any report, what the process of every report would otherwise have to do.

The fork server calls this. Its children inherit what it has imported, opened, parsed and tried, without the work, in
shared memory. A rehearsal makes each kind of file once from rows of our own: it contains nothing of a report.
"""

import contextlib
import functools
import importlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg.pq import PGconn

from shared.catalog.cultures import culture_of
from shared.catalog.grouping import Grouping
from shared.catalog.model import Column, Format, PdfOptions, ReportType, SummaryTable
from shared.catalog.shape import AS_IT_IS, Shape
from shared.reports import answers, duck, manifest, render
from shared.reports.columns import SourceColumn
from shared.reports.formats.pdf import document, fonts
from shared.reports.interface import Progress, RenderRequest
from shared.reports.progress import RowProgress, Steps
from shared.reports.question import Question
from shared.reports.sources.result import Begun, SourceResult

_DATABASES = 2
"""One reads, renders and reads back; the other answers a document's summary queries, confined."""
_IMPORTED_LATE = ("lxml.etree", "pikepdf.models.metadata", "multiprocessing.connection")
_TYPES = (
    ("text", "text", "a & b"), ("whole", "int8", "12"), ("exact", "numeric", "1.50"), ("float", "float8", "0.25"),
    ("day", "date", "2013-01-31"), ("moment", "timestamptz", "2013-01-31 12:00:00+00"), ("flag", "bool", "t"),
)  # fmt: skip
_REHEARSED = (Format.CSV, Format.XLSX, Format.PARQUET, Format.JSONL, Format.HTML)
"""Without complete documents: Typst and V8 start threads, which do not survive a fork."""
_ELSEWHERE = Shape(time_zone="Etc/GMT-1")


@functools.cache
def warm_up() -> None:
    """Prepare this process, which must have only one thread.

    Done once, for this process and all that are forked from it.
    """
    for name in _IMPORTED_LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    manifest.tools()
    _rehearse_login()
    fonts.prepare()
    culture_of("ja")
    duck.prepare(_DATABASES)
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix="todoke-warm-up-") as folder:
        _rehearse(Path(folder))
    duck.prepare(_DATABASES)


def _rehearse_login() -> None:
    """Make libpq and its cryptography load what a password needs. Connects to nothing."""
    with contextlib.suppress(Exception):  # otherwise the first connection does it
        nobody = PGconn.connect(b"host=/nowhere port=1 dbname=none connect_timeout=1")
        nobody.encrypt_password(b"none", b"none", b"scram-sha-256")
        nobody.finish()


def _rehearse(folder: Path) -> None:
    shown = {
        "exact": Column("exact", "E", number_format="#,##0.0"),
        "day": Column("day", "D", number_format="d mmm yy"),
    }
    tables = (SummaryTable("t", "t", "SELECT text, sum(whole) AS whole FROM report GROUP BY ALL ORDER BY ALL"),)
    report = ReportType(
        "rehearsal", "Rehearsal", "", "1", "", "", _REHEARSED, pdf=PdfOptions(tables=tables), columns=shown,
        grouping=Grouping(("text",), {"whole": "sum", "exact": "mean"}),
    )  # fmt: skip
    steps = Steps(len(_REHEARSED), _say_nothing)
    for shape in (AS_IT_IS, _ELSEWHERE):  # the rows as cells, and in a file
        request = RenderRequest(report, {}, _REHEARSED, "", folder / shape.zone.replace("/", "-"), shape=shape)
        request.scratch.mkdir()
        whole = answers.read(_Rows(), request.scratch, Question(report, {}, shape=shape), _REHEARSED, steps)
        for format_ in _REHEARSED:
            render.render_one(format_, whole, request, steps)
        with render.rendering_of(Format.PDF, whole, request, steps) as rendering:
            document.rehearse(rendering)


def _say_nothing(_: Progress) -> None:
    pass


class _Rows(SourceResult):
    """Two rows of the usual types."""

    repeatable = True

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns."""
        return [SourceColumn(name, type_) for name, type_, _ in _TYPES]

    def estimated_rows(self) -> int:
        """Two."""
        return 2

    def snapshot(self) -> Mapping[str, object]:
        """Nothing."""
        return {}

    def begin(
        self, *, longest: int, as_text: Sequence[int], most_rows: int, most_bytes: int, progress: RowProgress
    ) -> Begun:
        """All two, as `SourceResult.begin` says."""
        del longest, progress
        return Begun(iter([(bytearray(self._text(as_text)), 2)]), most_rows=most_rows, most_bytes=most_bytes)

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says."""
        del lenient, longest
        text = self._text(as_text)
        duck.write_all(descriptor, text)
        self.sent_bytes += len(text)
        progress(2)
        return 2

    def _text(self, as_text: Sequence[int]) -> bytes:
        cells = [value for _, _, value in _TYPES]
        return 2 * (",".join([*cells, *(cells[at] for at in as_text)]) + "\n").encode()
