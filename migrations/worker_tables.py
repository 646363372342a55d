"""What workers report about themselves, as revision 0001 creates it."""

# A row is written some times a minute and read seldom; one per process, so the table stays small.
WORKERS = """
CREATE TABLE workers (
    name         text        PRIMARY KEY CHECK (name <> ''),
    since        timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    catalog      text        NOT NULL,
    report_types text[]      NOT NULL,
    slots        integer     NOT NULL CHECK (slots > 0),
    holding      integer     NOT NULL CHECK (holding >= 0),
    sick         text        CHECK (sick <> '')
) WITH (fillfactor = 50)
"""
