"""What belongs to a job and is deleted with it, as revision 0001 creates it: files, erasures and idempotency keys."""

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

# Jobs whose files must be deleted, because a client has deleted the job. A row is deleted once the store holds nothing
# of its job.
_ERASURES = """
CREATE TABLE erasures (
    job_id   uuid        PRIMARY KEY,
    tenant   text        NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer     NOT NULL DEFAULT 0
)
"""

_ERASURES_DUE = "CREATE INDEX erasures_due ON erasures (due_at)"

_IDEMPOTENCY_KEYS = """
CREATE TABLE idempotency_keys (
    tenant         text        NOT NULL,
    operation      text        NOT NULL,
    key            text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_digest    text        NOT NULL,
    meaning_digest text        NOT NULL,
    job_id         uuid        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, operation, key)
)
"""

# Ordered by the jobs' ids, and so by time: the sweeper reads the oldest keys first, and finds those of one job.
_IDEMPOTENCY_KEYS_BY_JOB = "CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job_id)"

TABLES = (_ARTIFACTS, _IDEMPOTENCY_KEYS, _IDEMPOTENCY_KEYS_BY_JOB, _ERASURES, _ERASURES_DUE)
