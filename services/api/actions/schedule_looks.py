"""What is shown with a schedule: how its latest ticks ended, and when it would be due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions import visible
from services.api.actions.parts import Parts
from services.api.actions.schedule_request import read_timing
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.schedules import history, store
from shared.schedules.history import Outcome
from shared.schedules.schedule import Schedule
from shared.schedules.timing import Timing

LATEST = 10
"""How many ticks are shown with a schedule."""


class Due(NamedTuple):
    """When a schedule would be due; nothing is written."""

    timing: Timing
    ticks: Sequence[datetime]


async def outcomes(
    parts: Parts, principal: Principal, schedules: Sequence[Schedule]
) -> Mapping[UUID, Sequence[Outcome]]:
    """Return how the latest ticks of schedules that the principal may see ended, oldest first.

    The state of a job that the principal may not see is left out.
    """

    def look(conn: Connection) -> Mapping[UUID, Sequence[Outcome]]:
        viewer = visible.viewer(parts.catalog, principal)
        return history.latest(conn, [one.id for one in schedules], viewer, each=LATEST)

    principal.need(Scope.SCHEDULES_READ)
    return await in_one_transaction(parts, look)


async def due(parts: Parts, principal: Principal, fields: Mapping[str, object], *, ticks: int) -> Due:
    """Return when a schedule with these fields would be due, ignoring mistakes in other fields.

    Raises InvalidRequest.
    """

    def look(conn: Connection) -> Due:
        now = store.now(conn)
        timing = read_timing(principal, fields, now)
        return Due(timing, list(islice(timing.ticks(now), ticks)))

    principal.need(Scope.SCHEDULES_WRITE)
    return await in_one_transaction(parts, look)
