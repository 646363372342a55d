"""For operators: the state of the installation, and messages that were set aside."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.api.actions import overview, put_aside
from services.api.actions.overview import Period
from services.api.actions.put_aside import MOST, Done, Wanted
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.body_fields import refuse, unknown_fields
from services.api.v1.operating_views import (
    DeadLettersView,
    DoneView,
    OverviewView,
    ParkedMessagesView,
    dead_letters_view,
    done_view,
    overview_view,
    parked_view,
)
from services.api.v1.submission_body import read_fields
from shared.catalog.parameters import Violation
from shared.suggest import did_you_mean

router = APIRouter(tags=["operations"])

LONGEST_REASON = 200
_LONGEST_ID = 200
_PERIODS = [str(period) for period in Period]
_Period = Annotated[str, Query(description="How far back the history goes", json_schema_extra={"enum": _PERIODS})]
_ITEM = {"type": "string", "minLength": 1, "maxLength": _LONGEST_ID}


def _which(example: str) -> dict[str, Any]:
    fields = {
        "ids": {"type": "array", "items": _ITEM, "minItems": 1, "maxItems": MOST, "description": "Which"},
        "all": {"const": True, "description": f"In the place of `ids`: all, up to {MOST}"},
        "reason": {
            "type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "description": "Why, for the audit trail",
        },
        "dryRun": {"type": "boolean", "description": "true: only tell what would be done"},
    }  # fmt: skip
    either = [{"required": ["ids"], "not": {"required": ["all"]}}, {"required": ["all"], "not": {"required": ["ids"]}}]
    schema = {
        "type": "object", "additionalProperties": False, "properties": fields, "required": ["reason"], "oneOf": either,
    }  # fmt: skip
    told = {"ids": [example], "reason": "the policy is mended"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": told}}}}


_DEAD_LETTERS = _which("5fea7756-0ea4-451a-a703-a558b933e274")
_PARKED = _which("7")
_READING = problems(400, 401, 403, 422, 429, 503)
_CHANGING = problems(400, 401, 403, 413, 415, 422, 429, 503)


@router.get("/v1/overview", responses={200: {"model": OverviewView}, **problems(401, 403, 422, 429, 503)})
async def get_overview(parts: PartsOf, principal: Caller, period: _Period = "1h") -> Response:
    """The state of the whole installation: what needs attention, workers, queue, outbox, and how jobs ended.

    Needs the scope `admin:read`. Nothing is read from the jobs themselves: relays measure and count.
    """
    if period not in _PERIODS:
        wrong = f"{period[:40]!r} is not a period{did_you_mean(period[:40], _PERIODS)}"
        raise invalid("The query is not valid.", [Violation("period", "choice", wrong)])
    found = await overview.look(parts, principal, Period(period))
    return json_response(overview_view(found), headers={"Cache-Control": "no-store"})


@router.get("/v1/dead-letters", responses={200: {"model": DeadLettersView}, **_READING})
async def list_dead_letters(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The content of the dead-letter queue, as copied by a relay; needs the scope `admin:read`."""
    found = await put_aside.list_dead_letters(parts, principal, size=pages.only_size(pageSize), token=pageToken)
    links = _links(parts, "/v1/dead-letters", pageSize, found.next_page_token)
    return json_response(dead_letters_view(found), headers={"Link": links})


@router.post("/v1/dead-letters:redrive", openapi_extra=_DEAD_LETTERS, responses={200: {"model": DoneView}, **_CHANGING})
async def redrive_dead_letters(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Make a relay send dead letters to the queue again, within seconds; needs the scope `admin:write`.

    `all` selects those that name a job; others are sent again only by their ids.
    """
    return await _done(request, lambda wanted: put_aside.redrive(parts, principal, wanted))


@router.post("/v1/dead-letters:drop", openapi_extra=_DEAD_LETTERS, responses={200: {"model": DoneView}, **_CHANGING})
async def drop_dead_letters(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Make a relay delete dead letters, within seconds; needs the scope `admin:write`. No job is lost."""
    return await _done(request, lambda wanted: put_aside.drop_dead_letters(parts, principal, wanted))


@router.get("/v1/outbox/parked", responses={200: {"model": ParkedMessagesView}, **_READING})
async def list_parked_messages(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The messages of the outbox that can never be sent as they are; needs the scope `admin:read`."""
    found = await put_aside.list_parked(parts, principal, size=pages.only_size(pageSize), token=pageToken)
    links = _links(parts, "/v1/outbox/parked", pageSize, found.next_page_token)
    return json_response(parked_view(found), headers={"Link": links})


@router.post("/v1/outbox/parked:requeue", openapi_extra=_PARKED, responses={200: {"model": DoneView}, **_CHANGING})
async def requeue_parked_messages(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Make the relay send parked messages again, at once; needs the scope `admin:write`."""
    return await _done(request, lambda wanted: put_aside.requeue(parts, principal, wanted))


@router.post("/v1/outbox/parked:drop", openapi_extra=_PARKED, responses={200: {"model": DoneView}, **_CHANGING})
async def drop_parked_messages(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Delete parked messages without sending them; needs the scope `admin:write`."""
    return await _done(request, lambda wanted: put_aside.drop_parked(parts, principal, wanted))


async def _done(request: Request, act: Callable[[Wanted], Awaitable[Done]]) -> Response:
    return json_response(done_view(await act(_wanted(await read_fields(request)))))


def _wanted(fields: Mapping[str, Any]) -> Wanted:
    violations = unknown_fields(fields, ("ids", "all", "reason", "dryRun"))
    ids, everything = fields.get("ids"), fields.get("all")
    if ("ids" in fields) == ("all" in fields):
        violations.append(Violation("ids", "required", "give `ids` of messages, or `all`: true"))
    elif "ids" in fields and not _are_ids(ids):
        violations.append(Violation("ids", "type", f"must be a list of 1 to {MOST} ids, each a string"))
    elif "all" in fields and everything is not True:
        violations.append(Violation("all", "const", "must be true or omitted"))
    reason, dry_run = fields.get("reason"), fields.get("dryRun", False)
    if not isinstance(reason, str) or not reason_is_good(reason):
        wrong = f"must give the reason in 1 to {LONGEST_REASON} visible characters"
        violations.append(Violation("reason", "text", wrong))
    if not isinstance(dry_run, bool):
        violations.append(Violation("dryRun", "type", "must be true or false"))
    refuse(violations)
    return Wanted(ids or [], str(reason), dry_run)


def reason_is_good(reason: str) -> bool:
    """True if the audit trail accepts the text as a reason."""
    return bool(reason.strip()) and reason.isprintable() and len(reason) <= LONGEST_REASON


def _are_ids(given: object) -> bool:
    return (
        isinstance(given, list)
        and 1 <= len(given) <= MOST
        and all(isinstance(one, str) and 0 < len(one) <= _LONGEST_ID and "\0" not in one for one in given)
    )


def _links(parts: PartsOf, path: str, size: str, token: str | None) -> str:
    return pages.links(f"{parts.settings.root_path}{path}", {} if size == "0" else {"pageSize": size}, token)
