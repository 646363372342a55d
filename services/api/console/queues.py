"""`/console/queues`: the queue and the outbox, messages set aside, and what is paused or capped."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response

from services.api.actions import gates, overview, put_aside
from services.api.actions.partial import looked_at_if_quick
from services.api.console.overview import standing
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation
from shared.jobs.gates import Kind

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
MOST_RUNNING = gates.MOST_RUNNING


@router.get("/queues")
@page_for
async def shown(visit: Visit) -> Response:
    """Show everything about the queue and the outbox."""
    return await queues_page(visit)


async def queues_page(
    visit: Visit, *, wrong: Sequence[Violation] = (), given: Mapping[str, str] | None = None, about: str = ""
) -> Response:
    """Return the page, with the mistakes of the form `about` and what was entered in it."""
    visit.principal.need(Scope.ADMIN_READ)
    query, parts = visit.request.query_params, visit.parts.for_reading()
    measured = await overview.measured(parts, visit.principal)
    dead = put_aside.list_dead_letters(parts, visit.principal, size=_ON_A_PAGE, token=query.get("deadAfter"))
    parked = put_aside.list_parked(parts, visit.principal, size=_ON_A_PAGE, token=query.get("parkedAfter"))
    context: dict[str, Any] = {
        "dead": await looked_at_if_quick("dead letters", dead),
        "parked": await looked_at_if_quick("parked messages", parked),
        "gates": await looked_at_if_quick("gates", gates.list_all(parts, visit.principal)),
        "may_change": visit.principal.has(Scope.ADMIN_WRITE),
        "own_tenant": visit.principal.tenant,
        "kinds": [str(kind) for kind in Kind],
        "most_running": MOST_RUNNING,
        "done": query.get("done") if query.get("done") in _DONE else None,
        "wrong": wrong,
        "given": given or {},
        "about_form": about,
        "measured": measured,
        **standing(measured),
    }
    return page(visit, "queues.html", context, status=422 if wrong else 200)


_DONE = {"redrive", "drop", "requeue", "drop-parked", "pause", "resume", "cap", "uncap"}
"""What a page may report as just done."""
