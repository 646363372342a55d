"""Applies a client's request to cancel a job."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.viewer import VISIBLE, Viewer


class CancelOutcome(StrEnum):
    """The result of a request to cancel."""

    CANCELLED = "cancelled"
    """The job was waiting: it is CANCELLED now."""
    CANCELLED_BEFORE = "cancelled_before"
    """It had been cancelled before."""
    REQUESTED = "requested"
    """A worker holds it and will learn of the request on its heartbeat; the job may still succeed before."""
    TOO_LATE = "too_late"
    """It had ended in SUCCESS or FAILED."""
    UNKNOWN = "unknown"
    """The viewer may not see such a job, or there is none."""


# `asked` ends a waiting job, or notes the request on a running one. The outer SELECT sees the row as it was before,
# which distinguishes the outcomes. When a concurrent transition changes the row in between, the UPDATE decides again
# on the new version (READ COMMITTED).
_CANCEL = text(f"""
    /* jobs.cancel */
    WITH asked AS (
        UPDATE jobs
           SET status = CASE status WHEN 'PENDING' THEN 'CANCELLED' ELSE status END,
               verb = CASE status WHEN 'PENDING' THEN 'cancel' ELSE verb END,
               finished_at = CASE status WHEN 'PENDING' THEN clock_timestamp() END,
               cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
               version = version + 1, updated_at = clock_timestamp()
         WHERE id = :id AND {VISIBLE} AND finished_at IS NULL
        RETURNING status
    )
    SELECT (SELECT status FROM asked) AS status_now,
           (SELECT status FROM jobs WHERE id = :id AND {VISIBLE}) AS status_before
""")


def cancel(conn: Connection, job_id: UUID, viewer: Viewer) -> CancelOutcome:
    """End a waiting job now, or ask the holder of a running one to stop. Repeating the request is harmless."""
    row = conn.execute(_CANCEL, {"id": job_id, **viewer.where}).one()
    if row.status_now is not None:
        return CancelOutcome.CANCELLED if row.status_now == "CANCELLED" else CancelOutcome.REQUESTED
    if row.status_before is None:
        return CancelOutcome.UNKNOWN
    if row.status_before == "CANCELLED":
        return CancelOutcome.CANCELLED_BEFORE
    # It ended while this statement waited for the row. Its final state decides, so ask once more.
    if row.status_before in {"PENDING", "PROCESSING"}:
        return cancel(conn, job_id, viewer)
    return CancelOutcome.TOO_LATE
