"""The first schema: jobs with their fence and history, the outbox, artifacts and keys.

What the code relies on, the tables state: every CHECK below is a sentence of the protocol.
"""

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JOBS = """
CREATE TABLE jobs (
    id                  uuid        PRIMARY KEY,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    deadline_at         timestamptz NOT NULL,
    run_at              timestamptz NOT NULL,
    next_ring_at        timestamptz NOT NULL,
    keep_artifacts_s    integer     NOT NULL DEFAULT 2592000,
    keep_s              integer     NOT NULL DEFAULT 7776000,
    max_attempts        smallint    NOT NULL CHECK (max_attempts > 0),
    max_crashes         smallint    NOT NULL CHECK (max_crashes >= 0),
    tenant              text        NOT NULL,
    report_type         text        NOT NULL,
    report_version      text        NOT NULL,
    parameters          jsonb       NOT NULL,
    formats             text[]      NOT NULL,
    trace_context       text,
    cancel_requested_at timestamptz,
    crashes             smallint    NOT NULL DEFAULT 0,
    rings               smallint    NOT NULL DEFAULT 0,
    attempt             smallint    NOT NULL DEFAULT 0,
    lease_token         uuid,
    worker              text,
    started_at          timestamptz,
    updated_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until         timestamptz,
    finished_at         timestamptz,
    version             integer     NOT NULL DEFAULT 1 CHECK (version > 0),
    status              text        NOT NULL DEFAULT 'PENDING'
                                    CHECK (status IN ('PENDING', 'PROCESSING', 'SUCCESS', 'FAILED', 'CANCELLED')),
    verb                text        NOT NULL DEFAULT 'submit',
    progress            jsonb,
    result              jsonb,
    error               jsonb,
    CONSTRAINT jobs_a_lease_exactly_while_processing
        CHECK ((status = 'PROCESSING') = (lease_until IS NOT NULL)),
    CONSTRAINT jobs_a_token_with_every_lease
        CHECK (lease_until IS NULL OR lease_token IS NOT NULL),
    CONSTRAINT jobs_finished_exactly_when_final
        CHECK ((status IN ('SUCCESS', 'FAILED', 'CANCELLED')) = (finished_at IS NOT NULL)),
    CONSTRAINT jobs_a_result_exactly_on_success
        CHECK ((status = 'SUCCESS') = (result IS NOT NULL)),
    -- A report type without files answers in the row itself.
    CONSTRAINT jobs_an_answer_exactly_without_files
        CHECK (result IS NULL OR (cardinality(formats) = 0) = (result ? 'answer')),
    CONSTRAINT jobs_a_success_names_its_winner
        CHECK (status <> 'SUCCESS' OR lease_token IS NOT NULL),
    CONSTRAINT jobs_a_failure_has_a_reason
        CHECK (status <> 'FAILED' OR error ->> 'code' IS NOT NULL),
    CONSTRAINT jobs_cancelled_only_on_request
        CHECK (status <> 'CANCELLED' OR cancel_requested_at IS NOT NULL),
    CONSTRAINT jobs_outlive_their_artifacts
        CHECK (keep_artifacts_s BETWEEN 0 AND keep_s),
    CONSTRAINT jobs_attempt_budget
        CHECK (attempt BETWEEN 0 AND max_attempts AND (status <> 'PENDING' OR attempt < max_attempts)),
    CONSTRAINT jobs_crash_budget
        CHECK (crashes BETWEEN 0 AND max_crashes + 1 AND (crashes <= max_crashes OR finished_at IS NOT NULL))
) WITH (fillfactor = 27)
-- Room for three versions of a job on its page, and no index on a column that changes: every change is heap-only.
-- What changes often stands last: an update writes to the WAL what comes behind the first difference.
"""

_JOBS_BY_TENANT = "CREATE INDEX jobs_by_tenant ON jobs (tenant, id)"

# The unfinished jobs, without an index on what changes. Ids are in order of time and most jobs end soon: those
# above `reached` are found by their ids, and those below, which live long, stand in `stragglers`, every one.
# How the floor rises without losing sight of a job: shared/jobs/unfinished.py.
_UNFINISHED_FLOOR = """
CREATE TABLE unfinished_floor (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    reached   uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    announced uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000' CHECK (announced >= reached),
    fence     xid8
)
"""

_STRAGGLERS = "CREATE TABLE stragglers (job_id uuid PRIMARY KEY)"

# Each row and its index entry are a third of what a transition writes. No NULL in the usual row: it then has no bitmap.
_JOB_TRANSITIONS = """
CREATE TABLE job_transitions (
    job_id      uuid        NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    version     integer     NOT NULL,
    attempt     smallint    NOT NULL,
    lease_token uuid,
    from_status text        NOT NULL,
    to_status   text        NOT NULL,
    verb        text        NOT NULL,
    worker      text,
    reason      text        NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, version)
)
"""

# A job's birth is its own row: in one commit with it, and with an id and a created_at that no service may rewrite. A
# second copy in the history would be a seventh of a job's WAL, and could only disagree.
_JOB_EVENTS = """
CREATE VIEW job_events AS
SELECT id AS job_id, 1 AS version, NULL::text AS from_status, 'PENDING'::text AS to_status, 'submit'::text AS verb,
       0::smallint AS attempt, NULL::uuid AS lease_token, NULL::text AS worker, NULL::text AS reason, created_at AS at
  FROM jobs
 UNION ALL
SELECT job_id, version, from_status, to_status, verb, attempt, lease_token, worker, nullif(reason, ''), at
  FROM job_transitions
"""

# Statement-level, so that a batch of a thousand transitions costs one trigger call, and in the database,
# so that no code path can forget it. They run as the owner: a service's role has no right to write history itself,
# and pg_temp comes last, or a temporary table of the same name would divert it.
_RECORD_BIRTH = """
CREATE FUNCTION jobs_record_birth() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM born WHERE status <> 'PENDING' OR verb <> 'submit' OR version <> 1 OR attempt <> 0) THEN
        RAISE EXCEPTION 'a job is born PENDING, by submit, with version 1 and no attempt'
            USING ERRCODE = 'check_violation';
    END IF;
    -- Both never change. As constraints of the table they would be checked again at every update, and a pattern is
    -- the dearest of them all.
    IF EXISTS (SELECT FROM born WHERE tenant !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'
                   OR jsonb_typeof(parameters) <> 'object') THEN
        RAISE EXCEPTION 'a job has a well-formed tenant and an object of parameters' USING ERRCODE = 'check_violation';
    END IF;
    -- The next statement has to see what was committed a moment ago, not what was there when the transaction began.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'jobs are inserted in READ COMMITTED only' USING ERRCODE = 'feature_not_supported';
    END IF;
    INSERT INTO stragglers SELECT id FROM born WHERE id <= (SELECT announced FROM unfinished_floor);
    RETURN NULL;
END
$$
"""

# enable_nestloop: plpgsql keeps the plan of its first call, most often of one row. By a nested loop, a sweep of 10,000
# rows then compares 100 million pairs (82 s, against 0.01 s by a hash join), hits its time-out and never recovers.
_RECORD_TRANSITION = """
CREATE FUNCTION jobs_record_transition() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp SET enable_nestloop = off AS $$
DECLARE
    wrong text;
BEGIN
    SELECT format('job %s: %s -> %s by %s', o.id, o.status, n.status, n.verb) INTO wrong
      FROM before o JOIN after n USING (id)
     WHERE (o.status IS DISTINCT FROM n.status OR o.lease_token IS DISTINCT FROM n.lease_token)
       AND (n.version <= o.version
            OR (n.verb = 'start') <> (n.lease_token IS DISTINCT FROM o.lease_token AND n.lease_token IS NOT NULL)
            OR (o.status, n.status, n.verb) NOT IN (
                ('PENDING',    'PROCESSING', 'start'),
                ('PROCESSING', 'PROCESSING', 'start'),
                ('PROCESSING', 'SUCCESS',    'succeed'),
                ('PROCESSING', 'PENDING',    'retry'),
                ('PROCESSING', 'FAILED',     'fail'),
                ('PROCESSING', 'PENDING',    'give_back'),
                ('PROCESSING', 'CANCELLED',  'cancel'),
                ('PENDING',    'CANCELLED',  'cancel'),
                ('PROCESSING', 'PENDING',    'expire'),
                ('PROCESSING', 'FAILED',     'expire'),
                ('PROCESSING', 'CANCELLED',  'expire'),
                ('PENDING',    'FAILED',     'expire')))
        OR o.finished_at IS NOT NULL
       AND (o.result, o.error, o.lease_token, o.finished_at)
           IS DISTINCT FROM (n.result, n.error, n.lease_token, n.finished_at)
     LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'illegal transition: %', wrong USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO job_transitions (job_id, version, from_status, to_status, verb, attempt, lease_token, worker, reason)
    SELECT n.id, n.version, o.status, n.status, n.verb, n.attempt,
           -- the holder that ended, not the NULL it leaves behind
           coalesce(n.lease_token, o.lease_token), coalesce(n.worker, o.worker),
           CASE WHEN n.verb IN ('retry', 'fail', 'expire') THEN coalesce(n.error ->> 'code', '') ELSE '' END
      FROM before o JOIN after n USING (id)
     WHERE o.status IS DISTINCT FROM n.status OR o.lease_token IS DISTINCT FROM n.lease_token;
    RETURN NULL;
END
$$
"""

# What was promised to be kept is kept, whoever deletes; the history leaves with its job. Artifacts do not: while a job
# has any, their foreign key refuses, so no file is left behind without a row that names it.
_FORGET = """
CREATE FUNCTION jobs_forget() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE finished_at IS NULL
                   OR finished_at + make_interval(secs => keep_s) > clock_timestamp()) THEN
        RAISE EXCEPTION 'a job is kept until keep_s after its end' USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM job_transitions USING gone WHERE job_transitions.job_id = gone.id;
    DELETE FROM idempotency_keys USING gone WHERE idempotency_keys.job_id = gone.id;
    RETURN NULL;
END
$$
"""

# What was checked at its birth. An update of another column does not come here.
_KEEP_WHAT_WAS_ASKED = """
CREATE FUNCTION jobs_keep_what_was_asked() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'id, tenant and parameters of a job never change' USING ERRCODE = 'check_violation';
END
$$
"""

_TRIGGERS = (
    """
    CREATE TRIGGER jobs_keep_what_was_asked BEFORE UPDATE OF id, tenant, parameters ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION jobs_keep_what_was_asked()
    """,
    """
    CREATE TRIGGER jobs_forget AFTER DELETE ON jobs
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION jobs_forget()
    """,
    """
    CREATE TRIGGER jobs_record_birth AFTER INSERT ON jobs
    REFERENCING NEW TABLE AS born FOR EACH STATEMENT EXECUTE FUNCTION jobs_record_birth()
    """,
    """
    CREATE TRIGGER jobs_record_transition AFTER UPDATE ON jobs
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION jobs_record_transition()
    """,
)

# Insert-only, one index. xid is assigned before id is drawn, because defaults are evaluated in column
# order: whoever holds an id already has an older xid, and the relay's floor stands on that.
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

_ARTIFACTS = """
CREATE TABLE artifacts (
    job_id      uuid        NOT NULL REFERENCES jobs (id),
    name        text        NOT NULL,
    lease_token uuid        NOT NULL,
    format      text        NOT NULL,
    media_type  text        NOT NULL,
    size_bytes  bigint      NOT NULL CHECK (size_bytes >= 0),
    sha256      text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    rows        bigint      NOT NULL CHECK (rows >= 0),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, name)
)
"""

_IDEMPOTENCY_KEYS = """
CREATE TABLE idempotency_keys (
    tenant      text        NOT NULL,
    key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint text        NOT NULL,
    job_id      uuid        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, key)
)
"""

# In order of the jobs' ids, and so of time: the sweeper meets the oldest keys first, and finds those of one job.
_IDEMPOTENCY_KEYS_BY_JOB = "CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job_id)"

_API_KEYS = """
CREATE TABLE api_keys (
    key_sha256 bytea       PRIMARY KEY CHECK (octet_length(key_sha256) = 32),
    tenant     text        NOT NULL CHECK (tenant ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
)
"""


def upgrade() -> None:
    """Build everything."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    functions = (_RECORD_BIRTH, _RECORD_TRANSITION, _FORGET, _KEEP_WHAT_WAS_ASKED)
    in_schema = [function.replace("{schema}", schema) for function in functions]
    for statement in (
        _JOBS, _JOBS_BY_TENANT, _UNFINISHED_FLOOR, "INSERT INTO unfinished_floor DEFAULT VALUES", _STRAGGLERS,
        _JOB_TRANSITIONS, _JOB_EVENTS, *in_schema, *_TRIGGERS,
        _OUTBOX, _OUTBOX_RETRY, _OUTBOX_RETRY_DUE, _ARTIFACTS, _IDEMPOTENCY_KEYS,
        _IDEMPOTENCY_KEYS_BY_JOB, _API_KEYS,
    ):  # fmt: skip
        op.execute(statement)


def downgrade() -> None:
    """Remove everything, data included."""
    op.execute("DROP VIEW job_events")
    op.execute(
        "DROP TABLE api_keys, idempotency_keys, artifacts, outbox_retry, outbox, job_transitions, stragglers, "
        "unfinished_floor, jobs"
    )
    op.execute("DROP FUNCTION jobs_record_birth, jobs_record_transition, jobs_forget, jobs_keep_what_was_asked")
