"""The audit trail: who changed what, written in the transaction of the change.

A submission writes no entry: the job's own row says who requested it, and its history says when.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text


class Action(StrEnum):
    """What was done: an operation of the API that changes something, or the command on the server
    that does the same.
    """

    BULK_CREATE = "bulk.create"
    BULK_RUN = "bulk.run"
    BULK_STOP = "bulk.stop"
    DEAD_LETTERS_DROP = "dead_letters.drop"
    DEAD_LETTERS_REDRIVE = "dead_letters.redrive"
    GATES_CAP = "gates.cap"
    GATES_PAUSE = "gates.pause"
    GATES_RESUME = "gates.resume"
    GATES_UNCAP = "gates.uncap"
    JOBS_CANCEL = "jobs.cancel"
    JOBS_DELETE = "jobs.delete"
    JOBS_KEEP = "jobs.keep"
    JOBS_RESEAL = "jobs.reseal"
    KEYS_CREATE = "keys.create"
    KEYS_LINK = "keys.link"
    KEYS_REVOKE = "keys.revoke"
    KEYS_ROTATE = "keys.rotate"
    SESSIONS_BEGIN = "sessions.begin"
    SESSIONS_END = "sessions.end"
    SCHEDULES_BACKFILL = "schedules.backfill"
    SCHEDULES_CREATE = "schedules.create"
    SCHEDULES_DELETE = "schedules.delete"
    SCHEDULES_PAUSE = "schedules.pause"
    SCHEDULES_RESUME = "schedules.resume"
    SCHEDULES_RUN = "schedules.run"
    SCHEDULES_UPDATE = "schedules.update"
    SHARES_CREATE = "shares.create"
    SHARES_DOWNLOAD = "shares.download"
    SHARES_REVOKE = "shares.revoke"
    VIEWS_DELETE = "views.delete"
    VIEWS_SAVE = "views.save"
    WEBHOOKS_CREATE = "webhooks.create"
    WEBHOOKS_DELETE = "webhooks.delete"
    WEBHOOKS_REDELIVER = "webhooks.redeliver"
    WEBHOOKS_RESEAL = "webhooks.reseal"
    WEBHOOKS_ROTATE = "webhooks.rotate"
    WEBHOOKS_TEST = "webhooks.test"
    WEBHOOKS_UPDATE = "webhooks.update"
    OUTBOX_REQUEUE = "outbox.requeue"
    OUTBOX_DROP = "outbox.drop"


class Actor(NamedTuple):
    """Who did it, and where the request came from."""

    tenant: str
    subject: str | None = None
    """None where no identity is required."""
    key_id: str | None = None
    """The id of the API key, if one was used."""
    request_id: str | None = None
    address: str | None = None
    """The client's address, as reported by trusted proxies."""


_RECORD = text("""
    /* audit.record */
    INSERT INTO audit (tenant, subject, key_id, request_id, address, action, object, before, after)
    VALUES (:tenant, :subject, :key_id, :request_id, :address, :action, :object,
            CAST(:before AS jsonb), CAST(:after AS jsonb))
""")


def record(
    conn: Connection,
    actor: Actor,
    action: Action,
    what: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record that `actor` has changed `what`, such as `jobs/<id>`.

    It must run in the caller's transaction, or the entry proves nothing. `before` and `after` hold the values that
    changed, by their names on the wire. They are small, and contain neither secrets nor parameters or texts of jobs,
    because nothing is erased from the trail.
    """
    conn.execute(
        _RECORD,
        {
            **actor._asdict(), "action": str(action), "object": what,
            "before": None if before is None else json_text.write(before),
            "after": None if after is None else json_text.write(after),
        },
    )  # fmt: skip
