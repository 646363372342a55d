"""The first schema: jobs with their fence and history, the outbox, artifacts, keys and the audit trail.

The tables state what the code relies on: every CHECK below is a sentence of the protocol.
"""

from alembic import op
from sqlalchemy import text

from migrations import (
    artifact_tables,
    audit_table,
    bulk_tables,
    job_triggers,
    key_tables,
    list_tables,
    operator_tables,
    outbox_tables,
    password_table,
    rate_tables,
    rollup_tables,
    schedule_tables,
    session_tables,
    share_tables,
    turn_tables,
    view_tables,
    webhook_tables,
    worker_tables,
)

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
    requester           text        CHECK (requester <> ''),
    scopes              text[]      CHECK (cardinality(scopes) > 0),
    retry_of            uuid,
    schedule_id         uuid,
    labels              jsonb,
    trace_context       text,
    scheduled_for       timestamptz,
    file_name           text,
    reuse_key           text,
    options             jsonb,
    priority            smallint    CHECK (priority BETWEEN 0 AND 9),
    deleted_at          timestamptz,
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
    CONSTRAINT jobs_deleted_only_when_nobody_will_start_them
        CHECK (deleted_at IS NULL OR finished_at IS NOT NULL OR cancel_requested_at IS NOT NULL),
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

# For callers who see their own jobs only. Without keys there is no requester, and a job costs no entry.
_JOBS_BY_REQUESTER = "CREATE INDEX jobs_by_requester ON jobs (tenant, requester, id) WHERE requester IS NOT NULL"

# For requests with `reuse`, which look for a recent job with the same question. An ordinary job has no key, and costs
# no entry.
_JOBS_BY_REUSE_KEY = "CREATE INDEX jobs_by_reuse_key ON jobs (tenant, reuse_key, id) WHERE reuse_key IS NOT NULL"

# The unfinished jobs, without an index on columns that change. Ids are in order of time and most jobs end soon: those
# above `reached` are found by their ids, and all of those below, which live long, are in `stragglers`. How the floor
# rises without losing a job: shared/jobs/unfinished.py.
_UNFINISHED_FLOOR = """
CREATE TABLE unfinished_floor (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    reached   uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    announced uuid    NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000' CHECK (announced >= reached),
    fence     xid8
)
"""

# `born`: it was created below the floor, directly into this list, so the floor has not counted it as accepted.
_STRAGGLERS = """
CREATE TABLE stragglers (job_id uuid PRIMARY KEY, tenant text NOT NULL, born boolean NOT NULL DEFAULT false)
"""

_STRAGGLERS_BY_TENANT = "CREATE INDEX stragglers_by_tenant ON stragglers (tenant, job_id)"

# Each row and its index entry are a third of what a transition writes. An ordinary row has no NULL, and therefore no
# null bitmap.
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

# A job's birth is its own row: in the same commit, and with an id and a created_at that no service may rewrite. A
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

_TABLES = (
    "webhook_attempts",
    "webhook_deliveries",
    "webhook_events",
    "webhook_secrets",
    "webhooks",
    "accepted_minutes",
    "job_totals",
    "dead_letters",
    "measurements",
    "bulk_results",
    "bulk_actions",
    "schedule_ticks",
    "schedules",
    "job_hours",
    "job_minutes",
    "console_sessions",
    "sign_in_codes",
    "saved_views",
    "shares",
    "job_passwords",
    "workers",
    "audit",
    "page_token_keys",
    "erasures",
    "api_keys",
    "idempotency_keys",
    "artifacts",
    "pauses",
    "caps",
    "slots",
    "queue_caps",
    "tenant_rates",
    "report_sources",
    "held",
    "outbox_retry",
    "outbox",
    "job_transitions",
    "stragglers",
    "unfinished_floor",
    "job_labels",
    "failures",
    "jobs",
)
"""Dropped together, because they refer to one another."""


def upgrade() -> None:
    """Build everything."""
    schema = op.get_bind().execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    functions = [function.replace("{schema}", schema) for function in (*job_triggers.FUNCTIONS, *audit_table.FUNCTIONS)]
    telling = [function.replace("{schema}", schema) for function in webhook_tables.FUNCTIONS]
    acting = [function.replace("{schema}", schema) for function in bulk_tables.FUNCTIONS]
    for statement in (
        _JOBS, _JOBS_BY_TENANT, _JOBS_BY_REQUESTER, _JOBS_BY_REUSE_KEY, *list_tables.LISTS, _UNFINISHED_FLOOR,
        "INSERT INTO unfinished_floor DEFAULT VALUES", _STRAGGLERS, _STRAGGLERS_BY_TENANT, _JOB_TRANSITIONS,
        _JOB_EVENTS, *functions, *job_triggers.TRIGGERS,
        *outbox_tables.TABLES,
        *turn_tables.TABLES,
        *artifact_tables.TABLES,
        *key_tables.KEYS,
        audit_table.AUDIT, *audit_table.INDEXES, *audit_table.TRIGGERS,
        worker_tables.WORKERS,
        *rollup_tables.TABLES,
        *session_tables.SESSIONS,
        *view_tables.TABLES,
        *share_tables.TABLES,
        *password_table.TABLES,
        *operator_tables.TABLES,
        rate_tables.RATES,
        *bulk_tables.TABLES, *acting,
        *schedule_tables.TABLES,
        *webhook_tables.TABLES, *telling, *webhook_tables.TRIGGERS,
    ):  # fmt: skip
        op.execute(statement)


def downgrade() -> None:
    """Remove everything, including data."""
    op.execute("DROP VIEW job_events")
    op.execute("DROP FUNCTION bulk_act")
    op.execute(f"DROP TABLE {', '.join(_TABLES)}")
    op.execute("DROP FUNCTION jobs_record_birth, jobs_record_transition, jobs_forget, jobs_keep_what_was_asked")
    op.execute("DROP FUNCTION jobs_unlabel")
    op.execute("DROP FUNCTION audit_keep, audit_forget, api_keys_keep, artifacts_tell")
    op.execute("DROP FUNCTION schedule_ticks_tell, schedule_ticks_tell_changed")
