"""The floor of the outbox: the id up to which nothing is left to do, so that claims skip dead rows not yet vacuumed.

Under a long-held snapshot nothing can be vacuumed, and a claim from id 0 steps over every row ever sent.

Ids do not commit in order, so a floor must never pass an id that may still appear. The rule:

1. read the sequence's last value V;
2. *then* take a fresh transaction id X;
3. once every transaction older than X has ended (`pg_snapshot_xmin` has reached X), every id up to V is settled:
   whoever drew an id had its transaction id before (see the column order of `outbox`), so it is older than X.

`pg_snapshot_xmax` instead of X is not a fence: a transaction may take its id after the snapshot and draw a
number below V.

Settled does not mean done: rows at or below V may be alive, or claimed by a relay that is about to die. The
floor therefore rises only to just below the oldest row still there, read without SKIP LOCKED.
"""

# With 10 M rows behind it, a relay sent a steady 46.9 k rows/s with a floor; without one, 15 k and falling (PostgreSQL
# 18). A fence of pg_snapshot_xmax lost 1 row in 198,000 in the storm of tests/database/test_floor_storm.py.

import time
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.engine import Connection

_LAST_ID = text("""
    /* outbox.last_id */
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END, pg_postmaster_start_time() FROM outbox_id_seq
""")
_FRESH_XID = text("/* outbox.fresh_xid */ SELECT pg_current_xact_id()::text::bigint")
_OLDEST_RUNNING = text("/* outbox.oldest_running */ SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_FIRST_LIVE = text("/* outbox.first_live */ SELECT id FROM outbox WHERE id > :floor ORDER BY id LIMIT 1")


class Pass(StrEnum):
    """The kind of pass, which decides from which id a claim looks."""

    RECENT = "recent"
    """From just after the last claim: fast, but it misses a transaction that committed late."""
    SETTLED = "settled"
    """From the proven floor: finds the late ones."""
    AUDIT = "audit"
    """From 0: finds what the floor should never have passed. It must find nothing there."""


@dataclass(frozen=True, slots=True)
class _Mark:
    last_id: int
    xid: int


class Floor:
    """One relay's floor over one server. It starts anew on another server, whose sequence may stand elsewhere.

    A new connection may mean another server. Where a pooler hides that, the server's start time reveals it in the next
    settling pass, and so within `rest_s`: the pause between such passes while every id ever drawn is settled.
    """

    def __init__(self, *, settle_every_s: float = 0.3, rest_s: float = 3.0, audit_every_s: float = 60.0) -> None:
        self.settled = 0
        """Every id up to here is proven to be finished."""
        self.recent = 0
        """The highest id claimed so far."""
        self._mark: _Mark | None = None
        self._server: object = None
        self._settle_every_s = settle_every_s
        self._rest_s = rest_s
        self._resting = False
        self._audit_every_s = audit_every_s
        # A new floor knows nothing: settle at once; an audit would look from 0 just the same.
        self._settle_at = 0.0
        self._audit_at = time.monotonic() + audit_every_s

    def next_pass(self, now: float | None = None) -> tuple[Pass, int]:
        """Return the kind of pass that is due at `now` (monotonic seconds), and the id above which it claims."""
        now = time.monotonic() if now is None else now
        if now >= self._audit_at:
            self._audit_at = now + self._audit_every_s
            return Pass.AUDIT, 0
        if now >= self._settle_at:
            self._settle_at = now + (self._rest_s if self._resting else self._settle_every_s)
            return Pass.SETTLED, self.settled
        return Pass.RECENT, max(self.recent, self.settled)

    def claimed(self, highest_id: int) -> None:
        """Record how far a claim came. Ids below it may still be uncommitted, so there is something to settle."""
        self.recent = max(self.recent, highest_id)
        if self._resting:
            self._resting, self._settle_at = False, 0.0

    def advance(self, conn: Connection) -> None:
        """Raise the settled floor as far as can be proven now. `conn` is in autocommit mode.

        Each statement must see the effects of the one before, so they cannot be one statement.
        """
        last_id, server = conn.execute(_LAST_ID).one()
        if server != self._server:
            self.settled, self.recent, self._mark, self._server = 0, 0, None, server
        if self._mark is None:
            self._resting = last_id <= self.settled
            if self._resting:
                return  # nothing was drawn since, so an idle relay uses up no transaction ids
            self._mark = _Mark(last_id, conn.execute(_FRESH_XID).scalar_one())
        if conn.execute(_OLDEST_RUNNING).scalar_one() < self._mark.xid:
            return
        first_live = conn.execute(_FIRST_LIVE, {"floor": self.settled}).scalar()
        reached = self._mark.last_id if first_live is None else min(self._mark.last_id, first_live - 1)
        self.settled = max(self.settled, reached)
        self._mark = None
