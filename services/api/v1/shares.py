"""/v1/shares: links with which a visitor without a key downloads a file."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.api.actions import shares
from services.api.actions.job_errors import UnknownJob
from services.api.actions.shares import UnknownShare, WantedShare
from services.api.http.dependencies import Caller, JobId, PartsOf, uuid_of
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.body_fields import idempotency_key, refuse, unknown_fields, whole_number
from services.api.v1.share_views import MadeShareView, SharesView, ShareView, made_view, share_view
from services.api.v1.submission_body import read_fields
from services.api.v1.submissions import IDEMPOTENCY_KEY
from shared.access.shares import MOST_DOWNLOADS

router = APIRouter(tags=["artifacts"])

_LEAST_S = 60
_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_FIELDS: dict[str, Any] = {
    "expiresSeconds": {
        "type": ["integer", "null"], "minimum": _LEAST_S,
        "description": "How long it works; a week if left out. Never longer than `API_SHARE_MAX_DAYS` and the file",
    },
    "maxDownloads": {
        "type": ["integer", "null"], "minimum": 1, "maximum": MOST_DOWNLOADS,
        "description": "How often it may be downloaded; any number if left out",
    },
}  # fmt: skip
_SCHEMA = {"type": "object", "additionalProperties": False, "properties": _FIELDS, "required": []}
_EXAMPLE = {"expiresSeconds": 3 * _DAY_S, "maxDownloads": 5}
_BODY = {
    "requestBody": {"required": False, "content": {"application/json": {"schema": _SCHEMA, "example": _EXAMPLE}}},
    "parameters": [IDEMPOTENCY_KEY],
}
_NOT_KEPT = {"Cache-Control": "no-store"}
_Id = Annotated[str, Path(description="The link's UUID", json_schema_extra={"format": "uuid"})]
_Job = Annotated[str | None, Query(description="The links of this job alone", json_schema_extra={"format": "uuid"})]


@router.post(
    "/v1/jobs/{job_id:job}/artifacts/{name:file}:share",
    status_code=201,
    openapi_extra=_BODY,
    responses={201: {"model": MadeShareView}, **problems(400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503)},
)
async def share_artifact(request: Request, job_id: JobId, name: str, parts: PartsOf, principal: Caller) -> Response:
    """Create a link with which anyone can download this file, without a key."""
    wanted = _wanted(request, await read_fields(request), parts.settings.share_max_days)
    made = await shares.create(parts, principal, job_id, name, wanted)
    headers = {"Location": f"{parts.settings.root_path}/v1/shares/{made.share.id}", **_NOT_KEPT}
    if made.token is None:
        headers["Idempotent-Replayed"] = "true"
    return json_response(made_view(made, parts.settings.root_path), 201, headers)


@router.get("/v1/shares", responses={200: {"model": SharesView}, **problems(400, 401, 403, 404, 410, 422, 429, 503)})
async def list_shares(
    parts: PartsOf,
    principal: Caller,
    job: _Job = None,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The caller's links, newest first, without their secret parts; with `jobs:read_all` those of the whole tenant."""
    size = pages.only_size(pageSize)
    job_id = None if job is None else uuid_of(job, UnknownJob)
    found = await shares.list_page(parts, principal, job_id=job_id, size=size, token=pageToken)
    root = parts.settings.root_path
    links = pages.list_links(f"{root}/v1/shares", pageSize, found.next_page_token, {"job": job})
    views = [share_view(one, root) for one in found.shares]
    view = SharesView(shares=views, next_page_token=found.next_page_token)
    return json_response(view, headers={**links, **_NOT_KEPT})


@router.get(
    "/v1/shares/{share_id:job}", responses={200: {"model": ShareView}, **problems(401, 403, 404, 422, 429, 503)}
)
async def get_share(share_id: _Id, parts: PartsOf, principal: Caller) -> Response:
    """One link, and how often it was used."""
    found = await shares.get(parts, principal, uuid_of(share_id, _unknown))
    return json_response(share_view(found, parts.settings.root_path), headers=_NOT_KEPT)


@router.delete(
    "/v1/shares/{share_id:job}",
    status_code=204,
    responses={204: {"description": "Revoked"}, **problems(401, 403, 404, 422, 429, 503)},
)
async def revoke_share(share_id: _Id, parts: PartsOf, principal: Caller) -> Response:
    """Revoke a link."""
    await shares.revoke(parts, principal, uuid_of(share_id, _unknown))
    return Response(status_code=204)


def _unknown(_: str) -> UnknownShare:
    return UnknownShare()


def _wanted(request: Request, fields: Mapping[str, Any], max_days: float) -> WantedShare:
    violations = unknown_fields(fields, list(_FIELDS))
    most_s = int(max_days * _DAY_S)
    expires_s = whole_number(fields, "expiresSeconds", _LEAST_S, max(_LEAST_S, most_s), violations)
    most = whole_number(fields, "maxDownloads", 1, MOST_DOWNLOADS, violations)
    key = idempotency_key(request, violations)
    refuse(violations)
    return WantedShare(min(_WEEK_S, most_s) if expires_s is None else expires_s, most, key)
