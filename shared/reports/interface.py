"""What the worker and the report engine exchange. Rendering knows nothing about queues or tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.csv_dialect import dialect
from shared.catalog.model import CsvOptions, Format, FurtherQuery, ReportType
from shared.catalog.shape import AS_IT_IS, Shape
from shared.errors import TodokeError
from shared.reports.warnings import ReportWarning


class ReportError(TodokeError):
    """An attempt could not make its report. `code` is stable and documented; the message is for the client."""

    def __init__(self, code: str, message: str, *, retryable: bool, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the keyword arguments: exceptions are pickled with their positional arguments alone."""
        return partial(ReportError, retryable=self.retryable, hint=self.hint), (self.code, str(self))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt used, as counted by the kernel and not by the report.

    Processes that outlived it are left out.
    """

    cpu_s: float
    """Processor time of its process, of those that it waited for, and of the chart process for its charts."""
    peak_mb: int
    """The most memory that its process held at a time, including libraries that it loaded."""
    read_bytes: int
    """How much text its source sent, as reported by its process."""
    written_bytes: int
    """The files that it made."""

    def as_json(self) -> dict[str, float]:
        """Return the cost for the job's row and the manifest."""
        return {
            "cpuSeconds": round(self.cpu_s, 3), "peakMemoryMb": self.peak_mb,
            "bytesRead": self.read_bytes, "bytesWritten": self.written_bytes,
        }  # fmt: skip


class RenderCancelled(TodokeError):
    """The caller asked to stop (cancellation, lost lease or shutdown). Nothing was made."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """Everything that the engine needs for one attempt."""

    report: ReportType
    parameters: Mapping[str, object]
    """The validated parameters as stored on the job: JSON values, defaults filled in."""
    formats: tuple[Format, ...]
    source_dsn: str
    """The URL or libpq connection string of the report's source. Secret."""
    scratch: Path
    """An empty folder of this attempt; the caller removes it."""
    keep: Path | None = None
    """A folder for the extract that the job's attempts on this worker share. None keeps nothing."""
    fonts: Path | None = None
    """A folder of fonts for letters beyond Latin, Greek and Cyrillic, and for templates."""
    shape: Shape = AS_IT_IS
    """The requested shape of the answer."""
    words: Mapping[str, object] = field(default_factory=dict)
    """Parameters that were given in words such as `yesterday`, for the manifest."""
    asker: Asker = NOBODY
    """The requester. For NOBODY, a query that compares with the tenant finds no rows."""
    job_id: str = ""
    """The job's id, for the manifest."""
    file_name: str | None = None
    """The name of the files without extension; None for the report type's."""
    bundle: bool = False
    """True makes an archive of all files as well."""
    preview: bool = False
    """True writes the first rows, and a picture of a PDF's first page, into the scratch folder beside the files."""
    figures: bool = False
    """True writes the numbers of `[pdf.figures]` there too, which needs an extract and a query over it."""
    password: str | None = field(default=None, repr=False)
    """The password of the files, which are PDF and XLSX only. Secret."""
    first_rows: int | None = None
    """How many rows of a Python report type suffice when it is only tried; None takes all."""

    def __post_init__(self) -> None:
        """Make every path absolute: the report's own process leaves the folder to which a path such as `catalog` is
        relative.
        """
        if (folder := self.report.folder) is not None and not folder.is_absolute():
            object.__setattr__(self, "report", replace(self.report, folder=folder.absolute()))
        for name in ("scratch", "keep", "fonts"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, path.absolute())

    @property
    def csv(self) -> CsvOptions:
        """How a CSV is written."""
        return dialect(self.report.csv, self.shape.csv)

    @property
    def is_plain_csv(self) -> bool:
        """True if a source that writes CSV itself, as PostgreSQL does, can write everything that was requested.

        Then there is no extract, and nothing else is needed. The code that confines the report's process relies on
        this, too.
        """
        report = self.report
        whole = not (report.queries or self.figures or report.hidden_columns(self.asker.scopes))
        return self.formats == (Format.CSV,) and whole and self.csv.is_postgresqls

    def name_of(self, format_: str, query: FurtherQuery | None = None) -> str:
        """Return the file name of a format, of a format of a further query, or of the archive."""
        packed = ".gz" if format_ == Format.CSV and self.csv.gzip else ""
        of = f"-{query.name}" if query else ""
        return f"{self.file_name or self.report.name}{of}.{format_}{packed}"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A finished file in the scratch folder, which was read back and measured."""

    name: str
    format: str
    """A `Format`, `attachment` for what a Python report adds, or `zip` for the archive of all."""
    path: Path
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    """Data rows, without the header."""
    warnings: Sequence[ReportWarning] = ()
    """Warnings for its readers."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is."""

    phase: str
    rows: int
    """Rows done in this phase."""
    percent: float | None = None
    """Percent of the whole attempt; None if unknown."""
    total_rows: int | None = None
    """All rows of this phase: an estimate while the source is read, exact afterwards."""
    eta_s: float | None = None
    """Seconds to the end at the current pace."""
