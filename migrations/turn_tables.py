"""Held doorbells, and what operators pause and cap, as revision 0001 creates them."""

# Doorbells that wait for their turn (shared/jobs/held.py): empty except under a flood.
HELD = """
CREATE TABLE held (
    job_id      uuid        PRIMARY KEY,
    tenant      text        NOT NULL,
    report_type text        NOT NULL,
    priority    smallint    NOT NULL,
    headers     text,
    held_at     timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (
    -- As for the outbox.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 1000000,
    autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off
)
"""

HELD_TURNS = "CREATE INDEX held_turns ON held (tenant, report_type, priority DESC, job_id)"

# What operators pause and cap (shared/jobs/gates.py): a few rows, usually none.
_KINDS = "kind text NOT NULL CHECK (kind IN ('tenant', 'report_type', 'source'))"

PAUSES = f"""
CREATE TABLE pauses (
    {_KINDS},
    name         text        NOT NULL CHECK (name <> ''),
    reason       text        NOT NULL,
    paused_by    text        NOT NULL,
    began_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    until        timestamptz,
    ended_at     timestamptz,
    settled_upto uuid,
    PRIMARY KEY (kind, name)
)
"""

CAPS = f"""
CREATE TABLE caps (
    {_KINDS},
    name    text    NOT NULL CHECK (name <> ''),
    running integer NOT NULL CHECK (running > 0),
    PRIMARY KEY (kind, name)
)
"""

# How many unfinished jobs a tenant may have (shared/jobs/queue_caps.py).
QUEUE_CAPS = """
CREATE TABLE queue_caps (
    tenant text    PRIMARY KEY CHECK (tenant <> ''),
    most   integer NOT NULL CHECK (most > 0)
)
"""

# A slot is taken while its job runs under its token, which the job's row shows, so no slot has to be cleared.
SLOTS = f"""
CREATE TABLE slots (
    {_KINDS},
    name        text    NOT NULL,
    number      integer NOT NULL CHECK (number > 0),
    job_id      uuid,
    lease_token uuid,
    PRIMARY KEY (kind, name, number)
) WITH (fillfactor = 50)
"""

REPORT_SOURCES = """
CREATE TABLE report_sources (
    report_type text PRIMARY KEY,
    source      text NOT NULL CHECK (source <> '')
)
"""

TABLES = (HELD, HELD_TURNS, PAUSES, CAPS, QUEUE_CAPS, SLOTS, REPORT_SOURCES)
