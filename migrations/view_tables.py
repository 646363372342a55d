"""Saved views of the console's lists, as revision 0001 creates them."""

# A query of the console's own page under a name; the owner is NULL if it is for everyone in the tenant.
_VIEWS = """
CREATE TABLE saved_views (
    id         uuid        PRIMARY KEY,
    tenant     text        NOT NULL,
    owner      text        CHECK (owner <> ''),
    page       text        NOT NULL CHECK (page IN ('jobs')),
    name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    query      text        NOT NULL CHECK (octet_length(query) BETWEEN 1 AND 2000 AND query ~ '^[!-~]+$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

_BY_NAME = "CREATE UNIQUE INDEX saved_views_by_name ON saved_views (tenant, page, owner, name) NULLS NOT DISTINCT"

TABLES = (_VIEWS, _BY_NAME)
