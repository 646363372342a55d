"""Which jobs are selected: conditions on a row of `jobs`, and the range of ids in which they must lie."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared import json_text
from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer

MATCHES = """(CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
           AND (CAST(:report_type AS text) IS NULL OR report_type = :report_type)
           AND (CAST(:labels AS jsonb) IS NULL OR labels @> CAST(:labels AS jsonb))
           AND (CAST(:created_after AS timestamptz) IS NULL OR created_at >= CAST(:created_after AS timestamptz))
           AND (CAST(:created_before AS timestamptz) IS NULL OR created_at < CAST(:created_before AS timestamptz))
           AND (CAST(:error_code AS text) IS NULL OR status = 'FAILED' AND error ->> 'code' = :error_code)
           AND (CAST(:retry_of AS uuid) IS NULL OR retry_of = CAST(:retry_of AS uuid))
           AND (CAST(:schedule AS uuid) IS NULL OR schedule_id = CAST(:schedule AS uuid))
           AND (CAST(:took_s AS float8) IS NULL OR status <> 'PENDING'
                AND coalesce(finished_at, clock_timestamp()) - started_at >= make_interval(secs => :took_s))"""
"""A condition on a row of `jobs`. Its parameters are `JobFilter.where`."""

OLDEST, NEWEST = UUID(int=0), UUID(int=2**128 - 1)
_MOMENTS, _IDS = ("created_after", "created_before"), ("retry_of", "bulk", "schedule")
SLACK_S = 60.0
"""How far the time in an id, from the API's clock, may be from `created_at`, by the database's clock."""


class JobFilter(NamedTuple):
    """Which jobs are selected. A field that is None, or empty, excludes none."""

    statuses: Sequence[JobStatus] | None = None
    report_type: str | None = None
    labels: Mapping[str, str] | None = None
    """A job must have all of them."""
    created_after: datetime | None = None
    """Created at this time or later."""
    created_before: datetime | None = None
    """Created before this time."""
    requester: str | None = None
    error_code: str | None = None
    """Failed with this code."""
    retry_of: UUID | None = None
    bulk: UUID | None = None
    """Handled by this bulk action."""
    schedule: UUID | None = None
    id_begins: str | None = None
    """Lower-case hexadecimal digits with which the id begins. That is a range of ids, and so not a condition in
    MATCHES."""
    took_s: int | None = None
    """Least duration in seconds from the start to the end, or until now while the job runs."""

    @property
    def where(self) -> Mapping[str, object]:
        """The parameters of MATCHES."""
        return {
            "statuses": None if self.statuses is None else [str(s) for s in self.statuses],
            "report_type": self.report_type,
            "labels": json_text.write(self.labels) if self.labels else None,
            "created_after": self.created_after,
            "created_before": self.created_before,
            "error_code": self.error_code,
            "retry_of": self.retry_of,
            "bulk_id": self.bulk,
            "schedule": self.schedule,
            "took_s": self.took_s,
        }

    @property
    def stored(self) -> Mapping[str, object]:
        """What a row stores of it: every field that excludes some jobs, by its name here."""
        given = {name: value for name, value in self._asdict().items() if value not in (None, [], {})}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> "JobFilter":
        """Return the filter that was stored."""
        moments = {name: datetime.fromisoformat(stored[name]) for name in _MOMENTS if name in stored}
        ids = {name: UUID(stored[name]) for name in _IDS if name in stored}
        return cls(**{**stored, **moments, **ids})

    def within(self, viewer: Viewer) -> Viewer | None:
        """Return a viewer that sees no more than these jobs; None if the viewer sees none of them."""
        if self.requester is None:
            return viewer
        if viewer.requester not in (None, self.requester):
            return None
        return viewer._replace(requester=self.requester)

    @property
    def narrows(self) -> bool:
        """True if it excludes jobs of its requester."""
        return any(value is not None for value in self.where.values())

    @property
    def between(self) -> tuple[UUID, UUID]:
        """The range of these jobs' ids: at least the first, and less than the second."""
        oldest = OLDEST if self.created_after is None else id_at(self.created_after.timestamp() - SLACK_S)
        before = NEWEST if self.created_before is None else id_at(self.created_before.timestamp() + SLACK_S)
        if self.id_begins is not None:
            oldest = max(oldest, UUID(int=int(self.id_begins.ljust(32, "0"), 16)))
            before = min(before, UUID(int=min(NEWEST.int, int(self.id_begins.ljust(32, "f"), 16) + 1)))
        return oldest, before


def id_at(seconds: float) -> UUID:
    """Return the least UUID version 7 of that moment."""
    return UUID(int=min(max(0, int(seconds * 1000)), 2**48 - 1) << 80)
