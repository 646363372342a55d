"""`/console/audit`: who changed what."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response
from starlette.datastructures import QueryParams

from services.api.actions import audit
from services.api.actions.partial import looked_at_if_quick
from services.api.console import files, translated
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from services.api.http.problems import invalid
from services.api.v1 import pages
from services.api.v1.access_views import EntryView, entry_view
from shared.access.audit import Action
from shared.access.audit_trail import Filters
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
_MOST_WRONG = 20
_FILTERS = ("action", "subject", "object", "since", "until")
_OWN = {*_FILTERS, "pageToken"}
_LONGEST = 300


@router.get("/audit")
@page_for
async def trail(visit: Visit) -> Response:
    """Show the entries that match the filter, newest first."""
    visit.principal.need(Scope.AUDIT_READ)
    query = visit.request.query_params
    given, filters, wrong = _asked(query, _OWN)
    found = None
    if not wrong:
        asked = audit.list_page(
            visit.parts, visit.principal, filters, written=given, size=_ON_A_PAGE, token=query.get("pageToken")
        )
        found = await looked_at_if_quick("audit", asked)
    context: dict[str, Any] = {
        "found": found,
        "filters": given,
        "query": urlencode(given),
        "api_query": urlencode({n: _moment(v) if n in ("since", "until") else v for n, v in given.items()}),
        "wrong": translated.violations(wrong, visit.texts),
        "actions": [str(action) for action in Action],
        "first_page": "pageToken" not in query,
        "most_exported": files.MOST,
    }
    return page(visit, "audit.html", context, status=422 if wrong else 200)


@router.get("/audit/export")
@page_for
async def export(visit: Visit) -> Response:
    """Return the newest entries that match the filter, as CSV or JSON Lines.

    If there are more, the last line says so.
    """
    visit.principal.need(Scope.AUDIT_READ)
    query = visit.request.query_params
    given, filters, wrong = _asked(query, {*_FILTERS, "format"})
    form = query.get("format", "")
    if form not in files.FORMATS:
        wrong.append(Violation("format", "choice", f"must be {' or '.join(files.FORMATS)}"))
    if wrong:
        raise invalid("The audit trail cannot be exported.", wrong)

    async def read(size: int, token: str | None) -> tuple[Sequence[EntryView], str | None]:
        found = await audit.list_page(visit.parts, visit.principal, filters, written=given, size=size, token=token)
        return [entry_view(entry) for entry in found.entries], found.next_page_token

    return await files.download("audit", form, _WRITTEN, read)


def _asked(query: QueryParams, known: Collection[str]) -> tuple[dict[str, str], Filters, list[Violation]]:
    """Return the filter as it was written, as it was understood, and its mistakes."""
    given = {name: query[name] for name in _FILTERS if query.get(name)}
    filters, wrong = _read(given)
    wrong += [
        Violation(name[:100], "unknown_parameter", f"is not a filter{did_you_mean(name[:100], known)}")
        for name in islice((name for name in query if name not in known), _MOST_WRONG)
    ]
    return given, filters, wrong


def _cells(entry: EntryView) -> list[str]:
    facts = (entry.before, entry.after)
    who = (entry.subject, entry.key_id, entry.address, entry.request_id)
    return [
        entry.at.isoformat(),
        entry.action,
        entry.object,
        *(text or "" for text in who),
        *("" if fact is None else files.as_json(fact) for fact in facts),
    ]


_COLUMNS = ("at", "action", "object", "subject", "keyId", "address", "requestId", "before", "after")
_WRITTEN: files.Written[EntryView] = files.Written(_COLUMNS, _cells, lambda entry: entry.model_dump_json(by_alias=True))


def _read(given: dict[str, str]) -> tuple[Filters, list[Violation]]:
    wrong: list[Violation] = []
    action = given.get("action")
    if action is not None and action not in list(Action):
        told = f"{action[:40]!r} is not an action{did_you_mean(action[:40], list(Action))}"
        wrong.append(Violation("action", "choice", told))
    wrong += [
        Violation(name, "text", f"must have {_LONGEST} characters at most, none of them U+0000")
        for name in ("subject", "object")
        if "\0" in given.get(name, "") or len(given.get(name, "")) > _LONGEST
    ]
    moments = {name: pages.moment(name, _moment(given[name]), wrong) for name in ("since", "until") if name in given}
    return Filters(action, given.get("subject"), given.get("object"), moments.get("since"), moments.get("until")), wrong


def _moment(given: str) -> str:
    """Return a date as its beginning in UTC: nobody types an offset into a page."""
    return f"{given}T00:00:00Z" if len(given) == len("2026-01-31") else given
