"""Caps: how many jobs of a tenant, of a report type or on a source may run at the same time.

A cap has as many slots as jobs may run, one row each. The start of a job writes its lease into a free slot; nothing
clears it. The slot is free again when that job no longer runs under that lease, which the job's own row shows. So
ending a job costs nothing extra, and no crash can lose a slot. Jobs that are not capped pay nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs.gates import Gate, Kind, concerns, lock
from shared.jobs.lease import Lease
from shared.jobs.unfinished import SLICE
from shared.jobs.walk import START, next_after
from shared.stored import member

_SLICE = 10_000

_HOLDS = """EXISTS (
               SELECT FROM jobs
                WHERE id = slots.job_id AND status = 'PROCESSING' AND lease_token = slots.lease_token OFFSET 0)"""


FREE = f"""greatest(0, caps.running - (
               SELECT count(*) FROM slots WHERE (slots.kind, slots.name) = (caps.kind, caps.name) AND {_HOLDS}))"""
"""An SQL fragment: how many more jobs may start under the cap of this row of `caps`."""


class Slot(NamedTuple):
    """One place under a cap."""

    gate: Gate
    number: int


class Cap(NamedTuple):
    """How many jobs may run at the same time."""

    gate: Gate
    running: int
    taken: int
    """How many are running now; more than `running` for a while after it was lowered."""


_SET = text("""
    /* caps.set */
    WITH cap AS (
        INSERT INTO caps (kind, name, running) VALUES (:kind, :name, :running)
            ON CONFLICT (kind, name) DO UPDATE SET running = excluded.running
    )
    INSERT INTO slots (kind, name, number)
    SELECT :kind, :name, n FROM generate_series(1, CAST(:running AS int)) AS n
        ON CONFLICT (kind, name, number) DO NOTHING
""")

_REMOVE = text("""
    /* caps.remove */
    WITH slots AS (DELETE FROM slots WHERE kind = :kind AND name = :name)
    DELETE FROM caps WHERE kind = :kind AND name = :name
""")

_TAKEN = f"""(
               SELECT count(*) FROM slots
                WHERE (slots.kind, slots.name) = (caps.kind, caps.name) AND {_HOLDS}) AS taken"""

_LIST = text(f"/* caps.list */ SELECT kind, name, running, {_TAKEN} FROM caps ORDER BY kind, name")

_GET = text(f"/* caps.get */ SELECT kind, name, running, {_TAKEN} FROM caps WHERE kind = :kind AND name = :name")

# The lowest free slots, as many as may be taken: a cap that was lowered has more slots than it may use. Concurrent
# callers ask for the same slots, and SKIP LOCKED gives each slot to one of them. They are free as far as this
# statement can see. A slot taken a moment ago is visible only to the next statement, so `_TRULY_FREE` checks again,
# once nobody else can take them.
_LOCK_FREE = text(f"""
    /* slots.lock_free */
    SELECT caps.kind, caps.name, free.number
      FROM jsonb_to_recordset(CAST(:gates AS jsonb)) AS asked(kind text, name text, many int)
      JOIN caps ON (caps.kind, caps.name) = (asked.kind, asked.name)
      LEFT JOIN LATERAL (
          SELECT number FROM slots
           WHERE slots.kind = caps.kind AND slots.name = caps.name
             AND number = ANY (ARRAY(SELECT number FROM slots
                                      WHERE (slots.kind, slots.name) = (caps.kind, caps.name) AND NOT {_HOLDS}
                                      ORDER BY number LIMIT {FREE}))
           ORDER BY number LIMIT asked.many FOR UPDATE SKIP LOCKED) AS free ON true
""")

_TRULY_FREE = text(f"""
    /* slots.truly_free */
    SELECT slots.kind, slots.name, slots.number
      FROM jsonb_to_recordset(CAST(:slots AS jsonb)) AS asked(kind text, name text, number int)
      JOIN slots ON (slots.kind, slots.name, slots.number) = (asked.kind, asked.name, asked.number)
     WHERE NOT {_HOLDS}
""")

_FILL = text("""
    /* slots.fill */
    UPDATE slots SET job_id = taken.job_id, lease_token = taken.token
      FROM jsonb_to_recordset(CAST(:taken AS jsonb)) AS taken(kind text, name text, number int, job_id uuid, token uuid)
     WHERE (slots.kind, slots.name, slots.number) = (taken.kind, taken.name, taken.number)
""")

_ROOM = text(f"""
    /* caps.room */
    SELECT kind, name, {FREE} FROM caps
""")

# Jobs that were running before the cap existed. Each gets a slot of its own until it ends.
_ADOPT = text(f"""
    /* caps.adopt */
    WITH slice AS MATERIALIZED (
        {SLICE.format(columns="id, tenant, report_type, status, lease_token")}
    ), adopted AS (
        INSERT INTO slots (kind, name, number, job_id, lease_token)
        SELECT :kind, :name, row_number() OVER (ORDER BY id) + (
                   SELECT max(number) FROM slots WHERE kind = :kind AND name = :name), id, lease_token
          FROM slice
         WHERE status = 'PROCESSING' AND {concerns("slice")}
           AND EXISTS (SELECT FROM caps WHERE (kind, name) = (:kind, :name))
           AND NOT EXISTS (SELECT FROM slots WHERE (kind, name, job_id) = (:kind, :name, slice.id)
                                               AND lease_token = slice.lease_token)
    )
    SELECT (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto, (SELECT count(*) FROM slice) AS seen
""")


def set_cap(conn: Connection, gate: Gate, running: int) -> None:
    """Let at most `running` of its jobs run from now on. Running jobs continue: `count_running` must follow."""
    conn.execute(_SET, {"kind": gate.kind, "name": gate.name, "running": running})


def count_running(conn: Connection, gate: Gate) -> None:
    """Give a slot to every job that runs without one, because it started before the cap existed.

    `set_cap` must have committed: jobs that start after it take a slot by themselves. `conn` is in another transaction,
    READ COMMITTED: nobody else counts meanwhile, or changes the cap, which may be gone by now.
    """
    lock(conn, gate)
    after, more = START, True
    while more:
        row = conn.execute(_ADOPT, {"kind": gate.kind, "name": gate.name, "after": after, "slice": _SLICE}).one()
        after = next_after(row.upto, row.seen, _SLICE)
        more = after != START


def remove_cap(conn: Connection, gate: Gate) -> bool:
    """Remove the cap. Returns False if there was none."""
    return conn.execute(_REMOVE, {"kind": gate.kind, "name": gate.name}).rowcount == 1


def caps(conn: Connection) -> Sequence[Cap]:
    """Return every cap, and how much of it is taken."""
    return [_cap(row) for row in conn.execute(_LIST)]


def cap_of(conn: Connection, gate: Gate) -> Cap | None:
    """Return the cap of that gate; None if it has none."""
    row = conn.execute(_GET, {"kind": gate.kind, "name": gate.name}).one_or_none()
    return None if row is None else _cap(row)


def _cap(row: Sequence[Any]) -> Cap:
    kind, name, *rest = row
    return Cap(Gate(member(Kind, kind), name), *rest)


def room(conn: Connection) -> Mapping[Gate, int]:
    """Return how many more jobs may start under each cap."""
    return {Gate(member(Kind, kind), name): free for kind, name, free in conn.execute(_ROOM)}


def lock_free_slots(conn: Connection, wanted: Mapping[Gate, int]) -> Mapping[Gate, list[Slot]]:
    """Return up to as many free slots as wanted for each gate with a cap; nobody else can take them until this
    transaction ends.
    """
    asked = [{"kind": gate.kind, "name": gate.name, "many": many} for gate, many in wanted.items()]
    rows = conn.execute(_LOCK_FREE, {"gates": json_text.write(asked)}).all()
    free: dict[Gate, list[Slot]] = {Gate(member(Kind, row.kind), row.name): [] for row in rows}
    locked = [{"kind": row.kind, "name": row.name, "number": row.number} for row in rows if row.number is not None]
    if locked:
        for kind, name, number in conn.execute(_TRULY_FREE, {"slots": json_text.write(locked)}):
            gate = Gate(member(Kind, kind), name)
            free[gate].append(Slot(gate, number))
    return free


def fill(conn: Connection, taken: Sequence[tuple[Slot, Lease]]) -> None:
    """Write which job runs in each slot, in the transaction that starts the jobs and has locked the slots."""
    rows = [
        {"kind": slot.gate.kind, "name": slot.gate.name, "number": slot.number, "job_id": lease.job_id,
         "token": lease.token}
        for slot, lease in taken
    ]  # fmt: skip
    if rows:
        conn.execute(_FILL, {"taken": json_text.write(rows)})
