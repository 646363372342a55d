"""The result for each job of a bulk action, and the removal of actions that have been kept long enough."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection

from shared.jobs.bulk_rules import BulkOutcome
from shared.jobs.filters import OLDEST
from shared.stored import member


class BulkResult(NamedTuple):
    """What happened to one job."""

    job_id: UUID
    outcome: BulkOutcome
    code: str | None
    """Why it was refused."""
    new_job_id: UUID | None
    """The job that repeats it."""


def _list(name: str, *key: str) -> TextClause:
    """Return a statement for a range of a whole index key, as in listing.py."""
    names, order = ", ".join((*key, "job_id")), ", ".join(f"{column} DESC" for column in (*key, "job_id"))
    values = ", ".join(f":{column}" for column in key)
    return text(f"""
        /* {name} */
        SELECT job_id, outcome, code, new_job_id FROM bulk_results
         WHERE ({names}) <= ({values}, :before) AND ({names}) >= ({values}, :oldest) AND job_id <> :before
         ORDER BY {order} LIMIT :limit
    """)


_LIST, _LIST_OF_OUTCOME = _list("bulk_results.list", "bulk_id"), _list("bulk_results.list_of", "bulk_id", "outcome")

# `old` is one expired action; `part` its next results. The action is removed with the last of them.
_FORGET = text("""
    /* bulk.forget */
    WITH old AS MATERIALIZED (
        SELECT id FROM bulk_actions
         WHERE id = (SELECT id FROM bulk_actions WHERE id < :before AND state <> 'RUNNING' ORDER BY id LIMIT 1)
           AND state <> 'RUNNING'
           FOR UPDATE SKIP LOCKED
    ), part AS MATERIALIZED (
        SELECT bulk_id, job_id FROM bulk_results WHERE bulk_id = (SELECT id FROM old) ORDER BY job_id LIMIT :slice
    ), gone AS (
        DELETE FROM bulk_results
         WHERE bulk_id = (SELECT id FROM old) AND job_id = ANY (ARRAY(SELECT job_id FROM part))
    )
    DELETE FROM bulk_actions
     WHERE id = (SELECT id FROM old) AND (SELECT count(*) FROM part) < :slice
    RETURNING id
""")


def list_results(
    conn: Connection, bulk_id: UUID, *, size: int, before: UUID, outcome: BulkOutcome | None = None
) -> Sequence[BulkResult]:
    """Return the results of an action that the caller may see, newest job first, for jobs older than `before`."""
    asked = {"bulk_id": bulk_id, "before": before, "oldest": OLDEST, "limit": size, "outcome": outcome}
    rows = conn.execute(_LIST if outcome is None else _LIST_OF_OUTCOME, asked)
    return [BulkResult(row.job_id, member(BulkOutcome, row.outcome), row.code, row.new_job_id) for row in rows]


def forget(conn: Connection, *, before: UUID, slice_size: int = 1_000) -> bool:
    """Remove a piece of an action created before the time of that id.

    Returns True when an action is completely removed.
    """
    return conn.execute(_FORGET, {"before": before, "slice": slice_size}).rowcount > 0
