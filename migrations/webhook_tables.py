"""Webhooks, their events, and each attempt to deliver them, as revision 0001 creates them."""

# In order of time, as shared/ids.py makes them: the text of RFC 9562, section 5.7, with milliseconds.
_ID = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
        substring(int8send(CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)) FROM 3)
        FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""

_WEBHOOKS = """
CREATE TABLE webhooks (
    id               uuid        PRIMARY KEY,
    tenant           text        NOT NULL,
    url              text        NOT NULL CHECK (length(url) BETWEEN 9 AND 2048),
    origin           text        NOT NULL,
    types            text[]      NOT NULL,
    report_types     text[]      CHECK (cardinality(report_types) > 0),
    notify_when      jsonb,
    description      text        NOT NULL,
    created_by       text,
    request          text,
    digest           text        CHECK ((digest IS NULL) = (request IS NULL)),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    version          integer     NOT NULL DEFAULT 1 CHECK (version > 0),
    disabled_at      timestamptz,
    disabled_because text        CHECK (disabled_because IN ('asked', 'gone', 'failing')),
    failing_since    timestamptz,
    last_success_at  timestamptz,
    last_failure_at  timestamptz,
    throttled_until  timestamptz,
    deleted_at       timestamptz CHECK (deleted_at IS NULL OR disabled_at IS NOT NULL),
    CONSTRAINT webhooks_disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_because IS NULL))
) WITH (fillfactor = 50)
"""
_BY_TENANT = "CREATE INDEX webhooks_by_tenant ON webhooks (tenant, id)"
_BY_REQUEST = "CREATE UNIQUE INDEX webhooks_by_request ON webhooks (tenant, request) WHERE request IS NOT NULL"

_SECRETS = """
CREATE TABLE webhook_secrets (
    webhook_id uuid        NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    number     integer     NOT NULL,
    key_id     text        NOT NULL,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at    timestamptz,
    PRIMARY KEY (webhook_id, number)
)
"""

_DISABLED = "CREATE INDEX webhooks_disabled ON webhooks (id) WHERE disabled_because <> 'asked'"
_DELETED = "CREATE INDEX webhooks_deleted ON webhooks (id) WHERE deleted_at IS NOT NULL"
_SECRETS_ENDING = "CREATE INDEX webhook_secrets_ending ON webhook_secrets (ends_at) WHERE ends_at IS NOT NULL"

_EVENTS = f"""
CREATE TABLE webhook_events (
    id           uuid        PRIMARY KEY DEFAULT {_ID},
    tenant       text        NOT NULL,
    type         text        NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    report_type  text,
    job_id       uuid,
    version      integer,
    status       text,
    callback_url text,
    callback_when jsonb,
    figures      jsonb,
    schedule_id  uuid,
    tick         timestamptz,
    reason       text,
    webhook_id   uuid        REFERENCES webhooks (id) ON DELETE CASCADE,
    spread_at    timestamptz,
    CONSTRAINT webhook_events_keep_figures_until_spread CHECK (spread_at IS NULL OR figures IS NULL),
    CONSTRAINT webhook_events_are_about_one_thing
        CHECK (num_nonnulls(job_id, schedule_id, webhook_id) = 1 AND (type = 'webhook.ping') = (webhook_id IS NOT NULL))
)
"""
# A job ends once, and its files expire once: a second event is refused.
_ONCE_PER_JOB = (
    "CREATE UNIQUE INDEX webhook_events_once_per_job ON webhook_events (job_id, type) WHERE job_id IS NOT NULL"
)
_NOT_SPREAD = "CREATE INDEX webhook_events_not_spread ON webhook_events (id) WHERE spread_at IS NULL"
_OF_WEBHOOK = "CREATE INDEX webhook_events_of_webhook ON webhook_events (webhook_id) WHERE webhook_id IS NOT NULL"

_DELIVERIES = f"""
CREATE TABLE webhook_deliveries (
    id          uuid        PRIMARY KEY DEFAULT {_ID},
    webhook_id  uuid        NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id    uuid        NOT NULL REFERENCES webhook_events (id) ON DELETE CASCADE,
    tenant      text        NOT NULL,
    url         text,
    body        text        NOT NULL CHECK (length(body) < 20000),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    state       text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    due_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_token uuid,
    tries       smallint    NOT NULL DEFAULT 0,
    attempts    integer     NOT NULL DEFAULT 0,
    ended_at    timestamptz,
    last_status smallint,
    last_error  text,
    CONSTRAINT webhook_deliveries_once UNIQUE NULLS NOT DISTINCT (event_id, webhook_id, url),
    CONSTRAINT webhook_deliveries_ended_exactly_when_not_waiting CHECK ((state = 'waiting') = (ended_at IS NULL)),
    CONSTRAINT webhook_deliveries_a_lease_only_while_waiting CHECK (lease_token IS NULL OR state = 'waiting')
) WITH (fillfactor = 70)
"""
_OF_STATE = "CREATE INDEX webhook_deliveries_of_state ON webhook_deliveries (webhook_id, state, id)"
_WAITING = "CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, due_at) WHERE state = 'waiting'"

# The deliveries in progress: few, however many wait for a later try.
_LEASED = "CREATE INDEX webhook_deliveries_leased ON webhook_deliveries (webhook_id) WHERE lease_token IS NOT NULL"

_ATTEMPTS = """
CREATE TABLE webhook_attempts (
    delivery_id   uuid        NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    number        integer     NOT NULL,
    at            timestamptz NOT NULL,
    took_ms       integer     NOT NULL,
    request_head  text,
    status        smallint,
    response_head text,
    response_body bytea       CHECK (octet_length(response_body) <= 4096),
    error         text,
    PRIMARY KEY (delivery_id, number)
)
"""

TABLES = (
    _WEBHOOKS, _BY_TENANT, _BY_REQUEST, _SECRETS, _EVENTS, _ONCE_PER_JOB, _NOT_SPREAD, _OF_WEBHOOK, _DELIVERIES,
    _OF_STATE, _WAITING, _LEASED, _ATTEMPTS, _DISABLED, _DELETED, _SECRETS_ENDING,
)  # fmt: skip

WANTED = """
        EXISTS (SELECT FROM webhooks w
                 WHERE w.tenant = {of}.tenant AND w.disabled_at IS NULL AND {type} = ANY (w.types)
                   AND (w.report_types IS NULL OR {of}.report_type = ANY (w.report_types)))"""
"""True if a webhook of the tenant subscribes to events of that type, about that report type."""

# The statement that records what happened to a tick creates the event, whichever statement it is; one that changes the
# rest of the row, as `schedule_ticks.let_go` does, creates none.
_TELL_OF_TICKS = """
CREATE FUNCTION {name}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL) THEN
        INSERT INTO webhook_events (tenant, type, report_type, schedule_id, tick, reason)
        SELECT told.tenant, told.type, told.report_type, told.schedule_id, told.tick, told.reason
          FROM (SELECT t.tenant, s.report_type, t.schedule_id, t.tick, t.reason,
                       CASE WHEN t.fate = 'failed' THEN 'schedule.failed' ELSE 'schedule.missed' END AS type
                  FROM written t JOIN schedules s ON s.id = t.schedule_id{before}
                 WHERE {changed}(t.fate = 'failed' OR t.fate = 'skipped' AND t.reason = 'missed')) AS told
         WHERE {wanted};
    END IF;
    RETURN NULL;
END
$$
""".replace("{wanted}", WANTED.format(of="told", type="told.type").strip())
_TELL_OF_NEW_TICKS = (
    _TELL_OF_TICKS.replace("{name}", "schedule_ticks_tell").replace("{before}", "").replace("{changed}", "")
)
_TELL_OF_CHANGED_TICKS = (
    _TELL_OF_TICKS.replace("{name}", "schedule_ticks_tell_changed")
    .replace("{before}", " JOIN before o ON (o.schedule_id, o.tick) = (t.schedule_id, t.tick)")
    .replace("{changed}", "(o.fate, o.reason) IS DISTINCT FROM (t.fate, t.reason) AND ")
)

# Files are deleted when their time is over, or with a job that is deleted, which is not an event.
_TELL_OF_EXPIRY = """
CREATE FUNCTION artifacts_tell() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL AND 'job.expired' = ANY (types)) THEN
        INSERT INTO webhook_events (tenant, type, report_type, job_id, version, status)
        SELECT DISTINCT j.tenant, 'job.expired', j.report_type, j.id, j.version, j.status
          FROM gone JOIN jobs j ON j.id = gone.job_id
         WHERE j.deleted_at IS NULL AND {wanted}
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$
""".replace("{wanted}", WANTED.format(of="j", type="'job.expired'").strip())

FUNCTIONS = (_TELL_OF_NEW_TICKS, _TELL_OF_CHANGED_TICKS, _TELL_OF_EXPIRY)
TRIGGERS = (
    """
    CREATE TRIGGER schedule_ticks_tell_new AFTER INSERT ON schedule_ticks
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION schedule_ticks_tell()
    """,
    """
    CREATE TRIGGER schedule_ticks_tell_changed AFTER UPDATE ON schedule_ticks
    REFERENCING OLD TABLE AS before NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION schedule_ticks_tell_changed()
    """,
    """
    CREATE TRIGGER artifacts_tell AFTER DELETE ON artifacts
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION artifacts_tell()
    """,
)
