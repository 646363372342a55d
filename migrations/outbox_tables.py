"""The outbox, as revision 0001 creates it: messages to send, and the few that could not be sent."""

# Insert-only, one index. xid is assigned before id is drawn, because defaults are evaluated in column order: a
# transaction that holds an id already has an older xid, and the relay's floor relies on that.
_OUTBOX = """
CREATE TABLE outbox (
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text        NOT NULL,
    group_key  text        NOT NULL,
    payload    text        NOT NULL,
    headers    text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (
    -- Rows live for milliseconds: vacuum by count, never by share, and never lock the table to shorten the file.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off
)
"""

_OUTBOX_RETRY = """
CREATE TABLE outbox_retry (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text        NOT NULL,
    group_key  text        NOT NULL,
    payload    text        NOT NULL,
    headers    text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at     timestamptz NOT NULL,
    attempts   integer     NOT NULL DEFAULT 0,
    last_error text,
    parked_at  timestamptz
)
"""

_OUTBOX_RETRY_DUE = "CREATE INDEX outbox_retry_due ON outbox_retry (due_at) WHERE parked_at IS NULL"
# Contains parked messages only.
_OUTBOX_RETRY_PARKED = "CREATE INDEX outbox_retry_parked ON outbox_retry (id) WHERE parked_at IS NOT NULL"

TABLES = (_OUTBOX, _OUTBOX_RETRY, _OUTBOX_RETRY_DUE, _OUTBOX_RETRY_PARKED)
