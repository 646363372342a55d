"""/v1/gates: what is paused and capped, for operators."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.api.actions import gates
from services.api.actions.errors import UnknownGate
from services.api.actions.gates import MOST_RUNNING, OpenGate, WantedPause
from services.api.http.conditional import check, insists
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.body_fields import body_of, refuse, unknown_fields
from services.api.v1.gate_views import GatesView, GateView, gate_view
from services.api.v1.submission_body import read_fields
from shared.catalog.parameters import Violation
from shared.catalog.values import whole
from shared.jobs.gates import Gate, Kind
from shared.jobs.queue_caps import MOST
from shared.suggest import did_you_mean

router = APIRouter(tags=["gates"])

_LONGEST_REASON = 200
_Kind = Annotated[str, Path(description="What it is", json_schema_extra={"enum": [str(k) for k in Kind]})]
_Name = Annotated[str, Path(description="The name of the tenant, report type or source")]
_OfKind = Annotated[str | None, Query(description="Only these", json_schema_extra={"enum": [str(k) for k in Kind]})]
_PLACE = "/v1/gates/{kind:job}/{name:job}"


def _body(required: str, example: Mapping[str, Any], **fields: Mapping[str, Any]) -> dict[str, Any]:
    return body_of(fields, example, required=(required,))


_PAUSE = _body(
    "reason",
    {"reason": "the warehouse moves tonight", "until": "2027-01-31T06:00:00Z"},
    reason={"type": "string", "minLength": 1, "maxLength": _LONGEST_REASON, "description": "Why; clients are told"},
    until={
        "type": ["string", "null"], "format": "date-time", "description": "When it ends by itself; null: when resumed",
    },
)  # fmt: skip
_CAP = _body(
    "mostRunning",
    {"mostRunning": 4},
    mostRunning={
        "type": "integer", "minimum": 1, "maximum": MOST_RUNNING,
        "description": "Jobs that may run at the same time, on all workers together",
    },
)  # fmt: skip

_QUEUE_CAP = _body(
    "mostUnfinished",
    {"mostUnfinished": 1000},
    mostUnfinished={
        "type": "integer", "minimum": 1, "maximum": MOST, "description": "Jobs that may wait and run at the same time",
    },
)  # fmt: skip
_QUEUE = "/v1/gates/tenant/{name:job}/queue-cap"


@router.get("/v1/gates", responses={200: {"model": GatesView}, **problems(401, 403, 422, 429, 503)})
async def list_gates(parts: PartsOf, principal: Caller, kind: _OfKind = None) -> Response:
    """Every tenant, report type and source that is paused or capped; needs the scope `admin:read`."""
    violations: list[Violation] = []
    if kind is not None and kind not in list(Kind):
        wrong = f"{kind[:40]!r} is not a kind{did_you_mean(kind[:40], list(Kind))}"
        violations.append(Violation("kind", "choice", wrong))
    refuse(violations)
    found = await gates.list_all(parts, principal, None if kind is None else Kind(kind))
    return json_response(GatesView(gates=[gate_view(one) for one in found]))


@router.get(_PLACE, responses={200: {"model": GateView}, 304: {}, **problems(401, 403, 404, 412, 422, 429, 503)})
async def get_gate(request: Request, kind: _Kind, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """The state of one tenant, report type or source, paused or capped or neither; needs the scope `admin:read`."""
    found = await gates.get(parts, principal, _gate(kind, name))
    if not check(request, _etag(found)):
        return Response(status_code=304, headers={"ETag": _etag(found)})
    return _answer(found)


@router.post(
    f"{_PLACE}:pause",
    openapi_extra=_PAUSE,
    responses={200: {"model": GateView}, **problems(400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503)},
)
async def pause_gate(request: Request, kind: _Kind, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """Pause a tenant, a report type or a source: none of its jobs is started; needs the scope `admin:write`.

    Its jobs are accepted and wait, and their deadlines stand still. Running jobs continue. Pausing again changes the
    reason and the end.
    """
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("reason", "until"))
    wanted = WantedPause(_reason(fields.get("reason"), violations), _until(fields.get("until"), violations))
    refuse(violations)
    return _answer(await gates.pause(parts, principal, _gate(kind, name), wanted, insists=insists(request)))


@router.post(f"{_PLACE}:resume", responses={200: {"model": GateView}, **problems(401, 403, 404, 412, 422, 429, 503)})
async def resume_gate(request: Request, kind: _Kind, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """End a pause; needs the scope `admin:write`. What is not paused stays as it is.

    Its jobs are given back the time for which they stood still, and then start in turns; `pause.endedAt` is shown until
    then.
    """
    return _answer(await gates.resume(parts, principal, _gate(kind, name), insists=insists(request)))


@router.put(
    f"{_PLACE}/cap",
    openapi_extra=_CAP,
    responses={200: {"model": GateView}, **problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503)},
)
async def set_cap(request: Request, kind: _Kind, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """Limit how many jobs of a tenant, a report type or a source run; needs the scope `admin:write`.

    Running jobs continue, and count.
    """
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("mostRunning",))
    most = _whole("mostRunning", fields.get("mostRunning"), MOST_RUNNING, violations)
    refuse(violations)
    return _answer(await gates.set_cap(parts, principal, _gate(kind, name), most, insists=insists(request)))


@router.delete(
    f"{_PLACE}/cap",
    status_code=204,
    responses={204: {"description": "It has no cap"}, **problems(401, 403, 404, 412, 422, 429, 503)},
)
async def remove_cap(request: Request, kind: _Kind, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """Remove the limit on running jobs; needs the scope `admin:write`. What has no cap stays as it is."""
    await gates.remove_cap(parts, principal, _gate(kind, name), insists=insists(request))
    return Response(status_code=204)


@router.put(
    _QUEUE,
    openapi_extra=_QUEUE_CAP,
    responses={200: {"model": GateView}, **problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503)},
)
async def set_queue_cap(request: Request, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """Limit how many unfinished jobs a tenant may have, waiting and running; needs the scope `admin:write`.

    Further submissions are refused with 429. Accepted jobs continue, and count.
    """
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("mostUnfinished",))
    most = _whole("mostUnfinished", fields.get("mostUnfinished"), MOST, violations)
    refuse(violations)
    return _answer(await gates.set_queue_cap(parts, principal, name, most, insists=insists(request)))


@router.delete(
    _QUEUE,
    status_code=204,
    responses={204: {"description": "It has no such cap"}, **problems(401, 403, 404, 412, 422, 429, 503)},
)
async def remove_queue_cap(request: Request, name: _Name, parts: PartsOf, principal: Caller) -> Response:
    """Remove the limit on a tenant's unfinished jobs; needs the scope `admin:write`. What has no cap stays as it is."""
    await gates.remove_queue_cap(parts, principal, name, insists=insists(request))
    return Response(status_code=204)


def _gate(kind: str, name: str) -> Gate:
    if kind not in list(Kind):
        raise UnknownGate(
            f"{kind[:40]!r} is not a kind of what can be paused and capped{did_you_mean(kind[:40], Kind)}"
        )
    return Gate(Kind(kind), name)


def _etag(found: OpenGate) -> str:
    return f'"{found.revision}"'


def _answer(found: OpenGate) -> Response:
    return json_response(gate_view(found), headers={"ETag": _etag(found)})


def _reason(given: object, violations: list[Violation]) -> str:
    if isinstance(given, str) and given.strip() and given.isprintable() and len(given) <= _LONGEST_REASON:
        return given
    violations.append(Violation("reason", "text", f"must give the reason in 1 to {_LONGEST_REASON} visible characters"))
    return ""


def _until(given: object, violations: list[Violation]) -> datetime | None:
    at = pages.moment("until", given, violations)
    if at is not None and at <= datetime.now(UTC):
        violations.append(Violation("until", "past", "must be in the future"))
    return at


def _whole(field: str, given: object, most: int, violations: list[Violation]) -> int:
    if (number := whole(given)) is not None and 1 <= number <= most:
        return number
    violations.append(
        Violation(field, "range", f"must be a whole number from 1 to {most}; to start none, pause it instead")
    )
    return most
