"""/v1/keys and /v1/me: the caller's identity, and the keys of its tenant."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from services.api.actions import keys
from services.api.actions.keys import MadeKey, WantedKey
from services.api.http.dependencies import Caller, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.access_views import KeysView, KeyView, MadeKeyView, MeView, RotatedKeyView, key_view, made_view
from services.api.v1.body_fields import body_of, idempotency_key, overlap_s, overlap_schema, refuse, unknown_fields
from services.api.v1.submission_body import read_fields
from services.api.v1.submissions import IDEMPOTENCY_KEY
from shared.access.key_text import name_problem
from shared.access.scopes import scope_problem
from shared.catalog.parameters import Violation

router = APIRouter(tags=["keys"])

_MOST_SCOPES = 100
_LONGEST_OVERLAP_S = 30 * 86_400
_NOT_KEPT = {"Cache-Control": "no-store"}
_EXPIRES: dict[str, Any] = {
    "type": ["string", "null"], "format": "date-time", "description": "When the key ends; null: when it is revoked",
}  # fmt: skip
_SCOPES: dict[str, Any] = {
    "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MOST_SCOPES,
    "description": "Scopes that the caller has itself",
}  # fmt: skip
_NAME = {"type": "string", "minLength": 1, "maxLength": 100, "description": "Who uses it: jobs belong to this name"}
_OVERLAP = overlap_schema(_LONGEST_OVERLAP_S, "Seconds for which the old key still works; a day if left out")


_CREATE = {
    **body_of(
        {"name": _NAME, "scopes": _SCOPES, "expiresAt": _EXPIRES},
        {"name": "ci", "scopes": ["jobs:create", "jobs:read"], "expiresAt": "2027-01-31T00:00:00Z"},
        required=("name", "scopes"),
    ),
    "parameters": [IDEMPOTENCY_KEY],
}
_ROTATE = {
    **body_of({"overlapSeconds": _OVERLAP, "expiresAt": _EXPIRES}, {"overlapSeconds": 3600}),
    "parameters": [IDEMPOTENCY_KEY],
}


@router.get("/v1/me", responses={200: {"model": MeView}, **problems(401, 422, 429)})
async def get_me(principal: Caller) -> Response:
    """The caller's identity, and what it may do."""
    credential = "none" if principal.scopes is None else "key" if principal.key_id else "token"
    scopes = None if principal.scopes is None else sorted(principal.scopes)
    me = MeView(
        tenant=principal.tenant,
        subject=principal.subject,
        credential=credential,
        key_id=principal.key_id,
        scopes=scopes,
    )
    return json_response(me, headers=_NOT_KEPT)


@router.get("/v1/keys", responses={200: {"model": KeysView}, **problems(400, 401, 403, 409, 422, 429, 503)})
async def list_keys(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The tenant's API keys, newest first, including expired and revoked ones; needs the scope `keys:read`."""
    size = pages.only_size(pageSize)
    found = await keys.list_page(parts, principal, size=size, token=pageToken)
    links = pages.list_links(f"{parts.settings.root_path}/v1/keys", pageSize, found.next_page_token)
    listed = KeysView(keys=[key_view(key) for key in found.keys], next_page_token=found.next_page_token)
    return json_response(listed, headers=links)


@router.get("/v1/keys/{key_id:job}", responses={200: {"model": KeyView}, **problems(401, 403, 404, 409, 422, 429, 503)})
async def get_key(key_id: str, parts: PartsOf, principal: Caller) -> Response:
    """One API key; needs the scope `keys:read`."""
    return json_response(key_view(await keys.get(parts, principal, _id(key_id))))


@router.post(
    "/v1/keys",
    status_code=201,
    openapi_extra=_CREATE,
    responses={201: {"model": MadeKeyView}, **problems(400, 401, 403, 409, 413, 415, 422, 429, 503)},
)
async def create_key(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Create an API key of the tenant, with scopes that the caller has; needs the scope `keys:write`.

    The key is shown once. A repetition with the same Idempotency-Key is answered without it.
    """
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("name", "scopes", "expiresAt"))
    wanted = WantedKey(
        _name(fields.get("name"), violations),
        _scopes(fields.get("scopes"), violations),
        _expiry(fields.get("expiresAt"), violations),
        idempotency_key(request, violations),
    )
    refuse(violations)
    return _made(await keys.create(parts, principal, wanted), parts.settings.root_path)


@router.post(
    "/v1/keys/{key_id:job}:rotate",
    status_code=201,
    openapi_extra=_ROTATE,
    responses={201: {"model": RotatedKeyView}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)},
)
async def rotate_key(request: Request, key_id: str, parts: PartsOf, principal: Caller) -> Response:
    """Create an API key that follows another, with its name and scopes; the old one keeps working for a while.

    Needs the scope `keys:write`. Without `expiresAt` the new key lives as long as the old one was created to live.
    """
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("overlapSeconds", "expiresAt"))
    lasts_s = overlap_s(fields, _LONGEST_OVERLAP_S, violations)
    expires_at = _expiry(fields.get("expiresAt"), violations)
    again = idempotency_key(request, violations)
    refuse(violations)
    made = await keys.rotate(parts, principal, _id(key_id), overlap_s=lasts_s, expires_at=expires_at, again=again)
    return _made(made, parts.settings.root_path)


@router.delete(
    "/v1/keys/{key_id:job}",
    status_code=204,
    responses={204: {"description": "Revoked"}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def revoke_key(key_id: str, parts: PartsOf, principal: Caller) -> Response:
    """Revoke an API key; needs the scope `keys:write`. An API process may accept it for ten more seconds."""
    await keys.revoke(parts, principal, _id(key_id))
    return Response(status_code=204)


def _made(made: MadeKey, root: str) -> Response:
    headers = {"Location": f"{root}/v1/keys/{made.key.id}", **_NOT_KEPT}
    if made.secret is None:
        headers["Idempotent-Replayed"] = "true"
    return json_response(made_view(made), 201, headers)


def _id(given: str) -> str:
    """Refuse an id with U+0000, which PostgreSQL does not accept and no key has."""
    return given.replace("\0", "?")


def _name(given: object, violations: list[Violation]) -> str:
    wrong = name_problem(given) if isinstance(given, str) else "must be a string, for example ci"
    if wrong:
        violations.append(Violation("name", "name", wrong))
    return str(given)


def _scopes(given: object, violations: list[Violation]) -> frozenset[str]:
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_SCOPES:
        wrong = f'must be a list of 1 to {_MOST_SCOPES} scopes, such as ["jobs:read"]'
        violations.append(Violation("scopes", "type", wrong))
        return frozenset()
    for n, scope in enumerate(given):
        if wrong_scope := scope_problem(scope) if isinstance(scope, str) else "must be a string":
            violations.append(Violation(f"scopes[{n}]", "scope", wrong_scope))
    return frozenset(map(str, given))


def _expiry(given: object, violations: list[Violation]) -> datetime | None:
    at = pages.moment("expiresAt", given, violations)
    if at is not None and at <= datetime.now(at.tzinfo):
        violations.append(Violation("expiresAt", "past", "must be in the future"))
    return at
