"""Schedules and the outcomes of their ticks, as revision 0001 creates them."""

# A schedule is rewritten at each tick; there are few of them, and schedule_ticks keeps the past, with a row per tick.
_SCHEDULES = """
CREATE TABLE schedules (
    id           uuid        PRIMARY KEY,
    tenant       text        NOT NULL,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    report_type  text        NOT NULL,
    parameters   jsonb       NOT NULL,
    formats      text[]      NOT NULL,
    labels       jsonb,
    options      jsonb,
    terms        jsonb       NOT NULL,
    cron         text        CHECK (length(cron) BETWEEN 9 AND 100),
    every_s      integer     CHECK (every_s BETWEEN 60 AND 31622400),
    zone         text        NOT NULL,
    begins_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    until        timestamptz,
    jitter_s     integer     NOT NULL CHECK (jitter_s BETWEEN 0 AND 3600),
    misfire      text        NOT NULL CHECK (misfire IN ('run_once', 'run_all', 'skip')),
    misfire_most smallint    NOT NULL CHECK (misfire_most BETWEEN 1 AND 100),
    overlap      text        NOT NULL CHECK (overlap IN ('skip', 'queue', 'cancel')),
    owner        text,
    owner_key    text        COLLATE "C",
    owner_scopes text[]      CHECK (owner_scopes IS NULL OR owner_key IS NULL),
    owner_until  timestamptz CHECK ((owner_until IS NULL) = (owner_scopes IS NULL)),
    request      text,
    digest       text        CHECK ((digest IS NULL) = (request IS NULL)),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    version      integer     NOT NULL DEFAULT 1 CHECK (version > 0),
    paused_at    timestamptz,
    paused_by    text,
    pause_note   text,
    stopped_at   timestamptz,
    stop_reason  text,
    next_tick    timestamptz,
    due_at       timestamptz,
    failing_since   timestamptz,
    failing_because text CHECK ((failing_because IS NULL) = (failing_since IS NULL)),
    last_tick    timestamptz,
    last_job_id  uuid,
    due_job_id   uuid,
    file         text,
    file_digest  text        CHECK ((file_digest IS NULL) = (file IS NULL)),
    file_seen_at timestamptz CHECK ((file_seen_at IS NULL) = (file IS NULL)),
    CONSTRAINT schedules_one_way_of_timing CHECK ((cron IS NULL) <> (every_s IS NULL)),
    CONSTRAINT schedules_due_exactly_with_a_tick CHECK ((next_tick IS NULL) = (due_at IS NULL) AND due_at >= next_tick),
    CONSTRAINT schedules_at_rest_exactly_when_paused_or_stopped
        CHECK ((next_tick IS NULL) = (paused_at IS NOT NULL OR stopped_at IS NOT NULL)),
    CONSTRAINT schedules_stop_for_a_reason CHECK ((stopped_at IS NULL) = (stop_reason IS NULL)),
    CONSTRAINT schedules_fail_only_while_due CHECK (failing_since IS NULL OR next_tick IS NOT NULL)
) WITH (fillfactor = 50)
"""

_BY_TENANT = "CREATE INDEX schedules_by_tenant ON schedules (tenant, id)"
_BY_REQUEST = "CREATE UNIQUE INDEX schedules_by_request ON schedules (tenant, request) WHERE request IS NOT NULL"
_BY_FILE = "CREATE UNIQUE INDEX schedules_by_file ON schedules (tenant, file) WHERE file IS NOT NULL"
# By tenant first, so that a tenant with few due schedules is found beside one with very many.
_DUE = "CREATE INDEX schedules_due ON schedules (tenant, due_at) WHERE due_at IS NOT NULL"
_FAILING = "CREATE INDEX schedules_failing ON schedules (failing_since) WHERE failing_since IS NOT NULL"
_BY_KEY = "CREATE INDEX schedules_by_key ON schedules (owner_key) WHERE owner_key IS NOT NULL"
# One row per tick, whatever created it: the key ensures that a tick makes one job.
_TICKS = """
CREATE TABLE schedule_ticks (
    schedule_id uuid        NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    tick        timestamptz NOT NULL,
    cause       text        NOT NULL CHECK (cause IN ('due', 'run', 'backfill')),
    fate        text        NOT NULL CHECK (fate IN ('waiting', 'submitted', 'skipped', 'failed')),
    reason      text,
    detail      text,
    job_id      uuid,
    since       timestamptz CHECK (since <= tick),
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    tenant      text        NOT NULL,
    PRIMARY KEY (schedule_id, tick),
    CONSTRAINT schedule_ticks_a_job_exactly_when_submitted CHECK ((fate = 'submitted') = (job_id IS NOT NULL)),
    CONSTRAINT schedule_ticks_a_reason_exactly_without
        CHECK ((fate IN ('skipped', 'failed')) = (reason IS NOT NULL))
)
"""

_TICKS_WAITING = "CREATE INDEX schedule_ticks_waiting ON schedule_ticks (tenant, tick) WHERE fate = 'waiting'"
_TICKS_BY_AGE = "CREATE INDEX schedule_ticks_by_age ON schedule_ticks (at)"
_TICKS_MISSED = "CREATE INDEX schedule_ticks_missed ON schedule_ticks (at) WHERE reason = 'missed'"

_JOBS_BY_SCHEDULE = "CREATE INDEX jobs_by_schedule ON jobs (tenant, schedule_id, id) WHERE schedule_id IS NOT NULL"

TABLES = (_JOBS_BY_SCHEDULE, _SCHEDULES, _BY_TENANT, _BY_REQUEST, _BY_FILE, _DUE, _FAILING, _BY_KEY, _TICKS,
          _TICKS_WAITING, _TICKS_BY_AGE, _TICKS_MISSED)  # fmt: skip
