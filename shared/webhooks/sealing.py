"""The sealed secrets of webhooks, by the key that seals them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.secret_keys import Sealed

SLICE = 100
"""Secrets that are re-encrypted in one transaction. A literal number, so that no plan reads all of them for it."""

_BY_KEY = text("""
    /* webhook_secrets.by_key */
    SELECT key_id, count(*) AS secrets FROM webhook_secrets GROUP BY key_id ORDER BY key_id
""")
# By the primary key, and skipping those that could not be opened. Readers of a secret need no lock.
_OTHERS = text(f"""
    /* webhook_secrets.others */
    SELECT s.webhook_id, s.number, (SELECT tenant FROM webhooks w WHERE w.id = s.webhook_id) AS tenant,
           s.key_id, s.sealed
      FROM webhook_secrets s
     WHERE (s.webhook_id, s.number) > (:webhook_id, :number) AND s.key_id <> :newest
     ORDER BY s.webhook_id, s.number
     LIMIT {SLICE}
       FOR UPDATE OF s
""")
_RESEAL = text("""
    /* webhook_secrets.reseal */
    UPDATE webhook_secrets SET key_id = :key_id, sealed = :sealed WHERE (webhook_id, number) = (:webhook_id, :number)
""")
BEGINNING = (UUID(int=0), 0)
"""Before every secret."""


class SecretRow(NamedTuple):
    """A secret as it is stored."""

    webhook_id: UUID
    number: int
    tenant: str
    sealed: Sealed


def by_key(conn: Connection) -> Mapping[str, int]:
    """Return how many secrets each key has sealed, by the key's name."""
    return {row.key_id: row.secrets for row in conn.execute(_BY_KEY)}


def of_other_keys(conn: Connection, newest: str, after: tuple[UUID, int] = BEGINNING) -> Sequence[SecretRow]:
    """Return the next `SLICE` secrets that a key other than `newest` has sealed, locked until the transaction ends."""
    webhook_id, number = after
    found = conn.execute(_OTHERS, {"webhook_id": webhook_id, "number": number, "newest": newest})
    return [SecretRow(row.webhook_id, row.number, row.tenant, Sealed(row.key_id, bytes(row.sealed))) for row in found]


def reseal(conn: Connection, row: SecretRow, sealed: Sealed) -> None:
    """Replace the row's secret with the same one, newly sealed."""
    asked = {"webhook_id": row.webhook_id, "number": row.number, "key_id": sealed.key_id, "sealed": sealed.content}
    conn.execute(_RESEAL, asked)
