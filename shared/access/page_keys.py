"""The keys that sign page tokens: one per week, the same for every API process, stored in the database."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

_WEEK = "CAST(floor(extract(epoch FROM clock_timestamp()) / 604800) AS int)"

_KEYS = text(f"""
    /* page_keys.of_now */
    SELECT now.week, now.at, k.week AS of_week, k.secret
      FROM (SELECT {_WEEK} AS week, extract(epoch FROM clock_timestamp())::float8 AS at) AS now
      LEFT JOIN page_token_keys k ON k.week BETWEEN now.week - 1 AND now.week
""")

# Two processes may do so at once: the first key stays, and both read it afterwards.
_MAKE = text(f"""
    /* page_keys.make */
    WITH old AS (
        DELETE FROM page_token_keys WHERE week < {_WEEK} - 1
    )
    INSERT INTO page_token_keys (week, secret) VALUES ({_WEEK}, :secret) ON CONFLICT (week) DO NOTHING
""")


class PageKeys(NamedTuple):
    """The keys that are accepted."""

    week: int
    """The week whose key signs now."""
    secrets: Mapping[int, bytes]
    """Keys by week: this week's, and last week's if any list was read then."""
    at: float
    """When this was read: seconds since 1970, by the database's clock."""


def read_page_keys(conn: Connection) -> PageKeys:
    """Return the current keys. At the beginning of a week, its own key may be missing."""
    rows = conn.execute(_KEYS).all()
    secrets = {row.of_week: bytes(row.secret) for row in rows if row.secret is not None}
    return PageKeys(rows[0].week, secrets, rows[0].at)


def make_page_key(conn: Connection, new: bytes) -> None:
    """Make `new`, 32 secret bytes, the key of this week, unless another process was first."""
    conn.execute(_MAKE, {"secret": new})
