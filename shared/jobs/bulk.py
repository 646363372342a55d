"""Bulk actions: one action on all jobs that match a filter, up to a horizon that is fixed when the action is created.

The row records what the action's creator may see and do, and the relay that carries it out (bulk_slices.py) keeps to
that. An action begins as a dry run, which somebody reviews and then runs; or it runs at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.access.audit import Actor
from shared.jobs.bulk_rules import BulkAction, Terms
from shared.jobs.filters import OLDEST, JobFilter
from shared.jobs.picking import Reach
from shared.jobs.viewer import Viewer
from shared.stored import member


class BulkState(StrEnum):
    """The state of an action."""

    DRY_RUN = "DRY_RUN"
    """It shows what it would do."""
    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"

    @property
    def final(self) -> bool:
        """True if nothing more will happen."""
        return self in {BulkState.DONE, BulkState.STOPPED}


class Bulk(NamedTuple):
    """A bulk action."""

    id: UUID
    tenant: str
    action: BulkAction
    state: BulkState
    filter: Mapping[str, Any]
    reason: str
    matched: Mapping[str, Any]
    """What it matched when it was created, before it changed anything."""
    created_at: datetime
    horizon: UUID
    subject: str | None
    sees_only: str | None
    hidden: Sequence[str]
    terms: Terms | None
    digest: str | None
    position: UUID
    """It has handled every job above this id."""
    outcomes: Mapping[str, int]
    started_at: datetime | None
    ended_at: datetime | None
    stopped_by: str | None
    failures: int
    """How many times in a row its next step failed."""
    last_error: str | None
    version: int

    @property
    def reach(self) -> Reach:
        """Which jobs it may include."""
        return Reach(Viewer(self.tenant, self.sees_only, self.hidden), self.wanted, self.created_at)

    @property
    def wanted(self) -> JobFilter:
        """The filter that selects its jobs."""
        return JobFilter.of_stored(self.filter)


class NewBulk(NamedTuple):
    """An action to create."""

    id: UUID
    action: BulkAction
    state: BulkState
    reach: Reach
    horizon: UUID
    reason: str
    matched: Mapping[str, Any]
    terms: Terms | None
    request: str | None = None
    """The name of the request that creates it: a second request with this name creates no second action."""
    digest: str | None = None
    """The digest of that request's content."""


COLUMNS = ", ".join(Bulk._fields)
_BEGIN = "started_at = clock_timestamp(), moved_at = clock_timestamp(), due_at = clock_timestamp()"

_NOW = text("/* bulk.now */ SELECT clock_timestamp()")

_CREATE = text(f"""
    /* bulk.create */
    INSERT INTO bulk_actions (id, tenant, action, state, filter, reason, matched, created_at, horizon, subject, key_id,
                              request_id, address, sees_only, hidden, terms, request, digest, position, started_at,
                              moved_at, due_at)
    SELECT :id, :tenant, :action, :state, CAST(:filter AS jsonb), :reason, CAST(:matched AS jsonb), :until, :horizon,
           :subject, :key_id, :request_id, :address, :sees_only, CAST(:hidden AS text[]), CAST(:terms AS jsonb),
           :request, :digest, :horizon, begins.at, begins.at, begins.at
      FROM (SELECT CASE :state WHEN 'RUNNING' THEN clock_timestamp() END AS at) AS begins
        ON CONFLICT (tenant, request) WHERE request IS NOT NULL DO NOTHING
    RETURNING {COLUMNS}
""")

_VISIBLE = "tenant = :tenant AND (CAST(:own AS text) IS NULL OR subject = :own)"
_GET = text(f"/* bulk.get */ SELECT {COLUMNS} FROM bulk_actions WHERE id = :id AND {_VISIBLE}")
_HOLD = text(f"""
    /* bulk.hold */
    SELECT {COLUMNS} FROM bulk_actions WHERE id = :id AND {_VISIBLE} FOR NO KEY UPDATE
""")
_MADE_BY = text(f"/* bulk.made_by */ SELECT {COLUMNS} FROM bulk_actions WHERE tenant = :tenant AND request = :request")

# One at a time for each tenant, so that two requests that begin an action count each other.
_ONE_AT_A_TIME = text("/* bulk.lock */ SELECT pg_advisory_xact_lock(hashtextextended('bulk/' || :tenant, 0))")
_RUNNING = text("""
    /* bulk.running */
    SELECT count(*) FROM (SELECT FROM bulk_actions WHERE tenant = :tenant AND state = 'RUNNING' LIMIT :most) AS bounded
""")

# With no more rights than the creator had then, and no more than it has now.
_RUN = text(f"""
    /* bulk.run */
    UPDATE bulk_actions
       SET state = 'RUNNING', {_BEGIN}, version = version + 1, sees_only = coalesce(sees_only, :sees_only),
           hidden = ARRAY(SELECT DISTINCT unnest(hidden || CAST(:hidden AS text[])) ORDER BY 1),
           terms = CAST(:terms AS jsonb), key_id = :key_id, request_id = :request_id, address = :address,
           reason = coalesce(CAST(:reason AS text), reason)
     WHERE id = :id AND state = 'DRY_RUN'
    RETURNING {COLUMNS}
""")
_STOP = text(f"""
    /* bulk.stop */
    UPDATE bulk_actions
       SET state = 'STOPPED', ended_at = clock_timestamp(), due_at = NULL, stopped_by = :by, version = version + 1
     WHERE id = :id AND state IN ('DRY_RUN', 'RUNNING')
    RETURNING {COLUMNS}
""")


def _list(name: str, *key: str, where: str = "true") -> TextClause:
    """Return a statement for a list, newest first, older than `before`: a range of a whole index
    key, as in listing.py.
    """
    names, order = ", ".join((*key, "id")), ", ".join(f"{column} DESC" for column in (*key, "id"))
    values = ", ".join(f":{column}" for column in key)
    return text(f"""
        /* {name} */
        SELECT {COLUMNS} FROM bulk_actions
         WHERE {where} AND ({names}) <= ({values}, :before) AND ({names}) >= ({values}, :oldest) AND id <> :before
         ORDER BY {order} LIMIT :limit
    """)


_LIST = _list("bulk.list", "tenant")
# Without keys there is no subject, and an action has no entry in the index.
_LIST_OWN = _list("bulk.list_own", "tenant", "subject", where="subject IS NOT NULL")


def now(conn: Connection) -> datetime:
    """Return the time by the database's clock."""
    at: datetime = conn.execute(_NOW).scalar_one()
    return at


def create(conn: Connection, new: NewBulk, actor: Actor) -> Bulk | None:
    """Create the action; None if an earlier request of its name has created one."""
    viewer = new.reach.viewer
    values = {
        **new._asdict(), **actor._asdict(), "filter": json_text.write(new.reach.wanted.stored),
        "matched": json_text.write(new.matched), "until": new.reach.until, "sees_only": viewer.requester,
        "hidden": list(viewer.hidden), "terms": None if new.terms is None else json_text.write(new.terms),
    }  # fmt: skip
    row = conn.execute(_CREATE, values).one_or_none()
    return None if row is None else bulk_of(row)


def get(conn: Connection, tenant: str, bulk_id: UUID, *, own: str | None, hold: bool = False) -> Bulk | None:
    """Return the action, or None if there is none with that id; with `own`, or if it belongs to another subject.

    `hold` locks it until the transaction ends.
    """
    row = conn.execute(_HOLD if hold else _GET, {"id": bulk_id, "tenant": tenant, "own": own}).one_or_none()
    return None if row is None else bulk_of(row)


def made_by(conn: Connection, tenant: str, request: str) -> Bulk | None:
    """Return the action that a request of that name has created."""
    row = conn.execute(_MADE_BY, {"tenant": tenant, "request": request}).one_or_none()
    return None if row is None else bulk_of(row)


def may_begin(conn: Connection, tenant: str, *, most: int) -> bool:
    """True if fewer than `most` of the tenant's actions are running.

    No other can begin before this transaction ends.
    """
    conn.execute(_ONE_AT_A_TIME, {"tenant": tenant})
    return int(conn.execute(_RUNNING, {"tenant": tenant, "most": most}).scalar_one()) < most


def run(
    conn: Connection, bulk_id: UUID, viewer: Viewer, terms: Terms | None, actor: Actor, *, reason: str | None = None
) -> Bulk | None:
    """Let a dry run be carried out, with the rights that its creator has had since.

    None if it is not a dry run any more. `reason` replaces the one given at its creation.
    """
    values = {
        "id": bulk_id, "sees_only": viewer.requester, "hidden": list(viewer.hidden),
        "terms": None if terms is None else json_text.write(terms), "key_id": actor.key_id,
        "request_id": actor.request_id, "address": actor.address, "reason": reason,
    }  # fmt: skip
    row = conn.execute(_RUN, values).one_or_none()
    return None if row is None else bulk_of(row)


def stop(conn: Connection, bulk_id: UUID, by: str | None) -> Bulk | None:
    """Stop the action. None if it has ended already."""
    row = conn.execute(_STOP, {"id": bulk_id, "by": by}).one_or_none()
    return None if row is None else bulk_of(row)


def list_bulk(conn: Connection, tenant: str, *, own: str | None, size: int, before: UUID) -> list[Bulk]:
    """Return the tenant's actions, newest first, older than `before`; with `own`, those of one subject."""
    asked = {"tenant": tenant, "subject": own, "before": before, "oldest": OLDEST, "limit": size}
    return [bulk_of(row) for row in conn.execute(_LIST if own is None else _LIST_OWN, asked)]


def bulk_of(row: Any) -> Bulk:
    """Return the action of a row with COLUMNS."""
    fields = row._asdict()
    return Bulk(
        **{**fields, "action": member(BulkAction, fields["action"]), "state": member(BulkState, fields["state"])}
    )
