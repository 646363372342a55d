"""How the tenant's jobs of each report type ended in the last day."""

from collections.abc import Mapping, Sequence

from anyio import to_thread

from services.api.actions.partial import looked_at
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs import type_totals
from shared.jobs.type_totals import Day, Figures

PERIOD_S = 86_400
DAYS = 30
MOST = 200
"""Types whose figures are read: each has a hundred minutes or more."""


def may_see(principal: Principal) -> bool:
    """True if the principal may see everyone's jobs: the figures are about all of them."""
    return principal.has(Scope.JOBS_READ) and principal.has(Scope.JOBS_READ_ALL)


async def figures(parts: Parts, principal: Principal, names: Sequence[str]) -> Mapping[str, Figures] | None:
    """Return the figures of the first MOST of these types that the principal may see; None if the database took too
    long.
    """
    principal.need(Scope.JOBS_READ)
    principal.need(Scope.JOBS_READ_ALL)
    return await to_thread.run_sync(
        lambda: looked_at(
            parts.engine,
            "types",
            lambda conn: type_totals.of_types(conn, principal.tenant, names[:MOST], period_s=PERIOD_S),
        )
    )


async def days(parts: Parts, principal: Principal, name: str) -> Sequence[Day] | None:
    """Return how long jobs of the type took on each of the last DAYS days and today; None if the database took too
    long.
    """
    principal.need(Scope.JOBS_READ)
    principal.need(Scope.JOBS_READ_ALL)
    return await to_thread.run_sync(
        lambda: looked_at(
            parts.engine, "days", lambda conn: type_totals.by_day(conn, principal.tenant, name, days=DAYS)
        )
    )
