"""Makes sure that an Idempotency-Key creates one thing only, however often it is sent."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from services.api.actions.errors import KeyRequestReused
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.made_once import Request
from shared.database.unavailable import waited_for
from shared.jobs.submission import IdempotencyKeyInFlight

T = TypeVar("T")


async def make_once(
    parts: Parts,
    table: Literal["api_keys", "bulk_actions", "idempotency_keys", "schedules", "shares", "webhooks"],
    request: object | None,
    work: Callable[[Connection], T],
) -> T:
    """Do `work` in one transaction that also writes the request's key, if it has one, into `table`.

    Raises IdempotencyKeyInFlight if another transaction that writes the same key runs for longer than this one may
    wait.
    """
    try:
        return await in_one_transaction(parts, work)
    except DBAPIError as error:
        if request is None or not waited_for(error, table):
            raise
        raise IdempotencyKeyInFlight from None


def request_of(idempotency_key: str | None, principal: Principal, fields: Mapping[str, object]) -> Request | None:
    """Return what identifies the request; None if it has no key. The requester is part of the request."""
    if idempotency_key is None:
        return None
    meaning = json_text.write([principal.subject, sorted(fields.items())])
    return Request(f"create {idempotency_key}", hashlib.sha256(meaning.encode()).hexdigest())


def same(made_by: Callable[[str], tuple[T, str | None] | None], request: Request | None) -> T | None:
    """Return what an earlier request with this key created; None if there was none.

    Raises KeyRequestReused if the requests differ.
    """
    earlier = None if request is None else made_by(request.text)
    if request is None or earlier is None:
        return None
    made, digest = earlier
    if digest != request.digest:
        raise KeyRequestReused
    return made
