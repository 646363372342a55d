"""Which jobs are meant: conditions on a row of `jobs`, and the part of time in which its id must lie."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared import json_text
from shared.jobs.states import JobStatus

MATCHES = """(CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
           AND (CAST(:report_type AS text) IS NULL OR report_type = :report_type)
           AND (CAST(:labels AS jsonb) IS NULL OR labels @> CAST(:labels AS jsonb))
           AND (CAST(:created_after AS timestamptz) IS NULL OR created_at >= CAST(:created_after AS timestamptz))
           AND (CAST(:created_before AS timestamptz) IS NULL OR created_at < CAST(:created_before AS timestamptz))
           AND (CAST(:error_code AS text) IS NULL OR status = 'FAILED' AND error ->> 'code' = :error_code)
           AND (CAST(:retry_of AS uuid) IS NULL OR retry_of = CAST(:retry_of AS uuid))"""
"""A condition on a row of `jobs`. Its parameters are `JobFilter.where`."""

OLDEST, NEWEST = UUID(int=0), UUID(int=2**128 - 1)
_SLACK_S = 60.0
"""An id has the time of the API's clock, and `created_at` that of the database: how far the two may be apart."""


class JobFilter(NamedTuple):
    """Which jobs. What is None, or empty, leaves out none."""

    statuses: Sequence[JobStatus] | None = None
    report_type: str | None = None
    labels: Mapping[str, str] | None = None
    """Each of them."""
    created_after: datetime | None = None
    """Created then or later."""
    created_before: datetime | None = None
    """Created earlier."""
    requester: str | None = None
    error_code: str | None = None
    """Failed with this code."""
    retry_of: UUID | None = None

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
        }

    @property
    def narrows(self) -> bool:
        """True if it leaves out jobs of its requester."""
        return any(value is not None for value in self.where.values())

    @property
    def between(self) -> tuple[UUID, UUID]:
        """Two ids between which the ids of all these jobs are."""
        after = OLDEST if self.created_after is None else _id_at(self.created_after.timestamp() - _SLACK_S)
        before = NEWEST if self.created_before is None else _id_at(self.created_before.timestamp() + _SLACK_S)
        return after, before


def _id_at(seconds: float) -> UUID:
    """The least UUID version 7 of that moment."""
    return UUID(int=min(max(0, int(seconds * 1000)), 2**48 - 1) << 80)
