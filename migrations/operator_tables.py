"""What operators see and act upon, as revision 0001 creates it."""

# The relays' latest readings, one row each: the state of the whole system, and when it was measured.
_MEASUREMENTS = """
CREATE TABLE measurements (
    subject text        PRIMARY KEY CHECK (subject IN ('database', 'queue', 'dead_letters', 'store')),
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    facts   jsonb       NOT NULL,
    next_at timestamptz
) WITH (fillfactor = 50)
"""

# Copies of the messages in the dead-letter queue that a relay has read: at most some thousands. The message stays there
# until an operator's request is carried out.
_DEAD_LETTERS = """
CREATE TABLE dead_letters (
    id            bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    message_id    text        COLLATE "C" PRIMARY KEY CHECK (message_id <> ''),
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at       timestamptz,
    receives      integer     NOT NULL CHECK (receives >= 0),
    size_bytes    integer     NOT NULL CHECK (size_bytes >= 0),
    reason        text        NOT NULL,
    job_id        uuid,
    tenant        text,
    body          text        NOT NULL CHECK (length(body) <= 4096),
    wish          text        CHECK (wish IN ('redrive', 'drop')),
    wished_at     timestamptz,
    wished_by     text,
    CONSTRAINT dead_letters_a_wish_has_a_moment CHECK ((wish IS NULL) = (wished_at IS NULL))
) WITH (fillfactor = 50)
"""

# The outcomes of jobs of all tenants and report types together, for charts: a week is some ten thousand rows.
_JOB_TOTALS = """
CREATE TABLE job_totals (
    minute  timestamptz      NOT NULL CHECK (minute = date_trunc('minute', minute, 'UTC')),
    outcome text             NOT NULL CHECK (outcome IN ('SUCCESS', 'FAILED', 'CANCELLED')),
    jobs    bigint           NOT NULL CHECK (jobs > 0),
    seconds double precision NOT NULL CHECK (seconds >= 0),
    buckets bigint[]         NOT NULL CHECK (cardinality(buckets) = 16),
    PRIMARY KEY (minute, outcome)
) WITH (fillfactor = 50)
"""

# How many jobs were accepted, for all tenants together: demand, beside the outcomes.
_ACCEPTED_MINUTES = """
CREATE TABLE accepted_minutes (
    minute timestamptz PRIMARY KEY CHECK (minute = date_trunc('minute', minute, 'UTC')),
    jobs   bigint      NOT NULL CHECK (jobs > 0)
) WITH (fillfactor = 50)
"""

TABLES = (_MEASUREMENTS, _DEAD_LETTERS, _JOB_TOTALS, _ACCEPTED_MINUTES)
