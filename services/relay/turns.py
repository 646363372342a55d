"""Decides whose doorbell is next: tenants take turns, and a tenant's surplus is held until its next turn.

Each relay remembers the doorbells that it has sent and that no worker has answered. A tenant may have up to `ahead` of
them; its others are held (shared/jobs/held.py), and leave as the first are answered. So the number of doorbells in the
queue ahead of a quiet tenant is bounded, however much another tenant has asked for (docs/explanation/fairness.md).
While no tenant has that many, this costs one look-up per `ahead` doorbells, and nothing is held.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy.engine import Connection

from services.relay import metrics
from shared.jobs import caps, held
from shared.jobs.doorbell import TOPIC, doorbell_for, read_doorbell
from shared.jobs.gates import Gate, Kind
from shared.jobs.held import Waiting
from shared.outbox.messages import OutboxRow

T = TypeVar("T")

_LOOK_EVERY_S = 0.05
"""Pause between looks for held doorbells that may leave."""
_BLOCKED_S = 0.25
"""The same while none may leave, because the window or the caps are full."""
_PROBE_EVERY_S = 2.0
"""Pause between looks for held doorbells while this relay knows of none: other relays hold some, too."""
_MOST_REMEMBERED = 200_000
"""Doorbells that a relay remembers at once, for all tenants together: some 40 MB."""


class Turns:
    """One relay's order among the doorbells. Used only by the publisher's thread."""

    def __init__(self, *, ahead: int) -> None:
        self._ahead = ahead
        self._ringing: dict[str, dict[UUID, Sequence[Gate]]] = {}
        """Tenant → the jobs that this relay has rung for and does not know to have started, each with the gates that it
        runs under, as far as they are known."""
        self._let_out: dict[UUID, Sequence[Gate]] = {}
        """The doorbells that left `held` in this pass, and the gates of each."""
        self._remembered = 0
        self._any_held = False
        self._probe_at = 0.0
        self._look_at = 0.0
        self._last = ""
        """The tenant that had the last turn."""

    def due(self, conn: Connection) -> bool:
        """True when held doorbells may leave now. Opens no transaction, and asks the database only now and then."""
        if not self._any_held and time.monotonic() >= self._probe_at:
            self._probe_at = time.monotonic() + _PROBE_EVERY_S
            self._any_held = held.any_held(conn)
        return self._any_held and time.monotonic() >= self._look_at

    def hold_surplus(self, conn: Connection, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
        """Hold the surplus of each tenant, in the transaction that claimed it. Returns the rows that leave now."""
        doorbells = [_named(row) for row in rows]
        self._refresh_the_crowded(conn, rows)
        new: dict[str, int] = {}
        leaving: list[OutboxRow] = []
        surplus: dict[UUID, str | None] = {}
        for row, job_id in zip(rows, doorbells, strict=True):
            ringing: Collection[UUID] = self._ringing.get(row.group_key, ())
            if job_id is None or job_id in ringing:
                # Not a doorbell, or one that is rung again because it was lost: it is counted already.
                leaving.append(row)
            elif row.behind or len(ringing) + new.get(row.group_key, 0) >= self._ahead:
                surplus[job_id] = row.headers
            else:
                new[row.group_key] = new.get(row.group_key, 0) + 1
                leaving.append(row)
        if surplus:
            held.hold(conn, surplus)
            self._any_held = True
            metrics.PUT_BACK.inc(len(surplus))
        return leaving

    def let_out(self, conn: Connection, leaving: Sequence[OutboxRow]) -> tuple[list[OutboxRow], int]:
        """Take the held doorbells whose turn it is, in the transaction that sends them together with `leaving`.

        Returns them, and how many more were dropped because their jobs have ended.
        """
        if not self.due(conn):
            return [], 0
        began = time.monotonic()
        first = held.candidates(conn, most=self._ahead)
        self._any_held = bool(first)
        tenants = {waiting.tenant for waiting in first}
        self._refresh(conn, tenants)
        ringing = sum(len(self._ringing.get(tenant, ())) for tenant in tenants)
        room = self._ahead - ringing - sum(row.group_key in tenants for row in leaving)
        chosen = chosen_in_turns(first, most=room, after=self._last, room=self._room(conn, first))
        taken = held.take(conn, [waiting.job_id for waiting in chosen])
        self._let_out = {waiting.job_id: waiting.gates for waiting in chosen}
        self._last = chosen[-1].tenant if chosen else self._last
        now = time.monotonic()
        # However many jobs must be looked up, most of the time is left for other work.
        self._look_at = now + max(_LOOK_EVERY_S if chosen else _BLOCKED_S, 4 * (now - began))
        out = [OutboxRow(0, TOPIC, t.tenant, doorbell_for(t.job_id), t.headers) for t in taken if t.wanted]
        return out, len(taken) - len(out)

    def _room(self, conn: Connection, waiting: Sequence[Waiting]) -> Mapping[Gate, int]:
        """Return how many doorbells may leave under each cap: its free slots, less the doorbells on their way to a
        worker.
        """
        if not waiting:
            return {}
        room = dict(caps.room(conn))
        # A cap of a report type or a source is shared by all tenants, so forget the started jobs of the others,
        # too.
        self._refresh(
            conn,
            [
                tenant
                for tenant, ringing in self._ringing.items()
                if any(gate in room for gates in ringing.values() for gate in gates)
            ],
        )
        for tenant, ringing in self._ringing.items() if room else ():
            for gates in ringing.values():
                for gate in gates or (Gate(Kind.TENANT, tenant),):
                    if gate in room:
                        room[gate] -= 1
        return room

    def sent(self, rows: Iterable[OutboxRow]) -> None:
        """Remember doorbells that are now in the queue, because their transaction has committed."""
        for row in rows:
            job_id = _named(row)
            if job_id is not None:
                metrics.LET_OUT.inc(job_id in self._let_out)
                self._ringing.setdefault(row.group_key, {})[job_id] = self._let_out.get(job_id, ())
                self._remembered += 1
        if self._remembered > _MOST_REMEMBERED:
            self._ringing.clear()
            self._remembered = 0

    def _refresh_the_crowded(self, conn: Connection, rows: Sequence[OutboxRow]) -> None:
        coming: dict[str, int] = {}
        for row in rows:
            if not row.behind:
                coming[row.group_key] = coming.get(row.group_key, 0) + 1
        self._refresh(
            conn, [tenant for tenant, n in coming.items() if n + len(self._ringing.get(tenant, ())) > self._ahead]
        )

    def _refresh(self, conn: Connection, tenants: Iterable[str]) -> None:
        """Forget the jobs of these tenants that a worker has started, that have ended, or that were rung again."""
        asked = [job_id for tenant in tenants for job_id in self._ringing.get(tenant, ())]
        if not asked:
            return
        unstarted = held.unstarted(conn, asked)
        for tenant in tenants:
            known = self._ringing.pop(tenant, {})
            left = {job_id: gates for job_id, gates in known.items() if job_id in unstarted}
            self._remembered -= len(known) - len(left)
            if left:
                self._ringing[tenant] = left


def _named(row: OutboxRow) -> UUID | None:
    return read_doorbell(row.payload)[0] if row.topic == TOPIC else None


def in_turns(items: Iterable[T], whose: Callable[[T], str]) -> list[T]:
    """Return all items in an order in which their owners take turns: the first item of each, then the second, and so
    on.

    Owners follow in the order of their first items, and the items of each owner keep their order.
    """
    own: dict[str, list[T]] = {}
    for item in items:
        own.setdefault(whose(item), []).append(item)
    if len(own) == 1:
        return next(iter(own.values()))
    longest = max(map(len, own.values()), default=0)
    return [queue[turn] for turn in range(longest) for queue in own.values() if turn < len(queue)]


def chosen_in_turns(
    waiting: Iterable[Waiting], *, most: int, after: str, room: Mapping[Gate, int] | None = None
) -> list[Waiting]:
    """Return the next `most` doorbells.

    Tenants take turns, beginning after `after`; within a tenant the most urgent comes first. `room` is how many may
    leave under each cap.
    """
    ordered = sorted(waiting, key=lambda w: (w.tenant <= after, w.tenant, -w.priority, w.job_id))
    left = dict(room or {})
    chosen: list[Waiting] = []
    for one in in_turns(ordered, lambda w: w.tenant):
        if len(chosen) >= most:
            break
        under = [gate for gate in one.gates if gate in left]
        if all(left[gate] > 0 for gate in under):
            left |= {gate: left[gate] - 1 for gate in under}
            chosen.append(one)
    return chosen
