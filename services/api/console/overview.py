"""`/console/overview`: what needs attention, how jobs ended, and which workers run."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response

from services.api.actions import overview
from services.api.actions.attention import Condition
from services.api.actions.overview import Overview, Period
from services.api.console import charts
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.show import Shown
from services.api.console.visit import Visit
from shared.jobs.measurements import Measured, Subject

router = APIRouter(include_in_schema=False)

_LINKS = {
    "no_worker": "/overview#workers",
    "workers_unfit": "/overview#workers",
    "dead_letters": "/queues#dead-letters",
    "parked_messages": "/queues#parked",
    "paused": "/queues#gates",
    "held_long": "/queues#gates",
    "outbox_stuck": "/queues",
    "waiting_long": "/queues",
    "dead_letters_not_looked_at": "/queues#dead-letters",
    "jobs_of_unknown_type": "/report-types",
    "failures_rising": "?status=FAILED&createdAfter=-1h",
}
"""Where to act on a condition, below `/console`."""


@router.get("/overview")
@page_for
async def whole(visit: Visit) -> Response:
    """Show the state of the installation."""
    return page(visit, "overview.html", await _look(visit))


@router.get("/overview/now")
@page_for
async def now(visit: Visit) -> Response:
    """Return the changing part of the page: what needs attention, and which workers run."""
    return page(visit, "_now.html", await _look(visit))


async def _look(visit: Visit) -> dict[str, Any]:
    asked = visit.request.query_params.get("period", Period.HOUR)
    unknown = asked not in list(Period)
    found = await overview.look(visit.parts, visit.principal, Period.HOUR if unknown else Period(asked))
    return {
        "found": found,
        "begins": found.at - timedelta(seconds=found.period.seconds),
        "unknown_period": asked[:40] if unknown else None,
        "conditions": [(one, _in_words(visit, one), _LINKS.get(one.code)) for one in found.conditions],
        "charts": _charts(found),
        "busiest": charts.busiest(found.types or ()),
        "periods": [str(period) for period in Period],
        **standing(found.measured),
    }


def standing(found: Mapping[Subject, Measured] | None) -> dict[str, Any]:
    """Return what the relays measured last, by subject; empty if nothing was."""
    measured = found or {}
    database, queue = measured.get(Subject.DATABASE), measured.get(Subject.QUEUE)
    return {
        "database": database,
        "queue": queue,
        "about": database.facts if database else {},
        "depth": queue.facts if queue else {},
        "dead_letters": measured.get(Subject.DEAD_LETTERS),
        "store": measured.get(Subject.STORE),
    }


def _charts(found: Overview) -> list[charts.Chart]:
    of = charts.steps(found.points or (), found.period, found.at)
    came = [] if found.accepted is None else [charts.accepted(of, found.accepted)]
    ended = [] if found.points is None else [charts.ended(of), charts.took(of), charts.succeeded(of)]
    return came + ended


def _in_words(visit: Visit, one: Condition) -> str:
    """Return the condition in the reader's language, or in the API's words if it has no text there."""
    key, shown = f"attention.{one.code}", Shown(visit.texts.locale)
    if not visit.texts.has(key):
        return one.message
    facts: dict[str, Any] = {
        name: shown.took(value) if name.endswith(("AgeS", "WaitingS")) else shown.fact(value)
        for name, value in one.facts.items()
    }
    return visit.texts.marked_up(key, **facts)
