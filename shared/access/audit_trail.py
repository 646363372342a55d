"""Reads the audit trail, and removes entries that have been kept long enough."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection


class Entry(NamedTuple):
    """One change."""

    id: int
    at: datetime
    subject: str | None
    key_id: str | None
    request_id: str | None
    address: str | None
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class Place(NamedTuple):
    """The end of a page: entries are ordered by time, then by id."""

    at: datetime
    id: int


class Filters(NamedTuple):
    """Which entries to list; None matches any."""

    action: str | None = None
    subject: str | None = None
    object: str | None = None
    since: datetime | None = None
    """Entries from this moment on."""
    until: datetime | None = None
    """Entries before this moment."""


class TrailPage(NamedTuple):
    """Some of a tenant's entries, newest first."""

    entries: Sequence[Entry]
    next_before: Place | None
    """Where the next page begins; None after the last one."""


_COLUMNS = "id, at, subject, key_id, request_id, address, action, object, before, after"

# The range is one of an index: all entries of the tenant, or all about one object. `looked_at` limits how many entries
# a filter with few matches may examine. If it is full, its last row says where to continue.
_LIST = """
    /* {name} */
    WITH looked_at AS MATERIALIZED (
        SELECT {columns} FROM audit
         WHERE ({key}, at, id) <= ({value}, :at, :id) AND ({key}, at, id) >= ({value}, CAST(:since AS timestamptz), 0)
           AND id <> :id
         ORDER BY {order}, at DESC, id DESC
         LIMIT :look
    ), matching AS (
        SELECT * FROM looked_at
         WHERE (CAST(:action AS text) IS NULL OR action = :action)
           AND (CAST(:subject AS text) IS NULL OR subject = :subject)
         ORDER BY at DESC, id DESC
         LIMIT :limit
    ), ends AS (
        SELECT * FROM looked_at ORDER BY at DESC, id DESC OFFSET :look - 1 LIMIT 1
    )
    SELECT {columns}, true AS matches FROM matching UNION ALL SELECT {columns}, false FROM ends
"""


def _statement(name: str, *keys: str) -> TextClause:
    order = ", ".join(f"{key} DESC" for key in keys)
    value = ", ".join(f":{key}" for key in keys)
    return text(_LIST.format(name=name, columns=_COLUMNS, key=", ".join(keys), value=value, order=order))


_LIST_OF_TENANT = _statement("audit.list", "tenant")
_LIST_OF_OBJECT = _statement("audit.list_of_object", "tenant", "object")

_LOOK = 2_000
"""How many entries one page of a filtered list examines at most: some milliseconds."""
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = Place(datetime(9999, 12, 31, tzinfo=UTC), 2**63 - 1)

# Ids follow time except in transactions that overlap, so the oldest entries come first.
_FORGET = text("""
    /* audit.forget */
    WITH oldest AS MATERIALIZED (
        SELECT id, at FROM audit ORDER BY id LIMIT :slice
    ), old AS MATERIALIZED (
        SELECT id FROM audit
         WHERE id = ANY (ARRAY(SELECT id FROM oldest WHERE at + make_interval(secs => :keep_s) < clock_timestamp()))
           FOR UPDATE SKIP LOCKED
    )
    DELETE FROM audit WHERE id = ANY (ARRAY(SELECT id FROM old))
""")


def list_entries(
    conn: Connection, tenant: str, filters: Filters, *, size: int, before: Place | None = None
) -> TrailPage:
    """Return the next `size` entries of the tenant, newest first, after the page that ended at `before`.

    A filter examines a bounded number of entries, so a page may be short, even empty, although `next_before` is not
    None.
    """
    filtered = filters.action is not None or filters.subject is not None
    until = None if filters.until is None else Place(filters.until, -1)
    place = min(before or _END, until or _END)
    look = _LOOK if filtered else size + 1
    asked: dict[str, object] = {
        "tenant": tenant, "at": place.at, "id": place.id, "since": filters.since or _BEGINNING,
        "action": filters.action, "subject": filters.subject, "look": look, "limit": size + 1,
    }  # fmt: skip
    statement = _LIST_OF_TENANT
    if filters.object is not None:
        statement, asked["object"] = _LIST_OF_OBJECT, filters.object
    rows = conn.execute(statement, asked).all()
    found = sorted((Entry(*row[:-1]) for row in rows if row.matches), key=lambda e: (e.at, e.id), reverse=True)
    if len(found) > size:
        return TrailPage(found[:size], Place(found[size - 1].at, found[size - 1].id))
    return TrailPage(found, next((Place(row.at, row.id) for row in rows if not row.matches), None))


def forget_entries(conn: Connection, *, keep_s: float, slice_size: int = 1_000) -> int:
    """Remove those of the oldest `slice_size` entries that are older than `keep_s`. Returns how many."""
    return conn.execute(_FORGET, {"slice": slice_size, "keep_s": keep_s}).rowcount
