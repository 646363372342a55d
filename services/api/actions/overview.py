"""The state of the whole installation: what needs attention, what was measured, which workers run,
and how jobs ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from anyio import to_thread

from services.api.actions import attention
from services.api.actions.attention import FAILING_BEFORE_S, FAILING_LATELY_S, Condition, State
from services.api.actions.partial import looked_at
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs import measurements, totals, workers
from shared.jobs.measurements import Measured, Subject
from shared.jobs.totals import Came, OfType, Point
from shared.jobs.workers import Seen

_MOST_WORKERS = 200


class Period(StrEnum):
    """How far back the history goes."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def seconds(self) -> int:
        """Its length in seconds."""
        return _STEPS[self][0]

    @property
    def step_s(self) -> int:
        """The length in seconds of one step of the history."""
        return _STEPS[self][1]


_STEPS = {Period.HOUR: (3_600, 60), Period.DAY: (86_400, 900), Period.WEEK: (7 * 86_400, 3 * 3_600)}
"""Sixty to a hundred steps per period."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the installation. A part is None if the database took too long to read it."""

    at: datetime
    period: Period
    conditions: Sequence[Condition]
    measured: Mapping[Subject, Measured] | None
    workers: Sequence[Seen] | None
    """The workers seen within a day, the first 200."""
    points: Sequence[Point] | None
    accepted: Sequence[Came] | None
    types: Sequence[OfType] | None

    @property
    def not_looked_at(self) -> Sequence[str]:
        """The names of the parts that are None."""
        parts = {
            "measured": self.measured, "workers": self.workers, "history": self.points, "accepted": self.accepted,
            "reportTypes": self.types,
        }  # fmt: skip
        return [name for name, part in parts.items() if part is None]


async def look(parts: Parts, principal: Principal, period: Period) -> Overview:
    """Return the state of the installation, with the history of the period.

    Six statements, each over a bounded number of rows.
    """

    def read() -> Overview:
        engine, seconds, step_s = parts.engine, period.seconds, period.step_s
        measured = looked_at(engine, "measurements", measurements.read)
        crew = looked_at(engine, "workers", lambda conn: workers.list_workers(conn, most=_MOST_WORKERS))
        failing = looked_at(
            engine,
            "failing",
            lambda conn: totals.failing(conn, lately_s=FAILING_LATELY_S, before_s=FAILING_BEFORE_S),
        )
        points = looked_at(engine, "history", lambda conn: totals.series(conn, period_s=seconds, step_s=step_s))
        came = looked_at(engine, "accepted", lambda conn: totals.accepted(conn, period_s=seconds, step_s=step_s))
        types = looked_at(engine, "types", lambda conn: totals.by_type(conn, period_s=seconds))
        found = attention.conditions(State(measured, crew, failing))
        return Overview(datetime.now(UTC), period, found, measured, crew, points, came, types)

    principal.need(Scope.ADMIN_READ)
    return await to_thread.run_sync(read)


async def measured(parts: Parts, principal: Principal) -> Mapping[Subject, Measured] | None:
    """Return what the relays measured last; None if the database took too long."""
    principal.need(Scope.ADMIN_READ)
    return await to_thread.run_sync(lambda: looked_at(parts.engine, "measurements", measurements.read))
