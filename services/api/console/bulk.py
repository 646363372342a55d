"""`/console/bulk`: one action on all jobs that match a filter: reviewed first, then watched and stopped."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Response

from services.api.actions import bulk, visible
from services.api.actions.bulk import NEEDS, WantedBulk
from services.api.actions.errors import InvalidRequest, UnknownBulk
from services.api.console import translated
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.show import Shown
from services.api.console.visit import Form, Visit, read_form
from services.api.v1.bulk_body import MOST_REASON
from services.api.v1.bulk_views import BulkView, bulk_view, result_view
from services.api.v1.job_filters import Written, read_filter
from shared.catalog.parameters import Violation
from shared.jobs.bulk import Bulk, BulkState
from shared.jobs.bulk_rules import BulkAction, BulkOutcome

router = APIRouter(include_in_schema=False)

_TYPED_ABOVE = 1_000
"""For more jobs than this, the user must type the number: nobody does that by accident."""
_ON_A_PAGE = 25
_REPEATABLE = ("status", "label")


def offered(visit: Visit) -> Sequence[BulkAction]:
    """Return what the visitor may do to many jobs."""
    return [action for action, scope in NEEDS.items() if visit.principal.has(scope)]


@router.get("/bulk")
@page_for
async def listed(visit: Visit) -> Response:
    """Show the actions that the visitor may see, newest first."""
    found = await bulk.list_page(
        visit.parts, visit.principal, size=_ON_A_PAGE, token=visit.request.query_params.get("pageToken")
    )
    context = {"bulks": [bulk_view(one) for one in found.bulk], "next_token": found.next_page_token}
    return page(visit, "bulk_list.html", context)


@router.post("/bulk")
@page_for
async def count(visit: Visit) -> Response:
    """Count the jobs of a filter that an action would change, and show the result."""
    form = await read_form(visit)
    violations: list[Violation] = []
    wanted = read_filter(_written(form), violations)
    if form.one("action") not in list(BulkAction):
        violations.append(Violation("action", "choice", "must be cancel, retry or delete"))
    if violations:
        raise InvalidRequest("The filter is not valid.", violations)
    asked = WantedBulk(BulkAction(form.one("action")), wanted, "", dry_run=True)
    made = await bulk.create(visit.parts, visit.principal, asked)
    return visit.to(f"/bulk/{made.bulk.id}")


@router.get("/bulk/{bulk_id}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one action: what it would do, is doing, or has done."""
    return page(visit, "bulk.html", await _bulk(visit))


@router.get("/bulk/{bulk_id}/part")
@page_for
async def part(visit: Visit) -> Response:
    """Return the changing part of an action's page."""
    return page(visit, "_bulk.html", await _bulk(visit))


@router.post("/bulk/{bulk_id}/run")
@page_for
async def run(visit: Visit) -> Response:
    """Carry out a reviewed action. For many jobs, their number must be typed."""
    form, bulk_id = await read_form(visit), _id(visit)
    found = await bulk.get(visit.parts, visit.principal, bulk_id)
    typed = form.one("typed").strip().replace(",", "")
    if found.state is BulkState.DRY_RUN and _typed(found) and typed != str(found.matched["jobs"]):
        context = {**await _bulk(visit), "wrong": "typed", "reason": form.one("reason")}
        return page(visit, "bulk.html", context, status=422)
    reason = form.one("reason").replace("\0", "").strip()[:MOST_REASON]
    await bulk.run(visit.parts, visit.principal, bulk_id, reason=reason or None)
    return visit.to(f"/bulk/{bulk_id}")


@router.post("/bulk/{bulk_id}/stop")
@page_for
async def stop(visit: Visit) -> Response:
    """Stop the action, and show what it has done."""
    await read_form(visit)
    await bulk.stop(visit.parts, visit.principal, _id(visit))
    return visit.to(f"/bulk/{visit.name('bulk_id')}")


async def _bulk(visit: Visit) -> dict[str, Any]:
    refused = await bulk.results(
        visit.parts,
        visit.principal,
        _id(visit),
        outcome=BulkOutcome.REFUSED,
        size=_ON_A_PAGE,
        token=visit.request.query_params.get("pageToken"),
    )
    found, shown = refused.bulk, Shown(visit.texts.locale)
    view = bulk_view(found)
    number = shown.number(view.matched.jobs)
    return {
        "bulk": view,
        "chips": _in_words(visit, view),
        "query": urlencode(_again(view)),
        "refused": [result_view(result) for result in refused.results],
        "more_refused": refused.next_page_token,
        "may": found.action in NEEDS and visit.principal.has(NEEDS[found.action]),
        "mine": found.subject == visit.principal.subject,
        "typed": _typed(found),
        "counted_short": f"≥ {number}" if view.matched.at_least else number,
        "reason": found.reason,
        "wrong": None,
    }


def _typed(found: Bulk) -> bool:
    return int(found.matched["jobs"]) > _TYPED_ABOVE


def _again(view: BulkView) -> list[tuple[str, str]]:
    """Return the filter as the query of the list of jobs."""
    each = ((name, value if isinstance(value, list) else [value]) for name, value in view.filter.items())
    return [(name, str(value)) for name, values in each for value in values]


def _in_words(visit: Visit, view: BulkView) -> list[tuple[str, str]]:
    """Describe the filter in the reader's words: states and report types by their titles."""
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    told = []
    for name, value in _again(view):
        shown = value
        if name == "status":
            shown = visit.texts.of("status", value)
        elif name == "reportType" and value in types:
            shown = translated.title(types[value], visit.language)
        key = f"bulk.by_filter.{name}"
        told.append((visit.texts(key) if visit.texts.has(key) else name, shown))
    return told


def _written(form: Form) -> Written:
    many = {name: form.many(name) or None for name in _REPEATABLE}
    once = {name: form.one(name) or None for name in Written._fields if name not in _REPEATABLE}
    return Written(**{**once, **many})  # type: ignore[arg-type]


def _id(visit: Visit) -> UUID:
    given = visit.name("bulk_id")
    try:
        return UUID(given)
    except ValueError:
        raise UnknownBulk(given) from None
