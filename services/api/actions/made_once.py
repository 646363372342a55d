"""An Idempotency-Key makes one thing, however often it comes."""

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
    """Do work in one transaction that writes the name of the request, if it has one, into the table.

    Raises IdempotencyKeyInFlight while another transaction, which goes on for longer than this one may wait, writes
    the same name.
    """
    try:
        return await in_one_transaction(parts, work)
    except DBAPIError as error:
        if request is None or not waited_for(error, table):
            raise
        raise IdempotencyKeyInFlight from None


def request_of(idempotency_key: str | None, principal: Principal, fields: Mapping[str, object]) -> Request | None:
    """What stands for the request; None if it has no key. Who asks belongs to what is asked for."""
    if idempotency_key is None:
        return None
    meaning = json_text.write([principal.subject, sorted(fields.items())])
    return Request(f"create {idempotency_key}", hashlib.sha256(meaning.encode()).hexdigest())


def same(made_by: Callable[[str], tuple[T, str | None] | None], request: Request | None) -> T | None:
    """What an earlier request of that name has made; None if there was none. Raises KeyRequestReused for another."""
    earlier = None if request is None else made_by(request.text)
    if request is None or earlier is None:
        return None
    made, digest = earlier
    if digest != request.digest:
        raise KeyRequestReused
    return made
