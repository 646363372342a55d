"""Ends attempts. Every statement is a compare-and-set on the lease token: whoever lost the lease changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from shared import json_text
from shared.database.sqlstates import LOCK_NOT_AVAILABLE
from shared.jobs.artifacts import Artifact
from shared.jobs.doorbell import RING, RING_LATER
from shared.jobs.lease import Lease
from shared.jobs.states import JobStatus
from shared.runtime.settings import RING_AFTER_S

Outcomes = Mapping[UUID, JobStatus]
"""Lease token → the status the job has now. A token that is absent had lost its lease: nothing was written for it.

PROCESSING: nothing was written this time, because somebody else has locked the job's row. Try again.
"""


class Success(NamedTuple):
    """An attempt that made its report."""

    lease: Lease
    artifacts: Sequence[Artifact]
    seconds: float
    """Time that the attempt worked."""
    answer: Mapping[str, object] | None = None
    """The answer of a report type without files; None for one that makes files."""
    location: str | None = None
    """The URI of the folder that holds its files; it ends in a slash."""
    warnings: Sequence[Mapping[str, object]] = ()
    """What the readers of its files should know, as JSON objects with `code`, `message` and more."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that did not make its report."""

    lease: Lease
    code: str
    message: str
    retryable: bool
    delay_s: float
    """Pause before the next attempt, if there is one."""
    hint: str = ""
    headers: str | None = None
    """The headers of the next attempt's doorbell; the job's trace context unless given."""


class Cause(NamedTuple):
    """Why a worker gave a job back: it stands in the job's error until the job goes on."""

    code: str
    message: str
    hint: str


class GivenBack(NamedTuple):
    """An attempt that stopped because its worker is leaving, or cannot work. It is not charged."""

    lease: Lease
    cause: Cause | None = None
    """Why the worker cannot work; None if it is leaving."""
    headers: str | None = None
    """The headers of the next attempt's doorbell; the job's trace context unless given."""


# `own` is the batch. `free` locks those of its rows that can be had, so that a row that somebody else has locked harms
# no other job.
_OWN = """own AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:outcomes AS jsonb)) AS own({columns})
    )"""
_OWN_FREE = (
    _OWN
    + """, free AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM own)) AND status = 'PROCESSING'
           FOR NO KEY UPDATE SKIP LOCKED
    )"""
)
_IS_OWN = """jobs.id = own.id AND jobs.id = ANY (ARRAY(SELECT id FROM free))
           AND jobs.status = 'PROCESSING' AND jobs.lease_token = own.token"""
# What was written, and which leases of the others were the current ones before this statement: their rows were locked.
_TOLD = """SELECT own.token AS lease_token, coalesce({written}.status, seen.status) AS status
      FROM own
      LEFT JOIN {written} ON {written}.token = own.token
      LEFT JOIN LATERAL (
          SELECT status, lease_token, cancel_requested_at FROM jobs WHERE id = own.id AND {written}.token IS NULL
          OFFSET 0  -- or every job would be looked up
      ) AS seen ON true
     WHERE {written}.token IS NOT NULL OR seen.status = 'PROCESSING' AND seen.lease_token = own.token"""


# `done` ends each job whose lease is still the current one; `published` lists its files.
_SUCCEED = """
    /* jobs.succeed */
    WITH {own}, done AS (
        UPDATE jobs
           SET status = 'SUCCESS', verb = 'succeed', version = version + 1, result = own.result, error = NULL,
               progress = NULL, lease_until = NULL, finished_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM own
         WHERE {is_own}
        RETURNING jobs.id, own.token, jobs.status, own.artifacts
    ), published AS (
        INSERT INTO artifacts (job_id, lease_token, name, format, media_type, size_bytes, sha256, rows)
        SELECT done.id, done.token, a.*
          FROM done, jsonb_to_recordset(done.artifacts)
               AS a(name text, format text, media_type text, size_bytes bigint, sha256 text, rows bigint)
         WHERE done.artifacts IS NOT NULL
    )
    {told}
"""
_SUCCESSES = "id uuid, token uuid, result jsonb, artifacts jsonb"
_SUCCEED_FREE = text(
    _SUCCEED.format(own=_OWN_FREE.format(columns=_SUCCESSES), is_own=_IS_OWN, told=_TOLD.format(written="done"))
)
# A lock of its own costs each job 56 bytes of WAL (`python -m tests.benchmarks.wal`). Almost never has somebody else
# locked a row, so the usual statement takes none, and waits a moment for the rows that it meets locked.
_SUCCEED_SOON = text(
    _SUCCEED.format(
        own=_OWN.format(columns=_SUCCESSES),
        is_own="""(SELECT set_config('lock_timeout', '200ms', true)) IS NOT NULL
           AND jobs.id = own.id AND jobs.id = ANY (ARRAY(SELECT id FROM own))
           AND jobs.status = 'PROCESSING' AND jobs.lease_token = own.token""",
        told=_TOLD.format(written="done"),
    )
)

# `verdict` decides how each attempt ends: a client's wish to cancel outranks another try, but not a failure that is
# final anyway. `ended` writes it. `rung` rings for those that are tried again, when they are due: `due_at` is what the
# relay waits for, and equals `run_at`, before which no `start` takes the job.
_FAIL = text(f"""
    /* jobs.fail */
    WITH {_OWN.format(columns="id uuid, token uuid, error jsonb, retryable boolean, delay_s float8, headers text")},
    verdict AS MATERIALIZED (
        SELECT own.*,
               CASE WHEN own.retryable AND j.cancel_requested_at IS NOT NULL THEN 'cancel'
                    WHEN own.retryable AND j.attempt < j.max_attempts
                         AND j.deadline_at > clock_timestamp() + make_interval(secs => own.delay_s) THEN 'retry'
                    ELSE 'fail' END AS verb,
               clock_timestamp() + make_interval(secs => own.delay_s) AS due_at
          FROM own
          JOIN jobs j ON j.id = own.id AND j.status = 'PROCESSING' AND j.lease_token = own.token
           FOR NO KEY UPDATE OF j SKIP LOCKED
    ), ended AS (
        UPDATE jobs
           SET status = CASE v.verb WHEN 'cancel' THEN 'CANCELLED' WHEN 'retry' THEN 'PENDING' ELSE 'FAILED' END,
               verb = v.verb, version = version + 1, error = v.error, progress = NULL, lease_until = NULL,
               lease_token = CASE v.verb WHEN 'retry' THEN NULL ELSE lease_token END,
               worker = CASE v.verb WHEN 'retry' THEN NULL ELSE worker END,
               run_at = CASE v.verb WHEN 'retry' THEN v.due_at ELSE run_at END,
               next_ring_at = CASE v.verb WHEN 'retry' THEN v.due_at + make_interval(secs => :ring_after_s)
                                          ELSE next_ring_at END,
               rings = 0,
               finished_at = CASE v.verb WHEN 'retry' THEN NULL ELSE clock_timestamp() END,
               updated_at = clock_timestamp()
          FROM verdict v
         WHERE jobs.id = v.id AND jobs.status = 'PROCESSING' AND jobs.lease_token = v.token
        RETURNING v.token, jobs.id, jobs.status, jobs.tenant, coalesce(v.headers, jobs.trace_context) AS headers,
                  v.due_at
    ), rung AS (
        {RING_LATER} FROM ended WHERE status = 'PENDING'
    )
    {_TOLD.format(written="ended")}
""")

_CANCEL_HELD = text(f"""
    /* jobs.cancel_held */
    WITH {_OWN_FREE.format(columns="id uuid, token uuid")}, cancelled AS (
        UPDATE jobs
           SET status = 'CANCELLED', verb = 'cancel', version = version + 1, progress = NULL, lease_until = NULL,
               finished_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM own
         WHERE {_IS_OWN} AND jobs.cancel_requested_at IS NOT NULL
        RETURNING own.token, jobs.status
    )
    {_TOLD.format(written="cancelled")} AND seen.cancel_requested_at IS NOT NULL
""")

# `given` returns each job, or cancels it if the client has asked meanwhile; `rung` rings for those that wait again.
_GIVE_BACK = text(f"""
    /* jobs.give_back */
    WITH {_OWN_FREE.format(columns="id uuid, token uuid, error jsonb, headers text")}, given AS (
        UPDATE jobs
           SET status = CASE WHEN cancel_requested_at IS NULL THEN 'PENDING' ELSE 'CANCELLED' END,
               verb = CASE WHEN cancel_requested_at IS NULL THEN 'give_back' ELSE 'cancel' END,
               version = version + 1, attempt = attempt - 1, progress = NULL, error = coalesce(own.error, jobs.error),
               lease_token = NULL, lease_until = NULL, worker = NULL, rings = 0,
               run_at = clock_timestamp(), next_ring_at = clock_timestamp() + make_interval(secs => :ring_after_s),
               finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE clock_timestamp() END,
               updated_at = clock_timestamp()
          FROM own
         WHERE {_IS_OWN}
        RETURNING own.token, jobs.id, jobs.status, jobs.tenant,
                  coalesce(own.headers, jobs.trace_context) AS trace_context
    ), rung AS (
        {RING} FROM given WHERE status = 'PENDING'
    )
    {_TOLD.format(written="given")}
""")


def succeed(conn: Connection, successes: Sequence[Success], *, some_locked: bool = False) -> Outcomes:
    """Publish each attempt's artifacts and end its job, if its lease is still the current one.

    `some_locked` says that rows of these jobs were locked by somebody else lately: no time is lost in waiting for them.
    """
    rows = [_success_row(s) for s in successes]
    if not some_locked:
        try:
            return _end(conn, _SUCCEED_SOON, rows)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
    return _end(conn, _SUCCEED_FREE, rows)


def fail(conn: Connection, failures: Sequence[Failure], *, ring_after_s: float = RING_AFTER_S) -> Outcomes:
    """End each attempt: its job is PENDING again, with a doorbell due in `delay_s`, while budget and deadline allow.

    Otherwise the job is FAILED. A retryable failure of a job that the client wants cancelled makes it CANCELLED.
    """
    return _end(conn, _FAIL, [_failure_row(f) for f in failures], ring_after_s=ring_after_s)


def cancel_held(conn: Connection, leases: Sequence[Lease]) -> Outcomes:
    """End jobs whose cancellation the heartbeat has learned of."""
    return _end(conn, _CANCEL_HELD, [_lease_row(lease) for lease in leases])


def give_back(conn: Connection, returned: Sequence[GivenBack], *, ring_after_s: float = RING_AFTER_S) -> Outcomes:
    """Return unfinished jobs to PENDING with a new doorbell; CANCELLED if the client has asked for that meanwhile."""
    rows = [{**_lease_row(each.lease), "error": _cause_error(each.cause), "headers": each.headers} for each in returned]
    return _end(conn, _GIVE_BACK, rows, ring_after_s=ring_after_s)


def _end(conn: Connection, statement: TextClause, rows: Sequence[Mapping[str, object]], **more: object) -> Outcomes:
    ended = conn.execute(statement, {"outcomes": json_text.write(rows), **more})
    return {row.lease_token: JobStatus(row.status) for row in ended}


def _lease_row(lease: Lease) -> dict[str, Any]:
    return {"id": lease.job_id, "token": lease.token}


def _success_row(success: Success) -> dict[str, Any]:
    files = [
        {
            "name": a.name,
            "format": a.format,
            "media_type": a.media_type,
            "size_bytes": a.size_bytes,
            "sha256": a.sha256,
            "rows": a.rows,
        }
        for a in success.artifacts
    ]
    result: dict[str, object] = {"seconds": round(success.seconds, 3)}
    if success.location is not None and files:
        # For whoever looks at the table: clients are told links, which are checked and expire.
        result |= {"location": success.location, "uri": f"{success.location}{quote(success.artifacts[0].name)}"}
    if success.warnings:
        result["warnings"] = list(success.warnings)
    if success.answer is not None:
        result["answer"] = success.answer
    return {**_lease_row(success.lease), "result": result, "artifacts": files or None}


def _failure_row(failure: Failure) -> dict[str, Any]:
    error = {
        "code": failure.code,
        "message": _storable(failure.message),
        "retryable": failure.retryable,
        "hint": _storable(failure.hint),
    }
    return {
        **_lease_row(failure.lease),
        "error": error,
        "retryable": failure.retryable,
        "delay_s": failure.delay_s,
        "headers": failure.headers,
    }


def _cause_error(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    message, hint = _storable(cause.message), _storable(cause.hint)
    return {"code": cause.code, "message": message, "retryable": True, "hint": hint}


def _storable(text: str) -> str:
    """PostgreSQL's jsonb refuses U+0000 and lone surrogates, and a message may quote hostile data."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()
