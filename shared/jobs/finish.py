"""Ends attempts that made no report, by compare-and-set on the lease token: a holder that has lost its lease changes
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs.attempt_end import IS_OWN, OWN, OWN_FREE, TOLD, Outcomes, lease_row, write
from shared.jobs.doorbell import RING, RING_LATER
from shared.jobs.gates import paused
from shared.jobs.lease import Lease
from shared.runtime.settings import RING_AFTER_S


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
    cost: Mapping[str, float] | None = None
    """What it used, as far as that is known."""


class Cause(NamedTuple):
    """Why a worker gave a job back. It is shown as the job's error until the job is started again."""

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


# `verdict` decides how each attempt ends: a client's request to cancel takes precedence over another try, but not over
# a failure that is final anyway. `ended` writes it. `rung` rings for jobs that are retried, when they are due:
# `due_at` is what the relay waits for, and equals `run_at`, before which no `start` takes the job.
_FAIL = text(f"""
    /* jobs.fail */
    WITH {OWN.format(columns="id uuid, token uuid, error jsonb, retryable boolean, delay_s float8, headers text")},
    verdict AS MATERIALIZED (
        SELECT own.*,
               CASE WHEN own.retryable AND j.cancel_requested_at IS NOT NULL THEN 'cancel'
                    WHEN own.retryable AND j.attempt < j.max_attempts
                         AND (j.deadline_at > clock_timestamp() + make_interval(secs => own.delay_s)
                              OR {paused("j")}) THEN 'retry'
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
    {TOLD.format(written="ended")}
""")

_CANCEL_HELD = text(f"""
    /* jobs.cancel_held */
    WITH {OWN_FREE.format(columns="id uuid, token uuid")}, cancelled AS (
        UPDATE jobs
           SET status = 'CANCELLED', verb = 'cancel', version = version + 1, progress = NULL, lease_until = NULL,
               finished_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM own
         WHERE {IS_OWN} AND jobs.cancel_requested_at IS NOT NULL
        RETURNING own.token, jobs.status
    )
    {TOLD.format(written="cancelled")} AND seen.cancel_requested_at IS NOT NULL
""")

# `given` returns each job, or cancels it if the client has requested that meanwhile; `rung` rings for those that wait
# again.
_GIVE_BACK = text(f"""
    /* jobs.give_back */
    WITH {OWN_FREE.format(columns="id uuid, token uuid, error jsonb, headers text")}, given AS (
        UPDATE jobs
           SET status = CASE WHEN cancel_requested_at IS NULL THEN 'PENDING' ELSE 'CANCELLED' END,
               verb = CASE WHEN cancel_requested_at IS NULL THEN 'give_back' ELSE 'cancel' END,
               version = version + 1, attempt = attempt - 1, progress = NULL, error = coalesce(own.error, jobs.error),
               lease_token = NULL, lease_until = NULL, worker = NULL, rings = 0,
               run_at = clock_timestamp(), next_ring_at = clock_timestamp() + make_interval(secs => :ring_after_s),
               finished_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE clock_timestamp() END,
               updated_at = clock_timestamp()
          FROM own
         WHERE {IS_OWN}
        RETURNING own.token, jobs.id, jobs.status, jobs.tenant,
                  coalesce(own.headers, jobs.trace_context) AS trace_context
    ), rung AS (
        {RING} FROM given WHERE status = 'PENDING'
    )
    {TOLD.format(written="given")}
""")


def fail(conn: Connection, failures: Sequence[Failure], *, ring_after_s: float = RING_AFTER_S) -> Outcomes:
    """End each attempt: its job is PENDING again, with a doorbell due in `delay_s`, while budget and deadline allow.

    Otherwise the job is FAILED. After a retryable failure, a job whose cancellation was requested is CANCELLED.
    """
    return write(conn, _FAIL, [_failure_row(f) for f in failures], ring_after_s=ring_after_s)


def cancel_held(conn: Connection, leases: Sequence[Lease]) -> Outcomes:
    """End jobs whose cancellation the heartbeat has learned of."""
    return write(conn, _CANCEL_HELD, [lease_row(lease) for lease in leases])


def give_back(conn: Connection, returned: Sequence[GivenBack], *, ring_after_s: float = RING_AFTER_S) -> Outcomes:
    """Return unfinished jobs to PENDING with a new doorbell; CANCELLED if the client has requested that meanwhile."""
    rows = [{**lease_row(each.lease), "error": _cause_error(each.cause), "headers": each.headers} for each in returned]
    return write(conn, _GIVE_BACK, rows, ring_after_s=ring_after_s)


def _failure_row(failure: Failure) -> dict[str, Any]:
    error: dict[str, object] = {
        "code": failure.code,
        "message": json_text.storable(failure.message),
        "retryable": failure.retryable,
        "hint": json_text.storable(failure.hint),
    }
    if failure.cost is not None:
        error["cost"] = failure.cost
    return {
        **lease_row(failure.lease),
        "error": error,
        "retryable": failure.retryable,
        "delay_s": failure.delay_s,
        "headers": failure.headers,
    }


def _cause_error(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    message, hint = json_text.storable(cause.message), json_text.storable(cause.hint)
    return {"code": cause.code, "message": message, "retryable": True, "hint": hint}
