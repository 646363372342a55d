"""Accepts jobs: the row, its idempotency key and its outbox row in one statement, so in one commit."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from shared import json_text
from shared.errors import TodokeError
from shared.jobs.doorbell import RING
from shared.runtime.settings import RING_AFTER_S


class IdempotencyKeyReused(TodokeError):
    """An Idempotency-Key came before with another request body."""


class Submission(NamedTuple):
    """A validated request, ready to become a job. The caller chooses the id, so that sending it twice is safe."""

    # A tuple, because one is made for each request: a frozen dataclass of so many fields takes far longer to make.

    id: UUID
    tenant: str
    report_type: str
    report_version: str
    parameters: Mapping[str, object]
    formats: Sequence[str]
    max_attempts: int
    max_crashes: int
    deadline_s: float
    """Seconds after which the job fails if nothing else has ended it."""
    keep_artifacts_s: int = 30 * 86_400
    """Seconds after the job's end for which its files can be downloaded."""
    keep_s: int = 90 * 86_400
    """Seconds after the job's end for which it can be looked at."""
    idempotency_key: str | None = None
    trace_context: str | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what the client asked for: it tells a repeated request from another one with the same key."""
        asked = json.dumps([self.report_type, self.parameters, list(self.formats)], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()


class Accepted(NamedTuple):
    """The answer to one submission. `created` is False when an earlier request with this key made the job."""

    job_id: UUID
    created: bool


# `request` is the batch. `claimed` takes its idempotency keys: in one order everywhere, so that two batches can wait
# for each other's keys but never in a circle; ON CONFLICT waits for a concurrent holder to commit or roll back. `born`
# makes the jobs whose key is new, or that have none; `rung` rings for them.
_INSERT = """
    /* {name} */
    WITH request AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:requests AS jsonb)) AS r(
            id uuid, tenant text, report_type text, report_version text, parameters jsonb, formats text[],
            max_attempts smallint, max_crashes smallint, deadline_s float8, keep_artifacts_s int, keep_s int,
            idempotency_key text, fingerprint text, trace_context text)
    ), claimed AS (
        INSERT INTO idempotency_keys (tenant, key, fingerprint, job_id)
        SELECT tenant, idempotency_key, fingerprint, id
          FROM request WHERE idempotency_key IS NOT NULL
         ORDER BY tenant, idempotency_key, id
            ON CONFLICT (tenant, key) DO NOTHING
        RETURNING job_id
    ), born AS (
        INSERT INTO jobs (id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
                          trace_context, run_at, next_ring_at, deadline_at, keep_artifacts_s, keep_s)
        SELECT id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
               trace_context, now(), now() + make_interval(secs => :ring_after_s),
               now() + make_interval(secs => deadline_s), keep_artifacts_s, keep_s
          FROM request
         WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM claimed)
         {on_conflict}
        RETURNING id, tenant, trace_context
    ), rung AS (
        {ring} FROM born
    )
    SELECT id FROM born
"""
# ON CONFLICT costs each row a second WAL record (48 bytes: inserted speculatively, then confirmed). Ids are ours and
# new, so only what was sent before needs it; the primary key tells.
_SUBMIT = text(_INSERT.format(name="jobs.submit", ring=RING, on_conflict=""))
_SUBMIT_AGAIN = text(_INSERT.format(name="jobs.submit_again", ring=RING, on_conflict="ON CONFLICT (id) DO NOTHING"))

_REPLAY = text("""
    /* jobs.replay */
    SELECT tenant, key, fingerprint, job_id
      FROM idempotency_keys
     WHERE (tenant, key) IN (SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:keys AS text[])))
""")


def submit(
    conn: Connection, submissions: Sequence[Submission], *, ring_after_s: float = RING_AFTER_S
) -> list[Accepted | IdempotencyKeyReused]:
    """Make every submission durable, in one statement, and answer each from its own row, in order.

    `conn` is in autocommit mode: when this returns, what it accepted is committed. Submitting the same
    ids again (after a lost reply) changes nothing and answers the same. A second statement runs only if
    an id or an Idempotency-Key was met again.
    """
    born = _insert(conn, {"requests": json_text.write([_row(s) for s in submissions]), "ring_after_s": ring_after_s})
    met_again = [s for s in submissions if s.id not in born and s.idempotency_key is not None]
    holders = _holders(conn, met_again) if met_again else {}
    if any((s.tenant, s.idempotency_key) not in holders for s in met_again):
        # A key that was met and has left since: its time was over. What was born stays as it is.
        return submit(conn, submissions, ring_after_s=ring_after_s)
    return [_answer(s, s.id in born, holders) for s in submissions]


def _insert(conn: Connection, asked: Mapping[str, object]) -> set[UUID]:
    """Insert what is new. Returns its ids."""
    try:
        return set(conn.execute(_SUBMIT, asked).scalars())
    except IntegrityError as error:
        if not isinstance(error.orig, UniqueViolation) or error.orig.diag.constraint_name != "jobs_pkey":
            raise
        return set(conn.execute(_SUBMIT_AGAIN, asked).scalars())


def _row(submission: Submission) -> dict[str, object]:
    """The submission as the statement's record names its fields."""
    return {**submission._asdict(), "fingerprint": submission.fingerprint if submission.idempotency_key else None}


_Holders = dict[tuple[str, str], tuple[str, UUID]]


def _holders(conn: Connection, submissions: Sequence[Submission]) -> _Holders:
    found = conn.execute(
        _REPLAY,
        {"tenants": [s.tenant for s in submissions], "keys": [s.idempotency_key for s in submissions]},
    )
    return {(row.tenant, row.key): (row.fingerprint, row.job_id) for row in found}


def _answer(submission: Submission, born: bool, holders: _Holders) -> Accepted | IdempotencyKeyReused:
    if born or submission.idempotency_key is None:
        # Not born and without a key: the id was there already, so this is our own request sent twice.
        return Accepted(submission.id, created=True)
    fingerprint, job_id = holders[submission.tenant, submission.idempotency_key]
    if fingerprint != submission.fingerprint:
        return IdempotencyKeyReused(
            f"Idempotency-Key {submission.idempotency_key!r} was used before for a different request"
        )
    return Accepted(job_id, created=job_id == submission.id)
