"""Accepts jobs: the row, its idempotency key and its outbox row in one statement, so in one commit."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from shared import json_text
from shared.errors import TodokeError
from shared.jobs.doorbell import RING, RING_LATER
from shared.jobs.states import JobStatus
from shared.runtime.settings import RING_AFTER_S


class IdempotencyKeyReused(TodokeError):
    """An Idempotency-Key came before with another request body."""


class IdempotencyKey(NamedTuple):
    """A client's name for its request, and what tells that request from others. Either digest does."""

    text: str
    body_digest: str
    """Of the bytes as they came: the same bytes are the same request, whatever has become of the catalog."""
    meaning_digest: str
    """Of what they mean: the same request may be written in several ways."""
    requester: str | None = None
    """Only jobs of this requester are its own; None for everybody's of the tenant."""
    operation: str = "submit"
    """What the client does with it, `submit` or `retry`: each has its own keys."""


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
    run_at: datetime | None = None
    """The moment before which it must not run; None for at once. Its deadline counts from here."""
    not_after: datetime | None = None
    """The moment at which it fails, if that is before `deadline_s`."""
    file_name: str | None = None
    """The name of its files without extension; None for the report type's."""
    reuse_key: str | None = None
    """Names the question for those who may get this job as their answer; None: nobody does (reuse.py)."""
    options: Mapping[str, object] | None = None
    """What the client asked for beside, to be shown and asked for again; None for nothing."""
    requester: str | None = None
    """Who asks, within the tenant; None where no keys are asked for."""
    scopes: Sequence[str] | None = None
    """The scopes that its files ask for, because of what went into them; None for none."""
    retry_of: UUID | None = None
    """The job that this one is asked for again."""
    labels: Mapping[str, str] | None = None
    """What the client marks it with, to find it again; None for nothing."""
    idempotency_key: IdempotencyKey | None = None
    trace_context: str | None = None
    priority: int | None = None
    """0 to 9, of which 9 is the most urgent; it orders jobs within the tenant only. None for the usual one."""


class Accepted(NamedTuple):
    """The answer to one submission. `created` is False when an earlier request with this key made the job."""

    job_id: UUID
    created: bool
    report_type: str
    status: JobStatus = JobStatus.PENDING
    reused: bool = False
    """True if it is the job of another request that asked the same (reuse.py)."""


# `request` is the batch. `claimed` takes its idempotency keys: in one order everywhere, so that two batches can wait
# for each other's keys but never in a circle; ON CONFLICT waits for a concurrent holder to commit or roll back. `born`
# makes the jobs whose key is new, or that have none; `rung` rings for them.
_INSERT = """
    /* {name} */
    WITH request AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:requests AS jsonb)) AS r(
            id uuid, tenant text, report_type text, report_version text, parameters jsonb, formats text[],
            max_attempts smallint, max_crashes smallint, deadline_s float8, keep_artifacts_s int, keep_s int,
            requester text, scopes text[], retry_of uuid, labels jsonb, operation text, idempotency_key text,
            body_digest text, meaning_digest text, trace_context text, run_at timestamptz, not_after timestamptz,
            file_name text, reuse_key text, options jsonb, priority smallint)
    ), claimed AS (
        INSERT INTO idempotency_keys (tenant, operation, key, body_digest, meaning_digest, job_id)
        SELECT tenant, operation, idempotency_key, body_digest, meaning_digest, id
          FROM request WHERE idempotency_key IS NOT NULL
         ORDER BY tenant, operation, idempotency_key, id
            ON CONFLICT (tenant, operation, key) DO NOTHING
        RETURNING job_id
    ), born AS (
        INSERT INTO jobs (id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
                          requester, scopes, retry_of, labels, trace_context, run_at, next_ring_at, deadline_at,
                          keep_artifacts_s, keep_s, scheduled_for, file_name, reuse_key, options, priority)
        SELECT id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
               requester, scopes, retry_of, labels, trace_context, greatest(now(), run_at),
               greatest(now(), run_at) + make_interval(secs => :ring_after_s),
               least(not_after, greatest(now(), run_at) + make_interval(secs => deadline_s)), keep_artifacts_s, keep_s,
               run_at, file_name, reuse_key, options, priority
          FROM request
         WHERE idempotency_key IS NULL OR id IN (SELECT job_id FROM claimed)
         {on_conflict}
        RETURNING id, tenant, trace_context{when}
    ), rung AS (
        {ring}
    )
    SELECT id FROM born
"""
# ON CONFLICT costs each row a second WAL record (48 bytes: inserted speculatively, then confirmed). Ids are ours and
# new, so only what was sent before needs it; the primary key tells.
_SUBMIT = text(_INSERT.format(name="jobs.submit", when="", ring=f"{RING} FROM born", on_conflict=""))
# A job that is to run later rings then. What rings at once does not pay for that, as long as no such job is with it.
_WHEN = ", trace_context AS headers, run_at AS due_at"
_RING_EACH = f"""{RING} FROM born WHERE due_at <= now()
    ), rung_later AS (
        {RING_LATER} FROM born WHERE due_at > now()"""
_SUBMIT_LATER = text(_INSERT.format(name="jobs.submit_later", when=_WHEN, ring=_RING_EACH, on_conflict=""))
_AGAIN = "ON CONFLICT (id) DO NOTHING"
_SUBMIT_AGAIN = text(_INSERT.format(name="jobs.submit_again", when=_WHEN, ring=_RING_EACH, on_conflict=_AGAIN))

_REPLAY = text("""
    /* jobs.replay */
    SELECT k.tenant, k.operation, k.key, k.body_digest, k.meaning_digest, k.job_id, j.report_type, j.status, j.requester
      FROM unnest(CAST(:tenants AS text[]), CAST(:operations AS text[]), CAST(:keys AS text[]))
           AS asked(tenant, operation, key)
      JOIN idempotency_keys k ON (k.tenant, k.operation, k.key) = (asked.tenant, asked.operation, asked.key)
      JOIN jobs j ON j.id = k.job_id
""")


_REMEMBER = text("""
    /* idempotency_keys.remember */
    INSERT INTO idempotency_keys (tenant, operation, key, body_digest, meaning_digest, job_id)
    VALUES (:tenant, :operation, :key, :body_digest, :meaning_digest, :job_id)
        ON CONFLICT (tenant, operation, key) DO NOTHING
""")


def submit(
    conn: Connection, submissions: Sequence[Submission], *, ring_after_s: float = RING_AFTER_S
) -> list[Accepted | IdempotencyKeyReused]:
    """Make every submission durable, in one statement, and answer each from its own row, in order.

    `conn` is in autocommit mode: when this returns, what it accepted is committed. Submitting the same
    ids again (after a lost reply) changes nothing and answers the same. A second statement runs only if
    an id or an Idempotency-Key was met again.
    """
    asked = {"requests": json_text.write([_row(s) for s in submissions]), "ring_after_s": ring_after_s}
    born = _insert(conn, asked, later=any(s.run_at is not None for s in submissions))
    met_again = [_name(s.tenant, s.idempotency_key) for s in submissions if s.idempotency_key and s.id not in born]
    holders = _holders(conn, met_again) if met_again else {}
    if any(key not in holders for key in met_again):
        # A key that was met and has left since: its time was over. What was born stays as it is.
        return submit(conn, submissions, ring_after_s=ring_after_s)
    return [_answer(s, s.id in born, holders) for s in submissions]


def replay(conn: Connection, tenant: str, key: IdempotencyKey) -> Accepted | IdempotencyKeyReused | None:
    """Answer a request whose key was met before, without making anything; None if the key is new."""
    holder = _holders(conn, [_name(tenant, key)]).get(_name(tenant, key))
    return None if holder is None else _replayed(key, holder)


def remember(conn: Connection, tenant: str, key: IdempotencyKey, found: Accepted) -> Accepted | IdempotencyKeyReused:
    """Let the key stand for a job that is there; the answer of the one that it stands for already, if it does."""
    named = {**key._asdict(), "key": key.text, "tenant": tenant, "job_id": found.job_id}
    if conn.execute(_REMEMBER, named).rowcount:
        return found
    return replay(conn, tenant, key) or found


def _insert(conn: Connection, asked: Mapping[str, object], *, later: bool) -> set[UUID]:
    """Insert what is new. Returns its ids. `later`: some of it is to run later."""
    try:
        return set(conn.execute(_SUBMIT_LATER if later else _SUBMIT, asked).scalars())
    except IntegrityError as error:
        if not isinstance(error.orig, UniqueViolation) or error.orig.diag.constraint_name != "jobs_pkey":
            raise
        return set(conn.execute(_SUBMIT_AGAIN, asked).scalars())


def _row(submission: Submission) -> dict[str, object]:
    """The submission as the statement's record names its fields."""
    row, key = submission._asdict(), submission.idempotency_key
    if key is not None:
        row |= {
            "operation": key.operation,
            "idempotency_key": key.text,
            "body_digest": key.body_digest,
            "meaning_digest": key.meaning_digest,
        }
    return row


class _Holder(NamedTuple):
    """The job that a key stands for, and the digests of the request that made it."""

    body_digest: str
    meaning_digest: str
    job_id: UUID
    report_type: str
    status: str
    requester: str | None


_Name = tuple[str, str, str]
"""Tenant, operation and key: what makes a key one."""
_Holders = dict[_Name, _Holder]


def _name(tenant: str, key: IdempotencyKey) -> _Name:
    return tenant, key.operation, key.text


def _holders(conn: Connection, names: Sequence[_Name]) -> _Holders:
    tenants, operations, keys = (list(part) for part in zip(*names, strict=True))
    found = conn.execute(_REPLAY, {"tenants": tenants, "operations": operations, "keys": keys})
    return {(tenant, operation, key): _Holder(*rest) for tenant, operation, key, *rest in found}


def _answer(submission: Submission, born: bool, holders: _Holders) -> Accepted | IdempotencyKeyReused:
    key = submission.idempotency_key
    if born or key is None:
        # Not born and without a key: the id was there already, so this is our own request sent twice.
        return Accepted(submission.id, True, submission.report_type)
    answer = _replayed(key, holders[_name(submission.tenant, key)])
    if isinstance(answer, Accepted) and answer.job_id == submission.id:
        return answer._replace(created=True)
    return answer


def _replayed(key: IdempotencyKey, holder: _Holder) -> Accepted | IdempotencyKeyReused:
    other = key.body_digest != holder.body_digest and key.meaning_digest != holder.meaning_digest
    if other or key.requester not in {None, holder.requester}:
        return IdempotencyKeyReused(f"Idempotency-Key {key.text!r} was used before for a different request")
    return Accepted(holder.job_id, False, holder.report_type, JobStatus(holder.status))
