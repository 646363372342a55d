"""/v1/bulk: one action on all jobs that match a filter."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.api.actions import bulk
from services.api.actions.errors import UnknownBulk
from services.api.http.conditional import check
from services.api.http.dependencies import Caller, PartsOf, uuid_of
from services.api.http.openapi import problems
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.bulk_body import BODY, read_bulk
from services.api.v1.bulk_views import BulkResultsView, BulksView, BulkView, bulk_view, result_view
from shared.catalog.parameters import Violation
from shared.jobs.bulk import Bulk, BulkState
from shared.jobs.bulk_rules import BulkOutcome
from shared.suggest import did_you_mean

router = APIRouter(tags=["bulk"])

_LOOK_AGAIN_S = "2"
"""A running action progresses twice per second."""


async def _bulk_id(
    bulk_id: Annotated[str, Path(description="The bulk action's UUID", json_schema_extra={"format": "uuid"})], _: Caller
) -> UUID:
    """Return the action's id."""
    return uuid_of(bulk_id, UnknownBulk)


_BulkId = Annotated[UUID, Depends(_bulk_id)]
_Outcome = Annotated[
    str | None, Query(description="Only jobs with this outcome", json_schema_extra={"enum": list(BulkOutcome)})
]


@router.post(
    "/v1/bulk",
    status_code=201,
    openapi_extra=BODY,
    responses={
        201: {"model": BulkView},
        202: {"model": BulkView, "description": "It is carried out"},
        **problems(400, 401, 403, 413, 415, 422, 429, 503),
    },
)
async def create_bulk(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Cancel, retry or delete all jobs that match a filter: counted first (201), or with `dryRun: false` at once (202).

    Jobs that are accepted later are never included. Needs `jobs:read`, and the scope that the action needs for one job.
    Repeat a request safely with an Idempotency-Key.
    """
    made = await bulk.create(parts, principal, await read_bulk(request))
    headers = {"Location": f"{parts.settings.root_path}/v1/bulk/{made.bulk.id}"}
    if not made.created:
        headers["Idempotent-Replayed"] = "true"
    return _response(parts.settings.root_path, made.bulk, 201 if made.bulk.state is BulkState.DRY_RUN else 202, headers)


@router.get("/v1/bulk", responses={200: {"model": BulksView}, **problems(400, 401, 403, 422, 429, 503)})
async def list_bulk(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The caller's bulk actions, newest first; with `jobs:read_all`, everyone's in the tenant."""
    size = pages.only_size(pageSize)
    found = await bulk.list_page(parts, principal, size=size, token=pageToken)
    root = parts.settings.root_path
    listed = BulksView(bulk=[bulk_view(one, root) for one in found.bulk], next_page_token=found.next_page_token)
    return json_response(listed, headers=pages.list_links(f"{root}/v1/bulk", pageSize, found.next_page_token))


@router.get(
    "/v1/bulk/{bulk_id:job}", responses={200: {"model": BulkView}, **problems(401, 403, 404, 412, 422, 429, 503)}
)
async def get_bulk(request: Request, bulk_id: _BulkId, parts: PartsOf, principal: Caller) -> Response:
    """One bulk action: how many jobs it matched, how far it is, and how many jobs had which outcome."""
    found = await bulk.get(parts, principal, bulk_id)
    if not check(request, f'"{found.version}"'):
        return Response(status_code=304, headers={"ETag": f'"{found.version}"'})
    return _response(parts.settings.root_path, found, 200, {"Cache-Control": "private, no-cache"})


@router.post(
    "/v1/bulk/{bulk_id:job}:run",
    status_code=202,
    responses={202: {"model": BulkView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def run_bulk(bulk_id: _BulkId, parts: PartsOf, principal: Caller) -> Response:
    """Carry out a dry run as it was counted; only its creator may. A running or completed action is left as it is."""
    return _response(parts.settings.root_path, await bulk.run(parts, principal, bulk_id), 202, {})


@router.post(
    "/v1/bulk/{bulk_id:job}:stop",
    responses={200: {"model": BulkView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def stop_bulk(bulk_id: _BulkId, parts: PartsOf, principal: Caller) -> Response:
    """Stop a bulk action; what it has done stays done. 409 if it has ended already."""
    return _response(parts.settings.root_path, await bulk.stop(parts, principal, bulk_id), 200, {})


@router.get(
    "/v1/bulk/{bulk_id:job}/results",
    responses={200: {"model": BulkResultsView}, **problems(400, 401, 403, 404, 422, 429, 503)},
)
async def list_bulk_results(
    bulk_id: _BulkId,
    parts: PartsOf,
    principal: Caller,
    outcome: _Outcome = None,
    pageSize: pages.PageSize = "0",  # noqa: N803
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """What happened to each job of the action, newest first; with `outcome=refused`, the refused ones and why."""
    violations: list[Violation] = []
    size = pages.page_size(pageSize, violations)
    if outcome is not None and outcome not in list(BulkOutcome):
        wrong = f"{outcome[:40]!r} is not an outcome{did_you_mean(outcome[:40], list(BulkOutcome))}"
        violations.append(Violation("outcome", "choice", wrong))
    if violations:
        raise invalid("The query is not valid.", violations)
    wanted = None if outcome is None else BulkOutcome(outcome)
    found = await bulk.results(parts, principal, bulk_id, outcome=wanted, size=size, token=pageToken)
    root = parts.settings.root_path
    own = f"{root}/v1/bulk/{bulk_id}/results"
    links = pages.list_links(own, pageSize, found.next_page_token, {"outcome": outcome})
    listed = BulkResultsView(
        results=[result_view(one, root) for one in found.results], next_page_token=found.next_page_token
    )
    return json_response(listed, headers=links)


def _response(root: str, found: Bulk, status: int, headers: dict[str, str]) -> Response:
    headers = {**headers, "ETag": f'"{found.version}"'}
    if found.state is BulkState.RUNNING:
        headers["Retry-After"] = _LOOK_AGAIN_S
    return json_response(bulk_view(found, root), status, headers)
