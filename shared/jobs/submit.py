"""Accepts jobs: the row, its idempotency key and its outbox row in one statement, and so in one commit."""

import base64
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy import text
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import IntegrityError

from shared import json_text
from shared.jobs.doorbell import RING, RING_LATER
from shared.jobs.states import JobStatus
from shared.jobs.submission import Accepted, Capped, IdempotencyKey, IdempotencyKeyReused, KeyName, Submission
from shared.runtime.settings import RING_AFTER_S
from shared.stored import member

# `request` is the batch, and which part of it is capped. `claimed` takes the idempotency keys of the rest, always in
# the same order, so that two batches may wait for each other's keys but never deadlock; ON CONFLICT waits for a
# concurrent holder to commit or roll back. `born` creates the jobs whose key is new, or that have none; `rung` rings
# for them.
_INSERT = """
    /* {name} */
    WITH request AS MATERIALIZED (
        SELECT *, {capped} AS capped FROM jsonb_to_recordset(CAST(:requests AS jsonb)) AS r(
            id uuid, tenant text, report_type text, report_version text, parameters jsonb, formats text[],
            max_attempts smallint, max_crashes smallint, deadline_s float8, keep_artifacts_s int,
            keep_s int, requester text, scopes text[], retry_of uuid, schedule_id uuid, labels jsonb,
            operation text, idempotency_key text, body_digest text, meaning_digest text, trace_context text,
            run_at timestamptz, not_after timestamptz, file_name text, reuse_key text, options jsonb,
            priority smallint{secret})
    ), claimed AS (
        INSERT INTO idempotency_keys (tenant, operation, key, body_digest, meaning_digest, job_id)
        SELECT tenant, operation, idempotency_key, body_digest, meaning_digest, id
          FROM request WHERE idempotency_key IS NOT NULL AND NOT capped
         ORDER BY tenant, operation, idempotency_key, id
            ON CONFLICT (tenant, operation, key) DO NOTHING
        RETURNING job_id
    ), born AS (
        INSERT INTO jobs (id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
                          requester, scopes, retry_of, schedule_id, labels, trace_context, run_at, next_ring_at,
                          deadline_at, keep_artifacts_s, keep_s, scheduled_for, file_name, reuse_key, options, priority)
        SELECT id, tenant, report_type, report_version, parameters, formats, max_attempts, max_crashes,
               requester, scopes, retry_of, schedule_id, labels, trace_context, greatest(now(), run_at),
               greatest(now(), run_at) + make_interval(secs => :ring_after_s),
               least(not_after, greatest(now(), run_at) + make_interval(secs => deadline_s)), keep_artifacts_s, keep_s,
               run_at, file_name, reuse_key, options, priority
          FROM request
         WHERE (idempotency_key IS NULL OR id IN (SELECT job_id FROM claimed)) AND NOT capped
         {on_conflict}
        RETURNING id, tenant, trace_context{when}
    ), rung AS (
        {ring}
    )
    SELECT id, false AS capped FROM born UNION ALL SELECT id, true FROM request WHERE capped
"""
# A look at a table that is usually empty, once per statement.
_CAPPED = """((SELECT true FROM queue_caps LIMIT 1) IS NOT NULL
                  AND EXISTS (SELECT FROM queue_caps WHERE queue_caps.tenant = r.tenant OFFSET 0))"""
# ON CONFLICT costs each row a second WAL record (48 bytes: inserted speculatively, then confirmed). Ids are ours and
# new, so only rows that were sent before need it, and the primary key reveals those.
_USUALLY = {"when": "", "ring": f"{RING} FROM born", "secret": ""}
_SUBMIT = text(_INSERT.format(name="jobs.submit", on_conflict="", capped=_CAPPED, **_USUALLY))
# A job that is to run later rings then, and one with a password stores it. Other jobs do not pay for that, unless such
# a job is in their batch.
_WHEN = ", trace_context AS headers, run_at AS due_at"
_RING_EACH = f"""{RING} FROM born WHERE due_at <= now()
    ), rung_later AS (
        {RING_LATER} FROM born WHERE due_at > now()
    ), kept AS (
        INSERT INTO job_passwords (job_id, key_id, sealed)
        SELECT id, password_key, decode(password_sealed, 'base64') FROM request
         WHERE password_key IS NOT NULL AND id IN (SELECT id FROM born)"""
_EACH = {"when": _WHEN, "ring": _RING_EACH, "secret": ", password_key text, password_sealed text"}
_SUBMIT_LATER = text(_INSERT.format(name="jobs.submit_later", on_conflict="", capped=_CAPPED, **_EACH))
_AGAIN = "ON CONFLICT (id) DO NOTHING"
_SUBMIT_AGAIN = text(_INSERT.format(name="jobs.submit_again", on_conflict=_AGAIN, capped=_CAPPED, **_EACH))
# The tenants that are known to have room.
_SUBMIT_WITHIN = text(_INSERT.format(name="jobs.submit_within", on_conflict=_AGAIN, capped="false", **_EACH))

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
) -> list[Accepted | IdempotencyKeyReused | Capped]:
    """Make every submission durable, in one statement, and answer each from its own row, in order.

    `conn` is in autocommit mode: when this returns, what it accepted is committed. Submitting the same ids again (after
    a lost reply) changes nothing and gives the same answer. A second statement runs only if an id or an Idempotency-Key
    was used before. Capped submissions must go to `queue_caps.submit_within`.
    """
    unusual = any(s.run_at is not None or s.password is not None for s in submissions)
    found = _insert(conn, _asked(submissions, ring_after_s), unusual=unusual)
    capped = {row_id for row_id, is_capped in found.items() if is_capped}
    born = found.keys() - capped
    answers = _answers(conn, [s for s in submissions if s.id not in capped], born)
    if answers is None:
        return submit(conn, submissions, ring_after_s=ring_after_s)
    answered = iter(answers)
    return [Capped() if s.id in capped else next(answered) for s in submissions]


def submit_all(
    conn: Connection, submissions: Sequence[Submission], *, ring_after_s: float
) -> list[Accepted | IdempotencyKeyReused]:
    """Make every submission durable, however many jobs its tenant has: the caller has checked that it may."""
    answers = None
    while answers is None:
        born = conn.execute(_SUBMIT_WITHIN, _asked(submissions, ring_after_s)).scalars()
        answers = _answers(conn, submissions, set(born))
    return answers


def _asked(submissions: Sequence[Submission], ring_after_s: float) -> Mapping[str, object]:
    return {"requests": json_text.write([_row(s) for s in submissions]), "ring_after_s": ring_after_s}


def _answers(
    conn: Connection, submissions: Sequence[Submission], born: Collection[UUID]
) -> list[Accepted | IdempotencyKeyReused] | None:
    """Return the answers; None if a key existed and has expired since. Created jobs stay as they are; ask again."""
    met_again = [s.idempotency_key.name_of(s.tenant) for s in submissions if s.idempotency_key and s.id not in born]
    holders = _holders(conn, met_again) if met_again else {}
    if any(key not in holders for key in met_again):
        return None
    return [_answer(s, s.id in born, holders) for s in submissions]


def held_keys(conn: Connection, submissions: Sequence[Submission]) -> Collection[KeyName]:
    """Return the names of those of their keys that stand for a job already."""
    names = [s.idempotency_key.name_of(s.tenant) for s in submissions if s.idempotency_key]
    return _holders(conn, names).keys() if names else set()


def replay(conn: Connection, tenant: str, key: IdempotencyKey) -> Accepted | IdempotencyKeyReused | None:
    """Answer a request whose key was used before, without creating anything; None if the key is new."""
    holder = _holders(conn, [key.name_of(tenant)]).get(key.name_of(tenant))
    return None if holder is None else _replayed(key, holder)


def remember(conn: Connection, tenant: str, key: IdempotencyKey, found: Accepted) -> Accepted | IdempotencyKeyReused:
    """Let the key stand for an existing job. If it stands for another job already, return the answer of that one."""
    return found if _took(conn, tenant, key, found.job_id) else replay(conn, tenant, key) or found


def claim(conn: Connection, tenant: str, key: IdempotencyKey, job_id: UUID) -> Accepted | IdempotencyKeyReused | None:
    """Let the key stand for a job that this transaction is about to create; if it stands for one already, return its
    answer.

    Waits for another transaction that writes the same key.
    """
    while not _took(conn, tenant, key, job_id):
        if (earlier := replay(conn, tenant, key)) is not None:
            return earlier
    return None


def _took(conn: Connection, tenant: str, key: IdempotencyKey, job_id: UUID) -> bool:
    named = {**key._asdict(), "key": key.text, "tenant": tenant, "job_id": job_id}
    return conn.execute(_REMEMBER, named).rowcount == 1


def _insert(conn: Connection, asked: Mapping[str, object], *, unusual: bool) -> dict[UUID, bool]:
    """Insert what is new. Returns id → capped for its ids. `unusual` means that some run later, or have a password."""
    try:
        return _by_id(conn.execute(_SUBMIT_LATER if unusual else _SUBMIT, asked))
    except IntegrityError as error:
        if not isinstance(error.orig, UniqueViolation) or error.orig.diag.constraint_name != "jobs_pkey":
            raise
        return _by_id(conn.execute(_SUBMIT_AGAIN, asked))


def _by_id(rows: CursorResult[Any]) -> dict[UUID, bool]:
    return {row.id: row.capped for row in rows}


def _row(submission: Submission) -> dict[str, object]:
    """Return the submission with the field names of the statement's record."""
    row, key = submission._asdict(), submission.idempotency_key
    if (password := row.pop("password")) is not None:
        row |= {"password_key": password.key_id, "password_sealed": base64.b64encode(password.content).decode()}
    if key is not None:
        row |= {
            "operation": key.operation,
            "idempotency_key": key.text,
            "body_digest": key.body_digest,
            "meaning_digest": key.meaning_digest,
        }
    return row


class _Holder(NamedTuple):
    """The job that a key stands for, and the digests of the request that created it."""

    body_digest: str
    meaning_digest: str
    job_id: UUID
    report_type: str
    status: str
    requester: str | None


_Holders = dict[KeyName, _Holder]


def _holders(conn: Connection, names: Sequence[KeyName]) -> _Holders:
    tenants, operations, keys = (list(part) for part in zip(*names, strict=True))
    found = conn.execute(_REPLAY, {"tenants": tenants, "operations": operations, "keys": keys})
    return {(tenant, operation, key): _Holder(*rest) for tenant, operation, key, *rest in found}


def _answer(submission: Submission, born: bool, holders: _Holders) -> Accepted | IdempotencyKeyReused:
    key = submission.idempotency_key
    if born or key is None:
        # Not created and without a key: the id existed already, so this is our own request sent twice.
        return Accepted(submission.id, True, submission.report_type)
    answer = _replayed(key, holders[key.name_of(submission.tenant)])
    if isinstance(answer, Accepted) and answer.job_id == submission.id:
        return answer._replace(created=True)
    return answer


def _replayed(key: IdempotencyKey, holder: _Holder) -> Accepted | IdempotencyKeyReused:
    same = holder.body_digest in {key.body_digest, *key.others}
    other = not same and holder.meaning_digest not in {key.meaning_digest, *key.others}
    if other or key.requester not in {None, holder.requester}:
        return IdempotencyKeyReused(f"Idempotency-Key {key.text!r} was used before for a different request")
    return Accepted(holder.job_id, False, holder.report_type, member(JobStatus, holder.status))
