"""GET /v1/audit: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.api.actions import audit
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.access_views import TrailView, entry_view
from shared.access.audit import Action
from shared.access.audit_trail import Filters
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean

router = APIRouter(tags=["audit"])

_TEXT = {"pattern": r"^[^\x00]*$"}
_Action = Annotated[str | None, Query(description="Only this action", json_schema_extra={"enum": list(Action)})]
_Text = Annotated[str | None, Query(max_length=300, json_schema_extra=_TEXT)]


@router.get("/v1/audit", responses={200: {"model": TrailView}, **problems(400, 401, 403, 422, 429, 503)})
async def list_audit(
    parts: PartsOf,
    principal: Caller,
    action: _Action = None,
    subject: _Text = None,
    object: _Text = None,  # noqa: A002 - the wire's spelling
    since: pages.Moment = None,
    until: pages.Moment = None,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """Every change made in the tenant, newest first; needs the scope `audit:read`.

    A page of a filtered list may hold fewer entries than requested, even none, although more follow.
    """
    violations: list[Violation] = []
    if action is not None and action not in list(Action):
        wrong = f"{action[:40]!r} is not an action{did_you_mean(action[:40], list(Action))}"
        violations.append(Violation("action", "choice", wrong))
    violations += [
        Violation(name, "character", "contains U+0000")
        for name, value in (("subject", subject), ("object", object))
        if value is not None and "\0" in value
    ]
    filters = Filters(
        action, subject, object, pages.moment("since", since, violations), pages.moment("until", until, violations)
    )
    size = pages.page_size(pageSize, violations)
    if violations:
        raise invalid("The query is not valid.", violations)
    given = {"action": action, "subject": subject, "object": object, "since": since, "until": until}
    written = {name: value for name, value in given.items() if value is not None}
    found = await audit.list_page(parts, principal, filters, written=written, size=size, token=pageToken)
    links = pages.list_links(f"{parts.settings.root_path}/v1/audit", pageSize, found.next_page_token, written)
    entries = [entry_view(entry) for entry in found.entries]
    return json_response(TrailView(entries=entries, next_page_token=found.next_page_token), headers=links)
