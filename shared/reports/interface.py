"""What the worker and the report engine say to each other. Rendering knows nothing of queues or tables."""

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
        """Keep the keyword arguments: exceptions travel between processes by their positional arguments alone."""
        return partial(ReportError, retryable=self.retryable, hint=self.hint), (self.code, str(self))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt has used. The kernel counted, not the report; processes that outlived it are left out."""

    cpu_s: float
    """Processor time of its process, of what that waited for, and of the chart process for its charts."""
    peak_mb: int
    """The most memory its process held at a time, libraries that it read included."""
    read_bytes: int
    """Text that its source sent, as its process tells."""
    written_bytes: int
    """Files that it made."""

    def as_json(self) -> dict[str, float]:
        """For the job's row and the manifest."""
        return {
            "cpuSeconds": round(self.cpu_s, 3), "peakMemoryMb": self.peak_mb,
            "bytesRead": self.read_bytes, "bytesWritten": self.written_bytes,
        }  # fmt: skip


class RenderCancelled(TodokeError):
    """The caller asked to stop (cancellation, lost lease or shutdown). Nothing was made."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """All that the engine needs for one attempt."""

    report: ReportType
    parameters: Mapping[str, object]
    """The validated parameters as stored on the job: JSON values, defaults filled in."""
    formats: tuple[Format, ...]
    source_dsn: str
    """The URL or libpq connection string of the report's source. Secret."""
    scratch: Path
    """An empty folder of this attempt; the caller removes it."""
    keep: Path | None = None
    """A folder that the job's attempts on this worker share, where the extract stays. None keeps nothing."""
    fonts: Path | None = None
    """A folder of fonts for letters beyond Latin, Greek and Cyrillic, and for templates."""
    shape: Shape = AS_IT_IS
    """How the answer is to look."""
    words: Mapping[str, object] = field(default_factory=dict)
    """Parameters that were asked for in words such as `yesterday`, for the manifest."""
    asker: Asker = NOBODY
    """On whose behalf. A query that compares with the tenant finds no rows for nobody."""
    job_id: str = ""
    """The job's id, for the manifest."""
    file_name: str | None = None
    """The name of the files without extension; None for the report type's."""
    bundle: bool = False
    """True makes an archive of all files as well."""
    preview: bool = False
    """True keeps the first rows, and a picture of a PDF's first page, in the scratch folder beside the files."""
    figures: bool = False
    """True keeps the numbers of `[pdf.figures]` there too, which needs an extract and a query over it."""
    password: str | None = field(default=None, repr=False)
    """Opens the files, which are PDF and XLSX only. Secret."""
    first_rows: int | None = None
    """How many rows of a Python report type are enough, if it is only tried; None takes all."""

    def __post_init__(self) -> None:
        """Make every path absolute: the report's own process leaves the folder in which somebody wrote `catalog`."""
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
        """True if a source that writes CSV itself, as PostgreSQL does, can write all that is asked for: then there is
        no extract, and nothing else is at work. Whoever confines the report's process must know it, too."""
        report = self.report
        whole = not (report.queries or self.figures or report.hidden_columns(self.asker.scopes))
        return self.formats == (Format.CSV,) and whole and self.csv.is_postgresqls

    def name_of(self, format_: str, query: FurtherQuery | None = None) -> str:
        """The name of a format's file, of that of a further query, or of the archive."""
        packed = ".gz" if format_ == Format.CSV and self.csv.gzip else ""
        of = f"-{query.name}" if query else ""
        return f"{self.file_name or self.report.name}{of}.{format_}{packed}"


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A finished file in the scratch folder, which was read back and measured."""

    name: str
    format: str
    """A `Format`, `attachment` for what a Python report adds, or `zip` for all of them."""
    path: Path
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    """Data rows, header excluded."""
    warnings: Sequence[ReportWarning] = ()
    """What its reader should know."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt has come."""

    phase: str
    rows: int
    """Rows done in this phase."""
    percent: float | None = None
    """Percent of the whole attempt; None if it cannot be told."""
    total_rows: int | None = None
    """All rows of this phase: an estimate while the source is read, exact afterwards."""
    eta_s: float | None = None
    """Seconds to the end at the pace so far."""
