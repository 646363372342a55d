"""`/console/views`: saved views of lists: filters under a name, stored as addresses of the console's own pages."""

from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.datastructures import QueryParams

from services.api.actions import saved_views
from services.api.actions.errors import InvalidRequest
from services.api.actions.saved_views import TooManyViews, UnknownView, ViewExists, WantedView
from services.api.console.list_query import ListQuery, read_query
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Form, Visit, read_form
from shared.access.saved_views import LONGEST_NAME, ViewPage

router = APIRouter(include_in_schema=False)

_MOST_FIELDS = 100


async def views_context(visit: Visit, query: str) -> dict[str, Any]:
    """Return the template context of a list's menu of views; `query` is that of the list."""
    return {**_around(visit, query), "views": await saved_views.list_views(visit.parts, visit.principal, ViewPage.JOBS)}


@router.post("/views")
@page_for
async def save(visit: Visit) -> Response:
    """Save a view, and show the list that it describes."""
    form = await read_form(visit)
    asked = _list_query(form)
    wanted = WantedView(ViewPage.JOBS, form.one("name"), asked.query, shared=form.has("shared"))
    try:
        await saved_views.save(visit.parts, visit.principal, wanted)
    except (InvalidRequest, ViewExists, TooManyViews) as error:
        return _again(visit, form, asked, error)
    return visit.to(f"/jobs?{_with_told(asked.query, 'view_saved')}")


@router.post("/views/{view_id}/delete")
@page_for
async def delete(visit: Visit) -> Response:
    """Delete a view, and show the list as it was before."""
    asked = _list_query(await read_form(visit))
    await saved_views.delete(visit.parts, visit.principal, _id(visit))
    return visit.to(f"/jobs?{_with_told(asked.query, 'view_deleted')}")


def _list_query(form: Form) -> ListQuery:
    """Return the list's query in the form, parsed and written anew. Raises InvalidRequest."""
    try:
        pairs = parse_qsl(form.one("query"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        pairs = []
    asked = read_query(QueryParams(pairs))
    if asked.violations:
        raise InvalidRequest("The view's filter has problems.", asked.violations)
    return asked


def _again(visit: Visit, form: Form, asked: ListQuery, error: Exception) -> Response:
    """Show the form on a page of its own, with the mistakes beside their fields and nothing lost."""
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    wrong = "; ".join(violation.message for violation in violations) or str(error)
    context = {**_around(visit, asked.query), "name": form.one("name"), "shared": form.has("shared"), "wrong": wrong}
    return page(visit, "view.html", context, status=422 if violations else 409)


def _around(visit: Visit, query: str) -> dict[str, Any]:
    return {
        "view_query": query,
        "may_share": saved_views.may_share(visit.principal),
        # Where there are no identities, every view is shared.
        "is_somebody": visit.principal.subject is not None,
        "longest_name": LONGEST_NAME,
    }


def _with_told(query: str, code: str) -> str:
    return f"{query}{'&' if query else ''}{urlencode({'told': code})}"


def _id(visit: Visit) -> UUID:
    given = visit.name("view_id")
    try:
        return UUID(given)
    except ValueError:
        raise UnknownView(given) from None
