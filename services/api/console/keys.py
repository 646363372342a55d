"""`/console/keys`: the API keys of the visitor's tenant: created, rotated and revoked."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response

from services.api.actions import keys
from services.api.actions.errors import KeyAlreadyReplaced, KeyNotUsable, KeyRequestReused, KeysNotInUse
from services.api.actions.keys import FoundKeys, MadeKey, WantedKey
from services.api.actions.partial import looked_at_if_quick
from services.api.auth.principal import InsufficientScope
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Form, Visit, read_form
from shared.access.key_text import name_problem
from shared.access.scopes import OWN, Scope, scope_problem
from shared.catalog.parameters import Violation

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
_DAYS = ("30", "90", "365", "never")
_USUAL_DAYS = "90"
_MOST_SCOPES = 100


@router.get("/keys")
@page_for
async def every(visit: Visit) -> Response:
    """List every key of the tenant, newest first."""
    return await _keys_page(visit)


@router.post("/keys")
@page_for
async def create(visit: Visit) -> Response:
    """Create a key, and show it for this once."""
    form = await read_form(visit)
    wanted, wrong = _wanted(form)
    if not wrong:
        try:
            return _made_page(visit, await keys.create(visit.parts, visit.principal, wanted))
        except InsufficientScope as error:
            visit.principal.need(Scope.KEYS_WRITE)
            wrong = [Violation("scopes", "scope", str(error))]
        except KeyRequestReused as error:
            wrong = [Violation("name", "reused", str(error))]
    return await _keys_page(visit, wrong=wrong, form=form)


@router.get("/keys/{key_id}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one key, and what can be done with it."""
    key = await keys.get(visit.parts, visit.principal, _id(visit))
    context = {
        "key": key,
        "now": datetime.now(UTC),
        "again": str(uuid4()),
        "may_change": visit.principal.has(Scope.KEYS_WRITE),
        "lacking": visit.principal.lacks(key.scopes),
        "refused": None,
    }
    return page(visit, "key.html", context)


@router.post("/keys/{key_id}/rotate")
@page_for
async def rotate(visit: Visit) -> Response:
    """Create a key that follows another, and show it for this once."""
    form = await read_form(visit)
    key_id, hours = _id(visit), form.one("hours") if form.one("hours") in {"0", "1", "24", "168"} else "24"
    try:
        made = await keys.rotate(
            visit.parts,
            visit.principal,
            key_id,
            overlap_s=int(hours) * 3600,
            expires_at=None,
            again=form.one("again")[:255] or None,
        )
        return _made_page(visit, made)
    except (KeyNotUsable, KeyAlreadyReplaced) as error:
        key = await keys.get(visit.parts.for_reading(), visit.principal, key_id)
        told = {"key": key, "now": datetime.now(UTC), "again": str(uuid4()), "may_change": True, "lacking": []}
        return page(visit, "key.html", {**told, "refused": str(error)}, status=409)


@router.post("/keys/{key_id}/revoke")
@page_for
async def revoke(visit: Visit) -> Response:
    """Revoke a key."""
    await read_form(visit)
    await keys.revoke(visit.parts, visit.principal, _id(visit))
    return visit.to(f"/keys/{_id(visit)}")


async def _keys_page(visit: Visit, *, wrong: Sequence[Violation] = (), form: Form | None = None) -> Response:
    token = visit.request.query_params.get("pageToken")
    found: FoundKeys | None = None
    in_use = True
    try:
        listed = keys.list_page(visit.parts.for_reading(), visit.principal, size=_ON_A_PAGE, token=token)
        found = await looked_at_if_quick("keys", listed)
    except KeysNotInUse:
        in_use = False
    has = visit.principal.scopes
    known = sorted(OWN if has is None else has)
    context: dict[str, Any] = {
        "found": found,
        "in_use": in_use,
        "now": datetime.now(UTC),
        "may_change": in_use and visit.principal.has(Scope.KEYS_WRITE),
        "scopes": known,
        "chosen": set(form.many("scopes")) if form else set(),
        "name": form.one("name") if form else "",
        "all_days": _DAYS,
        "days": form.one("days") if form and form.one("days") in _DAYS else _USUAL_DAYS,
        "again": (form and form.one("again")) or str(uuid4()),
        "wrong": wrong,
        "first_page": token is None,
    }
    return page(visit, "keys.html", context, status=422 if wrong else 200)


def _made_page(visit: Visit, made: MadeKey) -> Response:
    return page(visit, "key_made.html", {"made": made}, status=201)


def _wanted(form: Form) -> tuple[WantedKey, list[Violation]]:
    wrong: list[Violation] = []
    name, scopes, days = form.one("name").strip(), form.many("scopes")[:_MOST_SCOPES], form.one("days")
    if problem := name_problem(name):
        wrong.append(Violation("name", "name", problem))
    if not scopes:
        wrong.append(Violation("scopes", "required", "keys.choose_scopes"))
    wrong += [Violation("scopes", "scope", f"{s[:60]!r} {told}") for s in scopes if (told := scope_problem(s))]
    if days not in _DAYS:
        wrong.append(Violation("days", "choice", "keys.days_wrong"))
    lasts = timedelta(days=int(days)) if days in _DAYS and days != "never" else None
    # Midnight, so that a form that is sent twice makes the same request.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    expires_at = None if lasts is None else today + lasts + timedelta(days=1)
    return WantedKey(name, frozenset(scopes), expires_at, form.one("again")[:255] or None), wrong


def _id(visit: Visit) -> str:
    return visit.name("key_id").replace("\0", "?")
