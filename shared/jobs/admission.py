"""Starts jobs that are paused or capped, as far as that is allowed. The ordinary `start` passes them by.

If a job may not start now, its doorbell is held, in the same transaction. So the doorbell does not circulate through
the queue: the relay sends it when there is room.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs import caps, held
from shared.jobs.caps import Slot
from shared.jobs.gates import Gate, gates_of, paused
from shared.jobs.held import USUAL_PRIORITY
from shared.jobs.lease import TAKE, StartedJob, started_job


class Waiting(NamedTuple):
    """A job that waits behind a gate."""

    job_id: UUID
    tenant: str
    report_type: str
    source: str | None
    paused: bool
    in_time: bool
    """False once its deadline has passed: the sweeper ends the job, or moves the deadline when the pause is over."""

    @property
    def gates(self) -> Sequence[Gate]:
        """All gates that it would run under."""
        return gates_of(self.tenant, self.report_type, self.source)


@dataclass(frozen=True, slots=True)
class Admission:
    """What happened to the jobs of one `admit`.

    A job in neither field was locked by another transaction: look again shortly.
    """

    started: Sequence[StartedJob]
    held: frozenset[UUID]
    """Jobs whose doorbells are held, or which are past their deadline: the sweeper deals with those."""


_LOOK = text(f"""
    /* admission.look */
    SELECT j.id, j.tenant, j.report_type, s.source, {paused("j")} AS paused,
           j.deadline_at > clock_timestamp() AS in_time
      FROM jobs j LEFT JOIN report_sources s ON s.report_type = j.report_type
     WHERE j.id = ANY (CAST(CAST(:ids AS text) AS uuid[]))
       AND j.status = 'PENDING' AND j.run_at <= clock_timestamp()
     ORDER BY coalesce(j.priority, {USUAL_PRIORITY}) DESC, j.id
       FOR NO KEY UPDATE OF j SKIP LOCKED
""")

_START = text(f"""
    /* admission.start */
    {TAKE.format(which="id = ANY (CAST(CAST(:ids AS text) AS uuid[]))")}
""")


def admit(conn: Connection, job_ids: Collection[UUID], *, worker: str, lease_s: float) -> Admission:
    """Start the jobs that no pause holds back and that have a slot under each of their caps; hold the doorbells of the
    others.

    `conn` is in a transaction, which the caller commits: only then do the leases hold.
    """
    waiting = [Waiting(*row) for row in conn.execute(_LOOK, {"ids": _array(job_ids)})]
    free = caps.lock_free_slots(conn, _wanted(waiting)) if any(not w.paused and w.in_time for w in waiting) else {}
    places = places_for(waiting, free)
    started = []
    if places:
        asked = {"ids": _array(places), "worker": worker, "lease_s": lease_s}
        started = [started_job(row) for row in conn.execute(_START, asked)]
        caps.fill(conn, [(slot, job.lease) for job in started for slot in places[job.lease.job_id]])
    others = frozenset(w.job_id for w in waiting if w.job_id not in places)
    if others:
        held.hold(conn, dict.fromkeys(others))
    return Admission(started, others)


def places_for(waiting: Sequence[Waiting], free: Mapping[Gate, list[Slot]]) -> Mapping[UUID, Sequence[Slot]]:
    """Return the jobs that may start, in order, each with the slots that it takes: one under each of its caps."""
    left = {gate: list(slots) for gate, slots in free.items()}
    places: dict[UUID, Sequence[Slot]] = {}
    for job in waiting:
        under = [gate for gate in job.gates if gate in left]
        if not job.paused and job.in_time and all(left[gate] for gate in under):
            places[job.job_id] = [left[gate].pop(0) for gate in under]
    return places


def _wanted(waiting: Sequence[Waiting]) -> Mapping[Gate, int]:
    wanted: dict[Gate, int] = {}
    for job in waiting:
        if not job.paused and job.in_time:
            for gate in job.gates:
                wanted[gate] = wanted.get(gate, 0) + 1
    return wanted


def _array(ids: Collection[UUID]) -> str:
    return f"{{{json_text.write(list(ids))[1:-1]}}}"
