"""Webhooks in the database, as their owners read and write them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from shared import json_text
from shared.access.made_once import Request
from shared.access.secret_keys import Sealed
from shared.stored import member_or_none
from shared.webhooks.webhook import Disabled, Wanted, Webhook

COLUMNS = """w.id, w.tenant, w.url, w.origin, w.types, w.report_types, w.notify_when, w.description, w.version,
    w.created_by, w.created_at, w.updated_at, w.disabled_at, w.disabled_because, w.failing_since, w.last_success_at,
    w.last_failure_at, w.throttled_until"""
"""What `webhook_of` reads from the table `webhooks` as `w`."""

THERE = "w.deleted_at IS NULL"
"""False for a deleted webhook whose rows a relay has yet to remove."""

_CREATE = text(f"""
    /* webhooks.create */
    WITH made AS (
        INSERT INTO webhooks AS w (id, tenant, url, origin, types, report_types, notify_when, description,
                                   created_by, request, digest)
        VALUES (:id, :tenant, :url, :origin, CAST(:types AS text[]), CAST(:report_types AS text[]),
                CAST(:notify_when AS jsonb), :description, :created_by, :request, :digest)
            ON CONFLICT (tenant, request) WHERE request IS NOT NULL DO NOTHING
        RETURNING {COLUMNS}
    ), kept AS (
        INSERT INTO webhook_secrets (webhook_id, number, key_id, sealed) SELECT id, 1, :key_id, :sealed FROM made
    )
    SELECT * FROM made
""")
_MADE_BY = text(f"""
    /* webhooks.made_by */
    SELECT {COLUMNS}, w.digest FROM webhooks w WHERE w.tenant = :tenant AND w.request = :request
""")
_GET = text(f"/* webhooks.get */ SELECT {COLUMNS} FROM webhooks w WHERE w.id = :id AND w.tenant = :tenant AND {THERE}")
_HOLD = text(_GET.text.replace("webhooks.get", "webhooks.hold") + " FOR UPDATE OF w")
_LIST = text(f"""
    /* webhooks.list */
    SELECT {COLUMNS} FROM webhooks w WHERE w.tenant = :tenant AND w.id < :before AND {THERE}
     ORDER BY w.id DESC LIMIT :limit
""")
_COUNT = text(f"""
    /* webhooks.count */
    SELECT count(*) FROM (SELECT FROM webhooks w WHERE w.tenant = :tenant AND {THERE} LIMIT :most) AS bounded
""")
_OF_ORIGIN = text("""
    /* webhooks.of_origin */
    SELECT EXISTS (SELECT FROM webhooks WHERE tenant = :tenant AND origin = :origin AND disabled_at IS NULL)
""")
# Past failures are forgotten when the webhook is switched on again, or its address changes.
_REPLACE = text(f"""
    /* webhooks.replace */
    UPDATE webhooks w
       SET url = :url, origin = :origin, types = CAST(:types AS text[]), report_types = CAST(:report_types AS text[]),
           notify_when = CAST(:notify_when AS jsonb), description = :description,
           disabled_at = CASE WHEN CAST(:disabled AS text) IS NULL THEN NULL
                              ELSE coalesce(w.disabled_at, clock_timestamp()) END,
           disabled_because = :disabled,
           failing_since = CASE WHEN w.url = :url AND (w.disabled_at IS NULL OR CAST(:disabled AS text) IS NOT NULL)
                                THEN w.failing_since END,
           throttled_until = CASE WHEN w.url = :url THEN w.throttled_until END,
           version = w.version + 1, updated_at = clock_timestamp()
     WHERE w.id = :id AND w.tenant = :tenant AND {THERE}
    RETURNING {COLUMNS}
""")
# It becomes invisible, and its address, its creator and its secrets are erased. A relay removes the rest.
_DELETE = text("""
    /* webhooks.delete */
    WITH gone AS (
        UPDATE webhooks
           SET deleted_at = clock_timestamp(), disabled_at = coalesce(disabled_at, clock_timestamp()),
               disabled_because = 'asked', url = 'https://deleted.invalid/', origin = '', description = '',
               created_by = NULL, request = NULL, digest = NULL, version = version + 1
         WHERE id = :id AND tenant = :tenant AND deleted_at IS NULL
        RETURNING id
    ), secrets AS (
        DELETE FROM webhook_secrets s USING gone WHERE s.webhook_id = gone.id
    )
    SELECT id FROM gone
""")
# Secrets that are already expiring keep their end: a repeated rotation must not end one that is still in use.
_ROTATE = text("""
    /* webhooks.rotate */
    WITH old AS (
        UPDATE webhook_secrets s
           SET ends_at = coalesce(s.ends_at, clock_timestamp() + make_interval(secs => :overlap_s))
         WHERE s.webhook_id = :id
        RETURNING s.number, s.ends_at
    )
    INSERT INTO webhook_secrets (webhook_id, number, key_id, sealed)
    SELECT :id, max(old.number) + 1, :key_id, :sealed FROM old
    RETURNING (SELECT ends_at FROM old ORDER BY number DESC LIMIT 1) AS old_ends_at
""")
_SECRETS = text("""
    /* webhooks.secrets */
    SELECT webhook_id, key_id, sealed FROM webhook_secrets
     WHERE webhook_id = ANY (CAST(:ids AS uuid[])) AND (ends_at IS NULL OR ends_at > clock_timestamp())
     ORDER BY webhook_id, number DESC
""")


def create(
    conn: Connection, webhook_id: UUID, tenant: str, wanted: Wanted, sealed: Sealed, by: str | None,
    request: Request | None,
) -> Webhook | None:  # fmt: skip
    """Create the webhook with its first secret; None if a request of that name has created one: see `made_by`."""
    asked = {
        "id": webhook_id, "tenant": tenant, "created_by": by, "request": request and request.text,
        "digest": request and request.digest, "key_id": sealed.key_id, "sealed": sealed.content, **_written(wanted),
    }  # fmt: skip
    row = conn.execute(_CREATE, asked).one_or_none()
    return None if row is None else webhook_of(row)


def made_by(conn: Connection, tenant: str, request: str) -> tuple[Webhook, str] | None:
    """Return the webhook that a request of that name has created, and the digest of what it requested."""
    row = conn.execute(_MADE_BY, {"tenant": tenant, "request": request}).one_or_none()
    return None if row is None else (webhook_of(row), row.digest)


def get(conn: Connection, webhook_id: UUID, tenant: str, *, hold: bool = False) -> Webhook | None:
    """Return the tenant's webhook of that id; with `hold` it is locked until the transaction ends."""
    row = conn.execute(_HOLD if hold else _GET, {"id": webhook_id, "tenant": tenant}).one_or_none()
    return None if row is None else webhook_of(row)


def list_page(conn: Connection, tenant: str, *, before: UUID, limit: int) -> Sequence[Webhook]:
    """Return up to `limit` of the tenant's webhooks with an id below `before`, newest first."""
    return [webhook_of(row) for row in conn.execute(_LIST, {"tenant": tenant, "before": before, "limit": limit})]


def count(conn: Connection, tenant: str, *, most: int) -> int:
    """Return how many webhooks the tenant has, counted up to `most`."""
    return int(conn.execute(_COUNT, {"tenant": tenant, "most": most}).scalar_one())


def has_origin(conn: Connection, tenant: str, origin: str) -> bool:
    """True if an enabled webhook of the tenant has this origin, so that callbacks may go there."""
    return bool(conn.execute(_OF_ORIGIN, {"tenant": tenant, "origin": origin}).scalar_one())


def replace(
    conn: Connection, webhook_id: UUID, tenant: str, wanted: Wanted, disabled: Disabled | None
) -> Webhook | None:
    """Rewrite what it asks for, and whether it is on. None if there is no such webhook."""
    asked = {"id": webhook_id, "tenant": tenant, "disabled": disabled, **_written(wanted)}
    row = conn.execute(_REPLACE, asked).one_or_none()
    return None if row is None else webhook_of(row)


def delete(conn: Connection, webhook_id: UUID, tenant: str) -> bool:
    """Remove the webhook with its secrets, and hide its deliveries. False if there is no such webhook."""
    return conn.execute(_DELETE, {"id": webhook_id, "tenant": tenant}).one_or_none() is not None


def rotate(conn: Connection, webhook_id: UUID, sealed: Sealed, *, overlap_s: float) -> Any:
    """Sign with a new secret, and with the last one as well for `overlap_s`. Returns when the last one ends."""
    asked = {"id": webhook_id, "key_id": sealed.key_id, "sealed": sealed.content, "overlap_s": overlap_s}
    return conn.execute(_ROTATE, asked).one().old_ends_at


def secrets_of(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Sealed]]:
    """Return the sealed secrets of these webhooks that are valid now, the newest first."""
    found: dict[UUID, list[Sealed]] = {}
    for row in conn.execute(_SECRETS, {"ids": list(ids)}):
        found.setdefault(row.webhook_id, []).append(Sealed(row.key_id, bytes(row.sealed)))
    return found


def owner_of_secret(webhook_id: UUID) -> str:
    """Return the owner with which its secrets are sealed."""
    return f"webhook:{webhook_id}"


def webhook_of(row: Row[Any]) -> Webhook:
    """Return the webhook of a row with `COLUMNS`."""
    wanted = Wanted(row.url, row.origin, row.types, row.report_types, row.description, row.notify_when)
    return Webhook(
        row.id, row.tenant, wanted, row.version, row.created_by, row.created_at, row.updated_at, row.disabled_at,
        member_or_none(Disabled, row.disabled_because), row.failing_since,
        row.last_success_at, row.last_failure_at, row.throttled_until,
    )  # fmt: skip


def _written(wanted: Wanted) -> dict[str, object]:
    types = None if wanted.report_types is None else list(wanted.report_types)
    when = None if wanted.notify_when is None else json_text.write(list(wanted.notify_when))
    return {**wanted._asdict(), "types": [str(one) for one in wanted.types], "report_types": types, "notify_when": when}
