"""Dependencies that FastAPI injects into the routes."""

import itertools
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.convertors import StringConvertor, register_url_convertor

from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest, UnknownSchedule, UnknownWebhook
from services.api.actions.job_errors import UnknownJob
from services.api.actions.parts import Parts
from services.api.auth.access import RateLimited
from services.api.auth.principal import Origin, Principal
from services.api.http.client_address import client_address
from services.api.http.quota import QUOTA
from shared.catalog.parameters import Violation
from shared.errors import TodokeError
from shared.suggest import did_you_mean

WEIGHTS: Mapping[str, int] = {
    "estimate_job": 5,
    "create_bulk": 5,
    "list_jobs": 2,
    "list_audit": 2,
    "get_overview": 5,
    "list_gates": 2,
    "list_job_rows": 2,
    "get_job_why": 2,
    "list_choices": 2,
    "stream_job": 2,
    "stream_jobs": 2,
}
"""What requests of these operations count as in rate limits; every other counts as 1. These examine many rows, or stay
open."""


class _NameConvertor(StringConvertor):
    """Matches no colon, so that `/jobs/x:cancel` is a path of its own, and not a job named `x:cancel`."""

    regex = "[^/:]+"


register_url_convertor("job", _NameConvertor())
register_url_convertor("file", _NameConvertor())


def parts_of(request: Request) -> Parts:
    """The parts that the application was created with."""
    return cast("Parts", request.app.state.parts)


async def principal_of(request: Request) -> Principal:
    """Return the principal that sent the request.

    Raises Unauthorized and RateLimited, and InvalidRequest for its query.
    """
    address = client_address(request, request.app.state.trusted_proxies)
    access = parts_of(request).access
    try:
        principal, request.scope[QUOTA] = await access.admitted(
            request.headers.get("authorization"), address, weight=_weight(request) if access.limited else 1
        )
    except RateLimited as error:
        request.scope[QUOTA] = error.quota
        raise
    if request.scope["query_string"]:
        _check_query(request)
    return principal.asking(Origin(request.scope.get("request_id"), address or None))


def _weight(request: Request) -> int:
    return WEIGHTS.get(getattr(request.scope.get("route"), "name", ""), 1)


def _check_query(request: Request) -> None:
    """Refuse query parameters that the operation does not know: a filter with a typing error would list everything."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    fields = dependant.query_params if dependant is not None else []
    # Parameter → whether it may be repeated.
    known = {field.alias: str(field.field_info.annotation).startswith("list") for field in fields}
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    violations = [
        Violation(name[:100], "unknown_parameter", f"is not a query parameter here{_remedy(name[:100], known)}")
        for name in itertools.islice((n for n in dict.fromkeys(names) if n not in known), MOST_VIOLATIONS)
    ]
    violations += [
        Violation(name, "repeated", "must be given only once")
        for name, repeatable in known.items()
        if not repeatable and names.count(name) > 1
    ]
    if violations:
        raise InvalidRequest("The query is not valid.", violations)


def _remedy(name: str, known: Collection[str]) -> str:
    return did_you_mean(name, list(known)) if known else ": this operation has none"


# Coroutines, although they await nothing: FastAPI would send a plain function through its thread pool.
async def _parts(request: Request) -> Parts:
    return parts_of(request)


Caller = Annotated[Principal, Depends(principal_of)]


def uuid_of(given: str, unknown: Callable[[str], TodokeError]) -> UUID:
    """Return the id in a path. Any other spelling of a UUID is unknown: a resource has one address only."""
    try:
        found = UUID(given)
    except ValueError:
        raise unknown(given) from None
    if str(found) != given:
        raise unknown(given)
    return found


async def _job_id(
    job_id: Annotated[str, Path(description="The job's UUID", json_schema_extra={"format": "uuid"})], _: Caller
) -> UUID:
    """Return the job's id."""
    return uuid_of(job_id, UnknownJob)


async def _schedule_id(
    schedule_id: Annotated[str, Path(description="The schedule's UUID", json_schema_extra={"format": "uuid"})],
    _: Caller,
) -> UUID:
    """Return the schedule's id."""
    return uuid_of(schedule_id, UnknownSchedule)


async def _webhook_id(
    webhook_id: Annotated[str, Path(description="The webhook's UUID", json_schema_extra={"format": "uuid"})], _: Caller
) -> UUID:
    """Return the webhook's id."""
    return uuid_of(webhook_id, UnknownWebhook)


PartsOf = Annotated[Parts, Depends(_parts)]
JobId = Annotated[UUID, Depends(_job_id)]
ScheduleId = Annotated[UUID, Depends(_schedule_id)]
WebhookId = Annotated[UUID, Depends(_webhook_id)]
