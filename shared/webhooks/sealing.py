"""The sealed secrets of webhooks, by the key that seals them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.secret_keys import Sealed

_BY_KEY = text("""
    /* webhook_secrets.by_key */
    SELECT key_id, count(*) AS secrets FROM webhook_secrets GROUP BY key_id ORDER BY key_id
""")
# By the primary key, and past those that did not open. Whoever uses a secret reads it once, and waits for no lock.
_OTHERS = text("""
    /* webhook_secrets.others */
    SELECT webhook_id, number, key_id, sealed FROM webhook_secrets
     WHERE (webhook_id, number) > (:webhook_id, :number) AND key_id <> :newest
     ORDER BY webhook_id, number
     LIMIT :most
       FOR UPDATE
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
    sealed: Sealed


def by_key(conn: Connection) -> Mapping[str, int]:
    """How many secrets each key has sealed, by the key's name."""
    return {row.key_id: row.secrets for row in conn.execute(_BY_KEY)}


def of_other_keys(
    conn: Connection, newest: str, after: tuple[UUID, int] = BEGINNING, *, most: int = 100
) -> Sequence[SecretRow]:
    """The secrets after that one which another key than `newest` has sealed; locked until the transaction ends."""
    webhook_id, number = after
    found = conn.execute(_OTHERS, {"webhook_id": webhook_id, "number": number, "newest": newest, "most": most})
    return [SecretRow(row.webhook_id, row.number, Sealed(row.key_id, bytes(row.sealed))) for row in found]


def reseal(conn: Connection, row: SecretRow, sealed: Sealed) -> None:
    """Let the same secret, sealed anew, take the place of the row's."""
    asked = {"webhook_id": row.webhook_id, "number": row.number, "key_id": sealed.key_id, "sealed": sealed.content}
    conn.execute(_RESEAL, asked)
