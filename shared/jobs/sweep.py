"""Repairs silent jobs: leases that ran out, deadlines that passed, doorbells that were lost.

Any number of sweepers may run at the same time: SKIP LOCKED gives each its own rows, and every statement is one
transaction. The unfinished jobs are walked in slices, so that a pass costs the same whatever the backlog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.failures import FailureCode
from shared.jobs.doorbell import RING
from shared.jobs.gates import paused
from shared.jobs.states import JobStatus
from shared.jobs.unfinished import SLICE
from shared.jobs.walk import START, next_after
from shared.runtime.settings import RING_AFTER_S


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that the sweeper ended."""

    reason: str
    """The code of its error; empty if it was cancelled."""
    report_type: str
    age_s: float
    """Time since it was accepted, or since it was to run."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result of one slice of a walk."""

    swept: Mapping[UUID, JobStatus]
    """Jobs that were changed, and the status each has now."""
    next_after: UUID
    """Where the next slice begins; START after the last one."""
    first: UUID | None = None
    """The oldest unfinished job of the slice."""
    ended: Mapping[UUID, Ended] = field(default_factory=dict)
    """The jobs of `swept` that are final now."""
    locked: Sequence[UUID] = ()
    """Jobs whose lease has run out and whose rows others have locked, perhaps so that nobody could renew the lease."""
    pauses: bool = False
    """True if something is paused: the pause may be over, and waiting to be settled."""
    at: datetime | None = None
    """The database's clock, at the end of the look."""


_MESSAGES = {
    FailureCode.DEADLINE_EXCEEDED: "The job did not end before its deadline.",
    FailureCode.WORKER_LOST: "Workers died or froze while working on this job, more often than allowed.",
    FailureCode.LEASE_EXPIRED: "The worker that held the job died or froze.",
}
_EXPIRE_ERRORS = {
    code.value: json_text.write({"code": code, "message": message, "retryable": code.retryable, "hint": code.remedy})
    for code, message in _MESSAGES.items()
}
"""The new `error` of a job, by the name of the statement's parameter."""


@dataclass(frozen=True, slots=True)
class DoorbellCheck:
    """Whether doorbells of one slice's jobs may be lost."""

    late: bool
    """True when a job waits whose doorbell should have led to a start by now: the doorbell is late, or lost."""
    at: datetime
    """The database's clock, read before anything that the caller does next."""
    heard_until: datetime | None
    """The latest `run_at` among running jobs. Messages are delivered roughly in order, so older ones have arrived or
    are lost. None if no job is running."""
    next_after: UUID
    """Where the next slice begins; START after the last one."""


# The moment with which a deadline is compared: the deadlines of paused jobs stand still.
_SWEPT_AT = f"(CASE WHEN {paused('jobs')} THEN '-infinity' ELSE clock_timestamp() END)"

# `slice` is the next part of the unfinished jobs, `ripe` those of it whose lease or deadline has passed. `silent`
# locks those that are not locked already, and decides: PENDING again, or an end when the client requested one, the
# crash budget is spent or the deadline has passed, so that the time from accepted to final is bounded. `swept` writes
# it; `rung` rings for those that wait again. `locked` are those whose rows others have locked.
_EXPIRE = text(f"""
    /* jobs.expire */
    WITH slice AS MATERIALIZED (
        {SLICE.format(columns="id, status, lease_until, deadline_at, finished_at, tenant, report_type")}
    ), ripe AS MATERIALIZED (
        SELECT id, status FROM slice
         WHERE NOT :spare_leases AND status = 'PROCESSING' AND lease_until < clock_timestamp()
               AND clock_timestamp() <= coalesce(CAST(:believed_until AS timestamptz), 'infinity')
               AND id <> ALL (CAST(CAST(:spared AS text) AS uuid[]))
            OR status = 'PENDING' AND deadline_at < clock_timestamp() AND NOT {paused("slice")}
    ), silent AS MATERIALIZED (
        SELECT id,
               CASE WHEN cancel_requested_at IS NOT NULL THEN 'CANCELLED'
                    WHEN deadline_at < {_SWEPT_AT} OR crashes >= max_crashes THEN 'FAILED'
                    ELSE 'PENDING' END AS status,
               CASE WHEN deadline_at < {_SWEPT_AT} THEN
                         -- why it did not end: what its last try met
                         CASE WHEN error ->> 'code' IS NULL THEN CAST(:deadline_exceeded AS jsonb)
                              ELSE CAST(:deadline_exceeded AS jsonb) || jsonb_build_object(
                                  'message', CAST(:deadline_exceeded AS jsonb) ->> 'message'
                                             || ' Its last try ended with ' || (error ->> 'code')
                                             || ': ' || coalesce(error ->> 'message', ''),
                                  'hint', coalesce(error ->> 'hint', CAST(:deadline_exceeded AS jsonb) ->> 'hint')) END
                    WHEN crashes >= max_crashes THEN CAST(:worker_lost AS jsonb)
                    ELSE CAST(:lease_expired AS jsonb) END AS error
          FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM ripe))
           AND (status = 'PROCESSING' AND lease_until < clock_timestamp()
                OR status = 'PENDING' AND deadline_at < {_SWEPT_AT})
         ORDER BY id FOR UPDATE SKIP LOCKED
    ), swept AS (
        UPDATE jobs
           SET status = v.status, verb = 'expire', version = version + 1, error = v.error, progress = NULL,
               -- a lost worker is not a failed attempt: it is counted apart
               attempt = attempt - (jobs.status = 'PROCESSING' AND v.status = 'PENDING')::int::smallint,
               crashes = crashes + (jobs.status = 'PROCESSING')::int::smallint,
               lease_token = CASE v.status WHEN 'PENDING' THEN NULL ELSE lease_token END,
               worker = CASE v.status WHEN 'PENDING' THEN NULL ELSE worker END,
               lease_until = NULL, rings = 0, run_at = clock_timestamp(),
               next_ring_at = clock_timestamp() + make_interval(secs => :ring_after_s),
               finished_at = CASE v.status WHEN 'PENDING' THEN NULL ELSE clock_timestamp() END,
               updated_at = clock_timestamp()
          FROM silent v
         WHERE jobs.id = v.id
        RETURNING jobs.id, jobs.status, jobs.tenant, jobs.trace_context, jobs.report_type,
                  CASE v.status WHEN 'FAILED' THEN v.error ->> 'code' ELSE '' END AS reason,
                  extract(epoch FROM clock_timestamp() - greatest(jobs.created_at, jobs.scheduled_for))::float8
                      AS age_s
    ), rung AS (
        {RING} FROM swept WHERE status = 'PENDING'
    )
    SELECT swept.id, swept.status, swept.reason, swept.report_type, swept.age_s, ends.upto, ends.seen, ends.first,
           ends.locked, ends.pauses, clock_timestamp() AS at
      FROM (SELECT (SELECT id FROM slice WHERE finished_at IS NULL ORDER BY id LIMIT 1) AS first,
                   (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto,
                   (SELECT count(*) FROM slice) AS seen,
                   ARRAY(SELECT id FROM ripe WHERE status = 'PROCESSING' AND id NOT IN (SELECT id FROM silent)
                         LIMIT 1000) AS locked,
                   (SELECT true FROM pauses LIMIT 1) IS NOT NULL AS pauses) AS ends
      LEFT JOIN swept ON true
""")

_OVERDUE = text(f"""
    /* jobs.overdue */
    SELECT coalesce(bool_or(status = 'PENDING' AND next_ring_at < clock_timestamp()
                            AND NOT EXISTS (SELECT FROM held WHERE job_id = slice.id OFFSET 0)), false) AS late,
           max(run_at) FILTER (WHERE status = 'PROCESSING') AS heard_until,
           clock_timestamp() AS at, count(*) AS seen, (array_agg(id ORDER BY id DESC))[1] AS upto
      FROM ({SLICE.format(columns="id, status, run_at, next_ring_at")}) AS slice
""")

# `slice` is the next part of the unfinished jobs; `quiet` locks those of it whose doorbell is lost, which excludes
# held ones; `rung` records the new ring, each after twice the pause of the last; `sent` rings.
_RING = text(f"""
    /* jobs.ring */
    WITH slice AS MATERIALIZED (
        {SLICE.format(columns="id, status, next_ring_at")}
    ), quiet AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM slice WHERE status = 'PENDING' AND next_ring_at < :heard_until))
           AND status = 'PENDING' AND next_ring_at < :heard_until
           AND NOT EXISTS (SELECT FROM held WHERE job_id = jobs.id OFFSET 0)
         ORDER BY id FOR UPDATE SKIP LOCKED
    ), rung AS (
        UPDATE jobs
           SET rings = least(rings + 1, 20),
               next_ring_at = clock_timestamp() + make_interval(secs => least(:ring_after_s * 2 ^ rings, :ring_cap_s))
         WHERE id = ANY (ARRAY(SELECT id FROM quiet))
        RETURNING id, status, tenant, trace_context
    ), sent AS (
        {RING} FROM rung
    )
    SELECT rung.id, rung.status, ends.upto, ends.seen
      FROM (SELECT (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto,
                   (SELECT count(*) FROM slice) AS seen) AS ends
      LEFT JOIN rung ON true
""")


def expire(
    conn: Connection,
    *,
    after: UUID = START,
    slice_size: int = 10_000,
    ring_after_s: float = RING_AFTER_S,
    spare_leases: bool = False,
    spared: Sequence[UUID] = (),
    believed_until: datetime | None = None,
) -> Sweep:
    """Free or end those of the next `slice_size` unfinished jobs whose lease or deadline has passed.

    With `spare_leases`, only jobs that nobody holds: after an outage, live workers renew first. `spared` are left
    alone. So is every lease once the database's clock is beyond `believed_until`: then the process was frozen in
    between, or the clock was set.
    """
    asked = {"after": after, "slice": slice_size, "ring_after_s": ring_after_s, "spare_leases": spare_leases}
    asked |= {"spared": f"{{{','.join(map(str, spared))}}}", "believed_until": believed_until, **_EXPIRE_ERRORS}
    rows = conn.execute(_EXPIRE, asked).all()
    walk = _sweep(rows, slice_size)
    ended = {
        row.id: Ended(row.reason, row.report_type, row.age_s)
        for row in rows
        if row.id is not None and walk.swept[row.id].final
    }
    return replace(walk, ended=ended, first=rows[0].first, locked=rows[0].locked, pauses=rows[0].pauses, at=rows[0].at)


def overdue(conn: Connection, *, after: UUID = START, slice_size: int = 10_000) -> DoorbellCheck:
    """Return whether doorbells of the next `slice_size` unfinished jobs may be lost. Writes nothing."""
    row = conn.execute(_OVERDUE, {"after": after, "slice": slice_size}).one()
    return DoorbellCheck(row.late, row.at, row.heard_until, next_after(row.upto, row.seen, slice_size))


def ring(
    conn: Connection,
    *,
    heard_until: datetime,
    after: UUID = START,
    slice_size: int = 10_000,
    ring_after_s: float = RING_AFTER_S,
    ring_cap_s: float = 3600,
) -> Sweep:
    """Ring again for those waiting jobs whose doorbell was overdue at `heard_until`, by the database's clock.

    Doorbells from before that moment have arrived, so theirs are lost. In a deep backlog every job is late and none is
    lost: nothing is rung. The pause between rings of a job doubles each time, up to `ring_cap_s`.
    """
    asked = {"after": after, "slice": slice_size, "heard_until": heard_until}
    rows = conn.execute(_RING, {**asked, "ring_after_s": ring_after_s, "ring_cap_s": ring_cap_s})
    return _sweep(rows.all(), slice_size)


def _sweep(rows: Sequence[Any], slice_size: int) -> Sweep:
    ends = rows[0]
    return Sweep(
        swept={row.id: JobStatus(row.status) for row in rows if row.id is not None},
        next_after=next_after(ends.upto, ends.seen, slice_size),
    )
