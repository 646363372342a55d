"""/v1/schedules: reports that are requested again and again by the clock."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.actions import schedule_runs, schedules
from services.api.actions.schedule_request import MOST_MISFIRE
from services.api.http.conditional import insists
from services.api.http.dependencies import Caller, PartsOf, ScheduleId
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.body_fields import body_of, only_idempotency_key, refuse, unknown_fields
from services.api.v1.option_schema import OPTION_SCHEMA
from services.api.v1.schedule_views import (
    NEXT,
    BackfillView,
    RunView,
    ScheduleFields,
    SchedulesView,
    ScheduleView,
    TicksView,
    preview_view,
    schedule_view,
    tick_view,
)
from services.api.v1.submission_body import read_fields
from services.api.v1.submissions import IDEMPOTENCY_KEY, SUBMISSION_SCHEMA
from shared.catalog.parameters import Violation
from shared.schedules.schedule import Misfire, Overlap, Schedule
from shared.schedules.timing import LEAST_EVERY_S, MOST_EVERY_S, MOST_JITTER_S

router = APIRouter(tags=["schedules"])

_LONGEST_NOTE = 1_000
_ASKED = {name: SUBMISSION_SCHEMA["properties"][name] for name in ("reportType", "parameters", "formats", "labels")}
_OPTIONS = {name: schema for name, schema in OPTION_SCHEMA.items() if name not in ("runAt", "notAfter")}


def _whole(least: int, most: int, description: str) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": least, "maximum": most, "description": description}


_FIELDS: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 100, "description": "What people call it"},
    **_ASKED,
    **_OPTIONS,
    "cron": {
        "type": ["string", "null"], "maxLength": 100,
        "description": "Five fields: minute, hour, day of the month, month, day of the week",
    },
    "everySeconds": _whole(LEAST_EVERY_S, MOST_EVERY_S, "Instead of cron: elapsed time from the schedule's making"),
    "timeZone": {"type": ["string", "null"], "description": "IANA name of the zone whose clocks cron means; else UTC"},
    "until": {"type": ["string", "null"], "format": "date-time", "description": "No tick is later"},
    "jitterSeconds": _whole(0, MOST_JITTER_S, "Each job is submitted up to so much later, so that not all run at once"),
    "misfire": {
        "type": ["string", "null"], "enum": [*Misfire, None],
        "description": "What becomes of ticks that no relay was there for within a minute",
    },
    "misfireMost": _whole(1, MOST_MISFIRE, "With misfire `run_all`: how many of the latest run"),
    "overlap": {
        "type": ["string", "null"], "enum": [*Overlap, None],
        "description": "What becomes of a tick while the job of the one before is not at its end",
    },
}  # fmt: skip
_EXAMPLE = {
    "name": "Carrier delays on Mondays", "reportType": "carrier-delays", "formats": ["xlsx"],
    "cron": "0 7 * * MON", "timeZone": "Asia/Tokyo",
}  # fmt: skip


_CREATE = {**body_of(_FIELDS, _EXAMPLE, required=("name",)), "parameters": [IDEMPOTENCY_KEY]}
_UPDATE = body_of(_FIELDS, {"cron": "30 6 * * MON-FRI"})
_NOTE = {"note": {"type": ["string", "null"], "maxLength": _LONGEST_NOTE, "description": "Why, for who looks later"}}
_PAUSE = body_of(_NOTE, {"note": "The warehouse moves until Thursday"})
_MOMENT = {"type": "string", "format": "date-time"}
_BACKFILL = body_of(
    {"from": {**_MOMENT, "description": "The first moment"}, "to": {**_MOMENT, "description": "Not included; past"}},
    {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
    required=("from", "to"),
)


@router.get("/v1/schedules", responses={200: {"model": SchedulesView}, **problems(400, 401, 403, 422, 429, 503)})
async def list_schedules(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The caller's schedules, newest first; with `jobs:read_all` those of the whole tenant."""
    size = pages.only_size(pageSize)
    found = await schedules.list_page(parts, principal, size=size, token=pageToken)
    links = pages.list_links(f"{parts.settings.root_path}/v1/schedules", pageSize, found.next_page_token)
    views = [schedule_view(one, parts.settings.root_path) for one in found.schedules]
    return json_response(SchedulesView(schedules=views, next_page_token=found.next_page_token), headers=links)


@router.post(
    "/v1/schedules",
    status_code=201,
    openapi_extra=_CREATE,
    responses={201: {"model": ScheduleView}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)},
)
async def create_schedule(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Request a report again and again, by the clock.

    The schedule acts with the scopes that its creator has at each tick.
    """
    fields = await read_fields(request)
    again = only_idempotency_key(request)
    made = await schedules.create(parts, principal, fields, idempotency_key=again)
    replayed = {} if made.created else {"Idempotent-Replayed": "true"}
    own = f"{parts.settings.root_path}/v1/schedules/{made.schedule.id}"
    return _whole_answer(parts.settings.root_path, made.schedule, 201, {"Location": own, **replayed})


@router.post(
    "/v1/schedules:preview",
    openapi_extra=body_of(_FIELDS, _EXAMPLE, required=("name",)),
    responses={200: {"model": ScheduleFields}, **problems(400, 401, 403, 404, 413, 415, 422, 429, 503)},
)
async def preview_schedule(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """The schedule that a request would create: when it is due in words, and its next ticks. Nothing is written."""
    found = await schedules.preview(parts, principal, await read_fields(request), ticks=NEXT)
    return json_response(preview_view(found.wanted, found.ticks), headers={"Cache-Control": "no-store"})


@router.get(
    "/v1/schedules/{schedule_id:job}",
    responses={200: {"model": ScheduleView}, **problems(401, 403, 404, 422, 429, 503)},
)
async def get_schedule(schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """One schedule, with its next ticks."""
    return _whole_answer(parts.settings.root_path, await schedules.get(parts, principal, schedule_id))


@router.patch(
    "/v1/schedules/{schedule_id:job}",
    openapi_extra=_UPDATE,
    responses={200: {"model": ScheduleView}, **problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503)},
)
async def update_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Change the fields that are given, and keep the others; null resets a field to what it is when left out.

    The schedule acts on the caller's behalf from then on, and resumes if it had stopped.
    """
    fields = await read_fields(request)
    changed = await schedules.update(parts, principal, schedule_id, fields, insists=insists(request))
    return _whole_answer(parts.settings.root_path, changed)


@router.delete(
    "/v1/schedules/{schedule_id:job}",
    status_code=204,
    responses={
        204: {"description": "It is gone, with its history"},
        **problems(401, 403, 404, 409, 412, 422, 429, 503),
    },
)
async def delete_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Delete a schedule with its history. Its jobs stay."""
    await schedules.delete(parts, principal, schedule_id, insists=insists(request))
    return Response(status_code=204)


@router.post(
    "/v1/schedules/{schedule_id:job}:pause",
    openapi_extra=_PAUSE,
    responses={200: {"model": ScheduleView}, **problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503)},
)
async def pause_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Suspend a schedule until somebody resumes it."""
    note = _note(await read_fields(request))
    paused = await schedules.pause(parts, principal, schedule_id, note=note, insists=insists(request))
    return _whole_answer(parts.settings.root_path, paused)


@router.post(
    "/v1/schedules/{schedule_id:job}:resume",
    responses={200: {"model": ScheduleView}, **problems(401, 403, 404, 412, 422, 429, 503)},
)
async def resume_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Resume a schedule after a pause or a stop, on the caller's behalf.

    Missed ticks are not made up for: `:backfill`.
    """
    resumed = await schedules.resume(parts, principal, schedule_id, insists=insists(request))
    return _whole_answer(parts.settings.root_path, resumed)


@router.post(
    "/v1/schedules/{schedule_id:job}:run",
    status_code=202,
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
    responses={202: {"model": RunView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def run_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Submit its job now, outside its ticks, on behalf of its owner; also while it is paused."""
    again = only_idempotency_key(request)
    found = await schedule_runs.run(parts, principal, schedule_id, idempotency_key=again)
    own = f"{parts.settings.root_path}/v1/jobs/{found.job_id}"
    replayed = {} if found.created else {"Idempotent-Replayed": "true"}
    return json_response(RunView(job_id=found.job_id, links={"self": own}), 202, {"Location": own, **replayed})


@router.post(
    "/v1/schedules/{schedule_id:job}:backfill",
    status_code=202,
    openapi_extra=_BACKFILL,
    responses={202: {"model": BackfillView}, **problems(400, 401, 403, 404, 413, 415, 422, 429, 503)},
)
async def backfill_schedule(request: Request, schedule_id: ScheduleId, parts: PartsOf, principal: Caller) -> Response:
    """Submit the jobs of those ticks of a range that had none: missed, skipped, failed, or before
    the schedule existed.
    """
    many = await schedule_runs.backfill(parts, principal, schedule_id, await read_fields(request))
    links = {"ticks": f"{parts.settings.root_path}/v1/schedules/{schedule_id}/ticks"}
    return json_response(BackfillView(ticks=many, links=links), 202)


@router.get(
    "/v1/schedules/{schedule_id:job}/ticks",
    responses={200: {"model": TicksView}, **problems(400, 401, 403, 404, 422, 429, 503)},
)
async def list_schedule_ticks(
    schedule_id: ScheduleId,
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """What happened to its ticks, the latest first, including skipped ones with the reason."""
    size = pages.only_size(pageSize)
    found = await schedules.ticks(parts, principal, schedule_id, size=size, token=pageToken)
    own = f"{parts.settings.root_path}/v1/schedules/{schedule_id}/ticks"
    view = TicksView(ticks=[tick_view(one) for one in found.ticks], next_page_token=found.next_page_token)
    return json_response(view, headers=pages.list_links(own, pageSize, found.next_page_token))


def _whole_answer(root: str, schedule: Schedule, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return the schedule.

    Its entity tag names what was written, not when it is due next, so a tick does not invalidate a client's change.
    """
    tag = {"ETag": f'"{schedule.version}"', "Cache-Control": "no-store"}
    return json_response(schedule_view(schedule, root), status, {**tag, **(headers or {})})


def _note(fields: Mapping[str, Any]) -> str:
    violations = unknown_fields(fields, ("note",))
    note = fields.get("note")
    if note is not None and not (isinstance(note, str) and len(note) <= _LONGEST_NOTE and "\0" not in note):
        violations.append(Violation("note", "type", f"must be a text of at most {_LONGEST_NOTE} characters"))
    refuse(violations)
    return note or ""
