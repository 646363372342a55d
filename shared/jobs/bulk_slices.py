"""Carries out bulk actions, a slice at a time: some jobs, their results and the new position in one commit.

Any number of relays may do so: each takes an action that no other has. A relay that dies in between leaves nothing
behind, and the next slice begins where the last commit ended. The jobs are changed by the database
(migrations/bulk_tables.py), which confines an action to its tenant, to what its creator may see, and to its horizon.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.ids import uuid7
from shared.jobs import queue_caps
from shared.jobs.bulk import COLUMNS, Bulk, bulk_of
from shared.jobs.bulk_rules import BulkAction, BulkOutcome, Picked, Verdict, changes, decide, tally
from shared.jobs.filters import MATCHES, JobFilter
from shared.jobs.listing import parameters
from shared.jobs.passwords import IS_ENCRYPTED
from shared.jobs.picking import Picks, pick, picked
from shared.jobs.viewer import VISIBLE
from shared.stored import member

MOST = 500
"""Jobs of one slice."""
_UNTIL_ROOM_S = 5.0
"""Seconds until an action that creates jobs checks again whether their tenant has room for more."""
_LONGEST_ERROR = 200
"""Characters of an error's text that are kept."""
_NOT_ALLOWED = Verdict(BulkOutcome.REFUSED, "unknown_job")

_WAITING = text("""
    /* bulk.waiting */
    SELECT (SELECT due_at FROM bulk_actions WHERE state = 'RUNNING' ORDER BY due_at LIMIT 1) <= clock_timestamp()
""")

# In turns: an action that progressed goes to the end. An action or a filter that only a newer release knows is left to
# that release's relays.
_KNOWN = f"""action = ANY ('{{{",".join(BulkAction)}}}')
           AND filter - CAST('{{{",".join(JobFilter._fields)}}}' AS text[]) = '{{}}'"""
_CLAIM = text(f"""
    /* bulk.claim */
    SELECT {COLUMNS} FROM bulk_actions
     WHERE state = 'RUNNING' AND due_at <= clock_timestamp() AND {_KNOWN}
     ORDER BY due_at LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
""")

# The row as it is now, and not as it was selected. A row locked by another transaction is not waited for, so this
# cannot be part of a deadlock.
_LOCK = text(f"""
    /* bulk.lock_jobs */
    SELECT id, status, report_type, formats, cancel_requested_at, {IS_ENCRYPTED} AS encrypted,
           {VISIBLE} AND deleted_at IS NULL AND {MATCHES} AS matches
      FROM jobs
     WHERE id = ANY (CAST(:ids AS uuid[]))
     ORDER BY id DESC
       FOR NO KEY UPDATE SKIP LOCKED
""")

# `acted` may be empty although jobs were selected: then the action has ended, because its creator's key was revoked.
_ACT = text("""
    /* bulk.act */
    WITH acted AS MATERIALIZED (
        SELECT * FROM bulk_act(:bulk, CAST(:ids AS uuid[]), CAST(:makes AS uuid[]))
    ), noted AS (
        INSERT INTO bulk_results (bulk_id, job_id, outcome, new_job_id)
        SELECT :bulk, job_id, outcome, new_job_id FROM acted ORDER BY job_id
    )
    SELECT job_id, outcome, report_type, age_s FROM acted
""")
_NOTE = text("""
    /* bulk.note */
    INSERT INTO bulk_results (bulk_id, job_id, outcome, code)
    SELECT :bulk, noted.job_id, noted.outcome, noted.code
      FROM jsonb_to_recordset(CAST(:noted AS jsonb)) AS noted(job_id uuid, outcome text, code text)
""")
_MOVE = text("""
    /* bulk.move */
    UPDATE bulk_actions
       SET position = :position, outcomes = CAST(:outcomes AS jsonb), moved_at = clock_timestamp(),
           state = CASE WHEN :done THEN 'DONE' ELSE state END,
           ended_at = CASE WHEN :done THEN clock_timestamp() END,
           due_at = CASE WHEN NOT :done THEN clock_timestamp() + make_interval(secs => :pause_s) END,
           failures = 0, last_error = NULL, version = version + 1
     WHERE id = :bulk AND state = 'RUNNING'
""")
_LATER = text("""
    /* bulk.later */
    UPDATE bulk_actions
       SET failures = least(failures + 1, 1000), last_error = :error, version = version + 1,
           due_at = clock_timestamp() + make_interval(secs => least(:most_s, 2 ^ least(failures, 10)))
     WHERE id = :bulk AND state = 'RUNNING'
""")

# The age of the action that has gone longest without progress.
_STANDING = text("""
    /* bulk.standing */
    SELECT count(*) AS running, coalesce(extract(epoch FROM clock_timestamp() - min(moved_at)), 0)::float8 AS longest_s
      FROM (SELECT moved_at FROM bulk_actions WHERE state = 'RUNNING' LIMIT 10000) AS bounded
""")


class Acted(NamedTuple):
    """A job that a slice has changed, or repeated in a new job."""

    job_id: UUID
    outcome: BulkOutcome
    report_type: str
    age_s: float
    """Seconds since it was accepted, or was to run; negative before that."""


class Slice(NamedTuple):
    """What one slice did."""

    acted: Sequence[Acted]
    outcomes: Mapping[str, int]
    """Every job that it handled."""
    done: bool
    """True if it was the last slice."""


class Standing(NamedTuple):
    """The running actions."""

    running: int
    longest_s: float
    """For how long the slowest of them has made no progress, in seconds."""


def waiting(conn: Connection) -> bool:
    """True if an action is due. Opens no transaction."""
    return conn.execute(_WAITING).scalar() is True


def claim(conn: Connection) -> Bulk | None:
    """Return an action that is due, locked until this transaction ends; None if there is none, or
    others hold them all.
    """
    row = conn.execute(_CLAIM).one_or_none()
    return None if row is None else bulk_of(row)


def take(conn: Connection, bulk: Bulk, *, most: int = MOST, pause_s: float = 0.0) -> Slice:
    """Do the next slice of an action that was claimed in this transaction; it counts when that commits.

    The next slice is due in `pause_s`, or at once if this one found no job where it looked. If the tenant's queue is
    capped, a retry waits until there is room for more.
    """
    picks = pick(conn, bulk.reach, before=bulk.position, most=most)
    free, behind = _lock(conn, bulk, picks)
    verdicts = {job.id: decide(bulk.action, job, bulk.terms) for job in free}
    fitting = _fitting(conn, bulk, verdicts)
    full = len(fitting) < len(verdicts)
    if full:
        verdicts, behind = fitting, next(reversed(fitting), bulk.position)
    asked = [job_id for job_id, verdict in verdicts.items() if changes(verdict)]
    acted = _act(conn, bulk, asked)
    noted = {job_id: verdict for job_id, verdict in verdicts.items() if not changes(verdict)}
    # The database has the last word: it confined the action to what its creator may do.
    noted |= dict.fromkeys({*asked}.difference(one.job_id for one in acted), _NOT_ALLOWED)
    met = tally([*(one.outcome for one in acted), *(verdict.outcome for verdict in noted.values())])
    moved = {
        "bulk": bulk.id, "position": behind or bulk.position, "done": behind is None,
        "pause_s": _UNTIL_ROOM_S if full else pause_s if picks.jobs else 0,
        "outcomes": json_text.write({k: bulk.outcomes.get(k, 0) + met.get(k, 0) for k in {**bulk.outcomes, **met}}),
    }  # fmt: skip
    if not conn.execute(_MOVE, moved).rowcount:
        return Slice([], {}, done=True)
    _note(conn, bulk, noted)
    return Slice(acted, met, done=behind is None)


def later(conn: Connection, bulk_id: UUID, error: str, *, most_s: float = 300.0) -> None:
    """Retry the next slice after a pause, which grows up to `most_s`."""
    conn.execute(_LATER, {"bulk": bulk_id, "error": error[:_LONGEST_ERROR], "most_s": most_s})


def standing(conn: Connection) -> Standing:
    """Return how many actions are running, and for how long one has made no progress. Looks at 10,000 rows at most."""
    return Standing(*conn.execute(_STANDING).one())


def _lock(conn: Connection, bulk: Bulk, picks: Picks) -> tuple[list[Picked], UUID | None]:
    """Return the jobs before the first one locked by another transaction, and where the next slice begins."""
    if not picks.jobs:
        return [], picks.next_before
    seer = bulk.wanted.within(bulk.reach.viewer) or bulk.reach.viewer
    where = parameters(seer, bulk.wanted, look=0, before=bulk.position)
    asked = {**where, "ids": [job.id for job in picks.jobs]}
    found = {row.id: row for row in conn.execute(_LOCK, asked)}
    free: list[Picked] = []
    before = bulk.position
    for job in picks.jobs:
        if job.id not in found:
            # A locked job is looked at again. A job that was forgotten meanwhile is not found by the next look.
            return free, before
        before = job.id
        if found[job.id].matches:
            free.append(picked(found[job.id]))
    return free, picks.next_before


def _fitting(conn: Connection, bulk: Bulk, verdicts: dict[UUID, Verdict]) -> dict[UUID, Verdict]:
    """Return the jobs before the first that would create a job for which the tenant has no room."""
    room = queue_caps.room(conn, bulk.tenant) if bulk.action is BulkAction.RETRY and verdicts else None
    if room is None:
        return verdicts
    fitting: dict[UUID, Verdict] = {}
    for job_id, verdict in verdicts.items():
        room -= changes(verdict)
        if room < 0:
            break
        fitting[job_id] = verdict
    return fitting


def _act(conn: Connection, bulk: Bulk, ids: Sequence[UUID]) -> list[Acted]:
    if not ids:
        return []
    rows = conn.execute(_ACT, {"bulk": bulk.id, "ids": list(ids), "makes": [uuid7() for _ in ids]})
    return [Acted(row.job_id, member(BulkOutcome, row.outcome), row.report_type, row.age_s) for row in rows]


def _note(conn: Connection, bulk: Bulk, noted: Mapping[UUID, Verdict]) -> None:
    if noted:
        rows = [{"job_id": job_id, **verdict._asdict()} for job_id, verdict in noted.items()]
        conn.execute(_NOTE, {"bulk": bulk.id, "noted": json_text.write(rows)})
