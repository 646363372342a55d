"""Takes jobs and keeps them: `start` and `renew`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs.gates import capped, paused
from shared.jobs.states import FINAL, JobStatus


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to finish one attempt, while `token` is the job's current one."""

    job_id: UUID
    token: UUID


class StartedJob(NamedTuple):
    """A job that the caller now holds."""

    lease: Lease
    tenant: str
    report_type: str
    report_version: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    attempt: int
    """1 for the first try."""
    max_attempts: int
    seconds_left: float
    """Time until the job's deadline."""
    seconds_waited: float
    """Time since the job could first have been started."""
    trace_context: str | None
    seconds_since_accepted: float = 0.0
    requester: str | None = None
    scopes: Sequence[str] | None = None
    file_name: str | None = None
    """The name of its files without extension; None for the report type's."""
    options: Mapping[str, Any] | None = None
    """The client's options besides the parameters; None if there are none."""


@dataclass(frozen=True, slots=True)
class StartResult:
    """What happened to each id of one `start`. Every id is in exactly one field."""

    started: Sequence[StartedJob]
    final: frozenset[UUID]
    """Ended already: a late copy of the doorbell."""
    busy: frozenset[UUID]
    """Another worker's lease is current, or its crash budget is spent and the sweeper will end it."""
    not_due: frozenset[UUID]
    """Waiting for its next try, for which another doorbell will ring."""
    contended: frozenset[UUID]
    """Locked by another transaction at this moment, or spared because `take_over` was off: look again shortly."""
    unknown: frozenset[UUID]
    """No such job."""
    gated: frozenset[UUID] = frozenset()
    """Waiting and due, but under a gate that is paused or capped: `admission.admit` decides about it."""


TAKE = """
        UPDATE jobs
           SET status = 'PROCESSING', verb = 'start', version = version + 1,
               attempt = attempt + (status = 'PENDING')::int::smallint,
               crashes = crashes + (status = 'PROCESSING')::int::smallint,
               lease_token = gen_random_uuid(),
               lease_until = clock_timestamp() + make_interval(secs => :lease_s),
               worker = :worker, progress = NULL,
               started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp()
         WHERE {which}
        RETURNING id, lease_token, tenant, report_type, report_version, parameters, formats, attempt, max_attempts,
                  extract(epoch FROM deadline_at - clock_timestamp())::float8 AS seconds_left,
                  extract(epoch FROM clock_timestamp() - run_at)::float8 AS seconds_waited,
                  trace_context,
                  extract(epoch FROM clock_timestamp() - greatest(created_at, scheduled_for))::float8
                      AS seconds_since_accepted,
                  requester, scopes, file_name, options
"""
"""An SQL fragment that takes the jobs `which`, each under a fresh token, and returns what `started_job` reads."""

_GATED = f"({paused('jobs')} OR {capped('jobs')})"

# `asked` is the batch. `free` locks those of it that may be started; SKIP LOCKED, because two workers with overlapping
# batches must not deadlock. `started` takes them. `other` shows the jobs that were not taken as they were before this
# statement. Paused and capped jobs are skipped and reported: `admission.admit` deals with them.
_START = text(f"""
    /* jobs.start */
    WITH asked AS MATERIALIZED (
        SELECT unnest(CAST(CAST(:ids AS text) AS uuid[])) AS id
    ), free AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM asked))
           AND (status = 'PENDING' AND run_at <= clock_timestamp()
                OR :take_over AND status = 'PROCESSING' AND lease_until < clock_timestamp() AND crashes < max_crashes
                   AND cancel_requested_at IS NULL)
           AND deadline_at > clock_timestamp() AND NOT {_GATED}
           FOR UPDATE SKIP LOCKED
    ), started AS ({TAKE.format(which="id = ANY (ARRAY(SELECT id FROM free))")})
    SELECT CASE WHEN started.id IS NULL THEN asked.id END, other.status, other.due, other.gated, started.*
      FROM asked
      LEFT JOIN started ON started.id = asked.id
      LEFT JOIN LATERAL (
          SELECT status, CASE status WHEN 'PENDING' THEN run_at <= clock_timestamp() AND deadline_at > clock_timestamp()
                                     ELSE NOT :take_over AND lease_until < clock_timestamp() AND crashes < max_crashes
                                          AND cancel_requested_at IS NULL AND deadline_at > clock_timestamp()
                         END AS due,
                 status = 'PENDING' AND run_at <= clock_timestamp() AND {_GATED} AS gated
            FROM jobs WHERE id = asked.id AND started.id IS NULL
          OFFSET 0  -- or the planner would look every job up, and throw away what it found for those that started
      ) AS other ON true
""")


def started_job(row: Sequence[Any]) -> StartedJob:
    """Return the job of a row that TAKE returned."""
    job_id, token, *about = row
    return StartedJob(Lease(job_id, token), *about)


def start(conn: Connection, ids: Sequence[UUID], *, worker: str, lease_s: float, take_over: bool = True) -> StartResult:
    """Take every job of `ids` that is waiting and due, or whose holder's lease has run out, each under a fresh token.

    One statement for the whole batch. A job that is not taken is not an error: the result says why. Without
    `take_over`, leases that have run out are spared: after an outage their holders renew them first.
    """
    # The array as a text, made from JSON: psycopg takes longer to write one than the rest of this function.
    asked = f"{{{json_text.write(list(set(ids)))[1:-1]}}}"
    rows = conn.execute(_START, {"ids": asked, "worker": worker, "lease_s": lease_s, "take_over": take_over}).all()
    places: dict[str, set[UUID]] = {
        name: set() for name in ("final", "busy", "not_due", "contended", "unknown", "gated")
    }
    started = []
    for other_id, status_before, due, gated, *taken in rows:
        if other_id is None:
            started.append(started_job(taken))
        else:
            places["gated" if gated else _place(status_before, due)].add(other_id)
    return StartResult(started=started, **{name: frozenset(found) for name, found in places.items()})


def _place(status_before: str | None, due: bool | None) -> str:
    if status_before is None:
        return "unknown"
    if status_before in FINAL:
        return "final"
    if status_before == JobStatus.PROCESSING:
        return "contended" if due else "busy"
    return "contended" if due else "not_due"


@dataclass(frozen=True, slots=True)
class Beat:
    """One lease to renew, with the progress to write, if it changed."""

    lease: Lease
    progress: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """What happened to the leases of one `renew`. A lease in no set was simply renewed."""

    lost: frozenset[Lease]
    """Another worker holds these jobs, or they have ended: stop working on them."""
    cancel_requested: frozenset[Lease]
    """The caller still holds these jobs, and the client wants them stopped."""
    skipped: frozenset[Lease] = frozenset()
    """Not renewed this time, because another transaction has locked the row. As far as one can see, the caller still
    holds them."""


# `free` locks the rows that are not locked already, so that a row locked by another transaction delays no other lease.
# `seen` distinguishes a skipped row from a lost lease: it shows the row as it was before this statement.
_RENEW = text("""
    /* jobs.renew */
    WITH beat AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:beats AS jsonb)) AS beat(id uuid, token uuid, progress jsonb)
    ), free AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM beat)) AND status = 'PROCESSING'
           FOR NO KEY UPDATE SKIP LOCKED
    ), renewed AS (
        UPDATE jobs
           SET lease_until = clock_timestamp() + make_interval(secs => :lease_s),
               progress = coalesce(beat.progress, jobs.progress),
               version = version + (beat.progress IS NOT NULL)::int,
               -- clients see it, so it changes with the version only
               updated_at = CASE WHEN beat.progress IS NULL THEN updated_at ELSE clock_timestamp() END
          FROM beat
         WHERE jobs.id = beat.id AND jobs.id = ANY (ARRAY(SELECT id FROM free))
           AND jobs.status = 'PROCESSING' AND jobs.lease_token = beat.token
        RETURNING beat.token, jobs.cancel_requested_at IS NOT NULL AS cancel_requested
    )
    SELECT beat.id, beat.token AS lease_token, renewed.cancel_requested,
           CASE WHEN renewed.token IS NOT NULL THEN 'renewed' WHEN seen.held THEN 'skipped' ELSE 'lost' END AS fate
      FROM beat
      LEFT JOIN renewed ON renewed.token = beat.token
      LEFT JOIN LATERAL (
          SELECT status = 'PROCESSING' AND lease_token = beat.token AS held
            FROM jobs WHERE id = beat.id AND renewed.token IS NULL
          OFFSET 0  -- or every job would be looked up
      ) AS seen ON true
""")


def renew(conn: Connection, beats: Sequence[Beat], *, lease_s: float) -> Renewal:
    """Extend all leases to `lease_s` seconds from now, in one statement; learn which are lost or to be cancelled.

    It waits for no row that another transaction has locked.
    """
    asked = [{"id": b.lease.job_id, "token": b.lease.token, "progress": b.progress} for b in beats]
    rows = conn.execute(_RENEW, {"beats": json_text.write(asked), "lease_s": lease_s}).all()
    fates: dict[str, set[Lease]] = {"renewed": set(), "skipped": set(), "lost": set()}
    for row in rows:
        fates[row.fate].add(Lease(row.id, row.lease_token))
    return Renewal(
        lost=frozenset(fates["lost"]),
        skipped=frozenset(fates["skipped"]),
        cancel_requested=frozenset(Lease(row.id, row.lease_token) for row in rows if row.cancel_requested),
    )
