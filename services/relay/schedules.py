"""Submits the jobs of schedules that are due.

A crash may follow any durable step. A tick's line in the history, its job, and the schedule's next tick are one
transaction, so after any crash the next pass finds the tick either untouched or done.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from shared import json_text
from shared.catalog.model import ReportType
from shared.catalog.moment import zone_problem
from shared.database.engine import transactional
from shared.jobs.cancel import cancel
from shared.jobs.queue_caps import room
from shared.jobs.submission import Submission
from shared.jobs.submit import submit_all
from shared.jobs.viewer import Viewer
from shared.runtime.settings import RING_AFTER_S
from shared.schedules import due
from shared.schedules.due import Due, HistoryLine, Move
from shared.schedules.schedule import Cause, Fate, Overlap, Reason
from shared.schedules.submission import submission_of
from shared.schedules.turn import turn

log = logging.getLogger(__name__)

_MOST = 200
"""Ticks per transaction: some tens of milliseconds, during which those schedules cannot be changed."""
_AGAIN_S = 30.0
"""Pause before another look at a tick for which the tenant's queue has no room, or whose report type or time zone this
relay does not know."""
_BROKEN_MOST_S = 3_600.0
"""Longest pause before another look at a schedule that raises an unexpected error."""
_LONGEST_ERROR = 200
"""Characters of an error's text that are stored."""
_UNKNOWN_FOR_S = 900.0
"""How long an unknown report type or zone may be explained by a deployment that has not reached this relay yet."""


class Types(Protocol):
    """The catalog."""

    @property
    def types(self) -> Mapping[str, ReportType]:
        """Every report type by name."""


class Schedules:
    """One relay's share of the schedules. Any number may run: SKIP LOCKED gives each its own rows."""

    def __init__(self, engine: Engine, catalog: Types, *, ring_after_s: float = RING_AFTER_S) -> None:
        self._engine = engine
        self._catalog = catalog
        self._ring_after_s = ring_after_s

    def run_once(self) -> int:
        """Submit what is due now.

        Returns how many ticks were looked at; while there are more, the next pass follows at once.
        """
        with self._engine.connect() as conn:
            if not due.any_due(conn):
                return 0
        return self._due() + self._asked_for()

    def _due(self) -> int:
        with transactional(self._engine).begin() as conn:
            found = due.due(conn, most=_MOST)
            rooms = Rooms(conn, found)
            decided = [self._decide_alone(one, rooms) for one in found]
            wanted = due.move(conn, [move for move, _ in decided]) if decided else set()
            submissions = [s for _, s in decided if s is not None and s.id in wanted]
            self._cancel_earlier(conn, [one for one, (_, s) in zip(found, decided, strict=True) if s in submissions])
            self._submit(conn, submissions)
        self._tell([move for move, _ in decided])
        return len(found)

    def _asked_for(self) -> int:
        with transactional(self._engine).begin() as conn:
            found = due.waiting(conn, most=_MOST)
            rooms = Rooms(conn, found)
            # A tick without room waits.
            found = [one for one in found if rooms.take(one.schedule.tenant)]
            tried = [self._try_alone(one) for one in found]
            told = [(one.schedule.id, line) for one, (line, _) in zip(found, tried, strict=True)]
            wanted = due.settle(conn, told) if told else set()
            self._submit(conn, [s for _, s in tried if s is not None and s.id in wanted])
        for _, (line, _) in zip(found, tried, strict=True):
            metrics.TICKS.labels(line.fate, line.reason or "none").inc()
        return len(found)

    def _try_alone(self, one: Due) -> tuple[HistoryLine, Submission | None]:
        """Write the tick's line and submit its job.

        A fault of one tick must not keep others from their jobs; the tick's job can be requested again.
        """
        try:
            return submission_of(one, self._catalog.types)
        except Exception:
            log.exception("schedule.broken", extra={"schedule_id": one.schedule.id, "tenant": one.schedule.tenant})
            detail = "The relay met an unexpected error."
            return HistoryLine(one.tick, one.cause, Fate.FAILED, Reason.PARAMETERS_WRONG, detail), None

    def _submit(self, conn: Connection, submissions: Sequence[Submission]) -> None:
        if submissions:
            submit_all(conn, submissions, ring_after_s=self._ring_after_s)

    def _cancel_earlier(self, conn: Connection, ticks: Sequence[Due]) -> None:
        for one in ticks:
            schedule = one.schedule
            if one.runs_still and schedule.wanted.overlap is Overlap.CANCEL and schedule.due_job_id:
                cancel(conn, schedule.due_job_id, Viewer(schedule.tenant, None, ()))

    def _decide_alone(self, one: Due, rooms: "Rooms") -> tuple[Move, Submission | None]:
        """Decide one tick. A fault of one tick must not keep others from their jobs; the tick is looked at again."""
        try:
            return self._decide(one, rooms)
        except Exception as error:
            move = _broken(one, error)
            if move.failing_because != one.schedule.failing_because:
                log.exception("schedule.broken", extra={"schedule_id": one.schedule.id, "tenant": one.schedule.tenant})
            return move, None

    def _decide(self, one: Due, rooms: "Rooms") -> tuple[Move, Submission | None]:
        """Return how a due schedule moves on, and the job that it submits, if any."""
        schedule = one.schedule
        if problem := zone_problem(schedule.wanted.timing.zone):
            return _without_its_zone(one, problem)
        now_runs = turn(schedule.id, schedule.wanted, one.tick, one.now)
        told = []
        if now_runs.skipped is not None:
            since, last = now_runs.skipped
            told.append(HistoryLine(last, Cause.DUE, Fate.SKIPPED, Reason.MISSED, since=since))
        if now_runs.tick is None:
            return _moved(one, told, now_runs.looked_at), None
        if one.runs_still and schedule.wanted.overlap is Overlap.SKIP:
            told.append(HistoryLine(now_runs.tick, Cause.DUE, Fate.SKIPPED, Reason.OVERLAP))
            return _moved(one, told, now_runs.looked_at), None
        line, submission = submission_of(one._replace(tick=now_runs.tick), self._catalog.types)
        unknown = line.reason is Reason.REPORT_TYPE_GONE
        if unknown and one.now < now_runs.tick + timedelta(seconds=_UNKNOWN_FOR_S):
            return _again(one), None
        if submission is not None and not rooms.take(schedule.tenant):
            return _again(one), None
        if submission is None:
            return Move(schedule.id, schedule.tenant, [*told, line], stop_reason=line.reason), None
        if one.runs_still and schedule.wanted.overlap is Overlap.CANCEL:
            # No person did this, so it is recorded here and not in the audit trail.
            line = line._replace(detail=f"The earlier job {schedule.due_job_id} was cancelled.")
        return _moved(one, [*told, line], now_runs.looked_at), submission

    @staticmethod
    def _tell(moves: Sequence[Move]) -> None:
        for move in moves:
            for line in move.told:
                metrics.TICKS.labels(line.fate, line.reason or "none").inc()
            if move.stop_reason not in {None, Reason.NO_TICKS_LEFT}:
                log.warning(
                    "schedule.stopped",
                    extra={"schedule_id": move.schedule_id, "tenant": move.tenant, "reason": move.stop_reason},
                )


class Rooms:
    """How many more jobs each tenant may have, where its queue is capped.

    Nothing else adds jobs for these tenants meanwhile.
    """

    def __init__(self, conn: Connection, found: Sequence[Due]) -> None:
        # Lock in one order everywhere, so that two relays cannot deadlock.
        self._left = {tenant: room(conn, tenant) for tenant in sorted({one.schedule.tenant for one in found})}

    def take(self, tenant: str) -> bool:
        """Take the room for one job. Returns False if the tenant has none left."""
        left = self._left[tenant]
        if left is not None:
            self._left[tenant] = left - 1
        return left is None or left > 0


def _again(one: Due, pause_s: float = _AGAIN_S) -> Move:
    """Leave the tick as it is, to be looked at again after `pause_s` seconds."""
    again = one.now + timedelta(seconds=pause_s)
    return Move(one.schedule.id, one.schedule.tenant, [], one.tick, again)


def _broken(one: Due, error: Exception) -> Move:
    """The tick is looked at again ever more rarely: at first after half a minute, in the end once an hour."""
    because = json_text.storable(f"{type(error).__name__}: {error}"[:_LONGEST_ERROR])
    failing_for = one.now - (one.schedule.failing_since or one.now)
    pause_s = min(_BROKEN_MOST_S, max(_AGAIN_S, failing_for.total_seconds()))
    return _again(one, pause_s)._replace(failing_because=because)


def _without_its_zone(one: Due, problem: str) -> tuple[Move, None]:
    """Postpone a schedule whose time zone is unknown here, and end it if that lasts.

    A relay of another release may know the zone for a while. After that, somebody has to choose another zone.
    """
    if one.now < one.tick + timedelta(seconds=_UNKNOWN_FOR_S):
        return _again(one), None
    told = HistoryLine(one.tick, Cause.DUE, Fate.FAILED, Reason.PARAMETERS_WRONG, f"timeZone: {problem}")
    return Move(one.schedule.id, one.schedule.tenant, [told], stop_reason=told.reason), None


def _moved(one: Due, told: Sequence[HistoryLine], looked_at: datetime) -> Move:
    """Move the schedule to its next tick, or end it if there is none."""
    schedule, timing = one.schedule, one.schedule.wanted.timing
    tick = timing.next_tick(looked_at)
    if tick is None:
        return Move(schedule.id, schedule.tenant, told, stop_reason=Reason.NO_TICKS_LEFT, key_id=one.key_id)
    return Move(schedule.id, schedule.tenant, told, tick, timing.due_at(schedule.id, tick), key_id=one.key_id)
