"""Answers a question that was asked recently with the job that answers it already: one run for many who ask the same.

Only jobs that were requested in this way are found, by `reuse_key`. It is NULL in all others, which pay nothing.
"""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.queue_caps import submit_within
from shared.jobs.states import JobStatus
from shared.jobs.submission import Accepted, Answer, Capped, IdempotencyKeyReused, Submission
from shared.jobs.submit import remember, replay, submit
from shared.runtime.settings import RING_AFTER_S
from shared.stored import member

# Concurrent requests with the same question wait here for the first to commit, and then find its job.
_LOCK = text("/* reuse.lock */ SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")

# The newest jobs with this question, few of which may have failed. A range of the whole key, as in listing.py.
_FIND = text(f"""
    /* jobs.reusable */
    SELECT id, report_type, status FROM (
        SELECT * FROM jobs
         WHERE reuse_key IS NOT NULL
           AND (tenant, reuse_key, id) <= (:tenant, :key, CAST('{UUID(int=2**128 - 1)}' AS uuid))
           AND (tenant, reuse_key, id) >= (:tenant, :key, CAST('{UUID(int=0)}' AS uuid))
         ORDER BY tenant DESC, reuse_key DESC, id DESC LIMIT 20) AS newest
     WHERE created_at > clock_timestamp() - make_interval(secs => :max_age_s)
       AND deleted_at IS NULL AND cancel_requested_at IS NULL
       AND CASE WHEN finished_at IS NULL THEN deadline_at > clock_timestamp()
                -- with time to fetch its files
                ELSE status = 'SUCCESS' AND (cardinality(formats) = 0 OR finished_at
                     + make_interval(secs => keep_artifacts_s) > clock_timestamp() + interval '1 min') END
     ORDER BY id DESC LIMIT 1
""")


def look(conn: Connection, submission: Submission, *, max_age_s: int) -> Accepted | IdempotencyKeyReused | None:
    """Return the job of the submission's key, or one that answers the same question; None if there is neither.

    Writes nothing. A job that failed or was cancelled answers nothing, nor does one whose files expire within a minute.
    """
    if submission.idempotency_key is not None:
        earlier = replay(conn, submission.tenant, submission.idempotency_key)
        if earlier is not None:
            return earlier
    asked = {"tenant": submission.tenant, "key": submission.reuse_key, "max_age_s": max_age_s}
    row = conn.execute(_FIND, asked).one_or_none()
    return None if row is None else Accepted(row.id, False, row.report_type, member(JobStatus, row.status), reused=True)


def submit_or_reuse(
    conn: Connection, submission: Submission, *, max_age_s: int, ring_after_s: float = RING_AFTER_S
) -> Answer:
    """Create a job from the submission, unless one of the last `max_age_s` answers the same question.

    It must have a `reuse_key`. `conn` is in a transaction, READ COMMITTED: of several at the same moment one creates
    the job. An Idempotency-Key also stands for a job that is found.
    """
    conn.execute(_LOCK, {"name": f"{submission.tenant}/{submission.reuse_key}"})
    found = look(conn, submission, max_age_s=max_age_s)
    if found is None:
        [answer] = submit(conn, [submission], ring_after_s=ring_after_s)
        if not isinstance(answer, Capped):
            return answer
        return submit_within(conn, submission.tenant, [submission], ring_after_s=ring_after_s)[0]
    if isinstance(found, Accepted) and found.reused and submission.idempotency_key is not None:
        return remember(conn, submission.tenant, submission.idempotency_key, found)
    return found
