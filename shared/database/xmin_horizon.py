"""Finds what keeps dead rows from being vacuumed: the oldest snapshots that this database must still be able to show.

A forgotten transaction, a replication slot that nobody reads or a prepared transaction keeps all dead rows of the
outbox, and everything gets slower without an error anywhere. Asking needs no rights: PostgreSQL shows backend_xmin and
application_name of every session to everyone (pg_stat_get_activity, PostgreSQL 18).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection

# Only sessions of this database hold its tables back, and walsenders (no database), which pass on what their standby
# needs. The snapshot of a vacuum does not count for PostgreSQL.
_HOLDERS = text("""
    /* horizon.holders */
    SELECT kind, name, who, age
      FROM (SELECT CASE WHEN datid IS NULL THEN 'standby' ELSE 'session' END AS kind, application_name AS name,
                   'pid ' || pid AS who, age(backend_xmin)::bigint AS age
              FROM pg_stat_activity
             WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
               AND (datid IS NULL OR datid = (SELECT oid FROM pg_database WHERE datname = current_database()))
               AND pid <> ALL (ARRAY(SELECT pid FROM pg_stat_progress_vacuum))
             UNION ALL
            SELECT 'prepared transaction', '', gid, age(transaction)::bigint
              FROM pg_prepared_xacts WHERE database = current_database()
             UNION ALL
            SELECT 'replication slot', '', slot_name, age(xmin)::bigint
              FROM pg_replication_slots WHERE xmin IS NOT NULL) AS holders
     ORDER BY age DESC
     LIMIT 100
""")


@dataclass(frozen=True, slots=True)
class Holder:
    """Something that keeps an old snapshot."""

    kind: str
    """`session`, `standby`, `prepared transaction` or `replication slot`."""
    name: str
    """The application_name of a session; empty for other kinds."""
    who: str
    """The session's process id on the server, the transaction's gid or the slot."""
    age: int
    """Transactions begun since the snapshot."""


def holders(conn: Connection) -> Sequence[Holder]:
    """Return everything that holds the horizon back, the oldest first, without this session."""
    return [Holder(*row) for row in conn.execute(_HOLDERS)]
