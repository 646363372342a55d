"""Saved views of lists: a query of one of the console's pages, under a name."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

MOST = 50
"""How many views of one page one person may have, and how many may be shared in a tenant."""
LONGEST_NAME = 60
"""Characters."""
LONGEST_QUERY = 2_000
"""Bytes, as an address has them."""


class ViewPage(StrEnum):
    """A page of the console whose views can be saved."""

    JOBS = "jobs"


class SavedView(NamedTuple):
    """A saved view."""

    id: UUID
    owner: str | None
    """Its owner; None if it is shared with the whole tenant."""
    name: str
    query: str
    """The part after the `?` of the page's address."""


class NewView(NamedTuple):
    """The view to save."""

    id: UUID
    tenant: str
    owner: str | None
    page: ViewPage
    name: str
    query: str


_COLUMNS = "id, owner, name, query"
# Two ranges of one index: `owner = … OR owner IS NULL` would scan all owners.
_LIST = text(f"""
    /* saved_views.list */
    (SELECT {_COLUMNS} FROM saved_views
      WHERE tenant = :tenant AND page = :page AND owner = CAST(:owner AS text) ORDER BY name LIMIT :most)
    UNION ALL
    (SELECT {_COLUMNS} FROM saved_views
      WHERE tenant = :tenant AND page = :page AND owner IS NULL ORDER BY name LIMIT :most)
""")
_ONE_AT_A_TIME = text("""
    /* saved_views.lock */
    SELECT pg_advisory_xact_lock(hashtextextended('views/' || :tenant || '/' || coalesce(CAST(:owner AS text), ''), 0))
""")
_HOW_MANY = text("""
    /* saved_views.how_many */
    SELECT count(*) FROM (
        (SELECT FROM saved_views WHERE tenant = :tenant AND page = :page AND owner = CAST(:owner AS text) LIMIT :most)
        UNION ALL
        (SELECT FROM saved_views
          WHERE tenant = :tenant AND page = :page AND owner IS NULL AND CAST(:owner AS text) IS NULL LIMIT :most)
    ) AS bounded
""")
_SAVE = text("""
    /* saved_views.save */
    INSERT INTO saved_views (id, tenant, owner, page, name, query)
    VALUES (:id, :tenant, :owner, :page, :name, :query)
        ON CONFLICT (tenant, page, owner, name) DO NOTHING
""")
_GET = text(f"/* saved_views.get */ SELECT {_COLUMNS} FROM saved_views WHERE id = :id AND tenant = :tenant")
_DELETE = text("/* saved_views.delete */ DELETE FROM saved_views WHERE id = :id AND tenant = :tenant")


def list_views(conn: Connection, tenant: str, owner: str | None, page: ViewPage) -> Sequence[SavedView]:
    """Return the owner's views of the page, then the shared ones of the tenant, each ordered by name."""
    where = {"tenant": tenant, "owner": owner, "page": page, "most": MOST}
    return [SavedView(*row) for row in conn.execute(_LIST, where)]


def room(conn: Connection, new: NewView) -> bool:
    """Return True if its owner may have one more view.

    No other is saved for that owner before this transaction ends.
    """
    conn.execute(_ONE_AT_A_TIME, {"tenant": new.tenant, "owner": new.owner})
    where = {"tenant": new.tenant, "owner": new.owner, "page": new.page, "most": MOST}
    return int(conn.execute(_HOW_MANY, where).scalar_one()) < MOST


def save(conn: Connection, new: NewView) -> bool:
    """Save the view. False, and nothing is written, if its owner already has one of that name."""
    return conn.execute(_SAVE, new._asdict()).rowcount == 1


def get(conn: Connection, tenant: str, view_id: UUID) -> SavedView | None:
    """Return the tenant's view of that id, whoever owns it."""
    row = conn.execute(_GET, {"id": view_id, "tenant": tenant}).one_or_none()
    return None if row is None else SavedView(*row)


def delete(conn: Connection, tenant: str, view_id: UUID) -> bool:
    """Remove the view. False if it was gone."""
    return conn.execute(_DELETE, {"id": view_id, "tenant": tenant}).rowcount == 1
