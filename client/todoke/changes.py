"""A job's entry in a stream of many jobs."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from todoke.reading import Fields
from todoke.results import Progress, Raw


@dataclass(frozen=True, slots=True)
class JobInShort:
    """A job as `jobs.changes` yields it. `jobs.get` returns the rest."""

    id: str
    version: int
    """Grows with each change."""
    status: str
    report_type: str
    requested_by: str | None
    attempt: int
    progress: Progress | None
    error_code: str | None
    created_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """True if nothing will change any more."""
        return self.finished_at is not None

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a job in short")
        progress = read.inner("progress")
        return cls(
            id=read.text("jobId"),
            version=read.integer("version"),
            status=read.text("status"),
            report_type=read.some_text("reportType"),
            requested_by=read.maybe_text("requestedBy"),
            attempt=read.integer("attempt"),
            progress=Progress.read(progress) if progress else None,
            error_code=read.maybe_text("errorCode"),
            created_at=read.time("createdAt"),
            updated_at=read.time("updatedAt"),
            finished_at=read.time("finishedAt"),
            raw=read.raw,
        )
