"""Between the worker and the report engine. Rendering knows nothing of queues or tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.catalog.model import Format, ReportType
from shared.errors import TodokeError


class ReportError(TodokeError):
    """An attempt could not make its report. `code` is stable and documented; the message is for the client."""

    def __init__(self, code: str, message: str, *, retryable: bool, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Exceptions travel between processes by their arguments, and keyword arguments would be lost."""
        return partial(ReportError, retryable=self.retryable, hint=self.hint), (self.code, str(self))


class RenderCancelled(TodokeError):
    """The caller asked to stop (cancel, lost lease or shutdown); nothing was made."""


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """All that one attempt needs."""

    report: ReportType
    parameters: Mapping[str, object]
    """Validated parameters as stored on the job: JSON values, defaults filled in."""
    formats: tuple[Format, ...]
    source_dsn: str
    """libpq connection string of the report's source. Secret."""
    scratch: Path
    """An empty folder of this attempt; the caller removes it."""
    keep: Path | None = None
    """A folder of this job, which its attempts on this worker share: the extract stays there. None keeps nothing."""
    fonts: Path | None = None
    """A folder of fonts beside the system's."""
    job_id: str = ""
    """For the manifest."""
    bundle: bool = False
    """All files in one archive, too."""
    first_rows: int | None = None
    """As many rows of a Python report type are enough, because it is only tried; None takes all."""


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A finished file in the scratch folder, read back and measured."""

    name: str
    format: str
    """A `Format`, `attachment` for what a Python report adds, or `zip` for all of them."""
    path: Path
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    """Data rows, header excluded."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is."""

    phase: str
    rows: int
    """Rows done in this phase."""
    percent: float | None = None
    """Of the whole attempt; None where nothing can be said."""
    total_rows: int | None = None
    """Rows of this phase: an estimate while the source is read, exact afterwards."""
    eta_s: float | None = None
    """Seconds to the end at the pace so far."""
