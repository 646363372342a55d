"""What lists of jobs read besides `jobs` itself, and the keys of their page tokens, as revision 0001 creates them."""

# The retries of a job. An ordinary job costs no entry.
_JOBS_BY_RETRY_OF = "CREATE INDEX jobs_by_retry_of ON jobs (tenant, retry_of, id) WHERE retry_of IS NOT NULL"

# The failed jobs, and those with a label, as separate entries in list order, so that a list of them is exact and fast
# however rare they are. Triggers write them; a job that succeeds without labels costs nothing.
_FAILURES = """
CREATE TABLE failures (
    job_id    uuid NOT NULL,
    tenant    text NOT NULL,
    code      text NOT NULL,
    requester text,
    PRIMARY KEY (tenant, job_id)
)
"""

_FAILURES_BY_CODE = "CREATE INDEX failures_by_code ON failures (tenant, code, job_id)"

_FAILURES_BY_REQUESTER = """
CREATE INDEX failures_by_requester ON failures (tenant, requester, job_id) WHERE requester IS NOT NULL
"""

_JOB_LABELS = """
CREATE TABLE job_labels (
    job_id uuid NOT NULL,
    tenant text NOT NULL,
    name   text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    value  text NOT NULL CHECK (length(value) <= 255),
    PRIMARY KEY (tenant, name, value, job_id)
)
"""

# Signs the page tokens of lists: a new key each week, and the previous one remains valid.
_PAGE_KEYS = """
CREATE TABLE page_token_keys (
    week       integer     PRIMARY KEY,
    secret     bytea       NOT NULL CHECK (octet_length(secret) = 32),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

LISTS = (_JOBS_BY_RETRY_OF, _FAILURES, _FAILURES_BY_CODE, _FAILURES_BY_REQUESTER, _JOB_LABELS, _PAGE_KEYS)
