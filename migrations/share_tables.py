"""Links that download a file without a key, as revision 0001 creates them."""

# By the hash of the secret in the address. The job has no foreign key: deleting jobs would pay for it, and a link ends
# no later than its file.
_SHARES = """
CREATE TABLE shares (
    id               uuid        PRIMARY KEY,
    tenant           text        NOT NULL,
    job_id           uuid        NOT NULL,
    name             text        NOT NULL,
    token_sha256     bytea       NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by       text,
    key_id           text        COLLATE "C",
    request          text,
    digest           text        CHECK ((digest IS NULL) = (request IS NULL)),
    expires_at       timestamptz NOT NULL CHECK (expires_at > created_at),
    max_downloads    integer     CHECK (max_downloads BETWEEN 1 AND 1000000),
    downloads        integer     NOT NULL DEFAULT 0 CHECK (downloads >= 0),
    last_download_at timestamptz,
    revoked_at       timestamptz,
    revoked_by       text,
    CONSTRAINT shares_never_more_downloads_than_allowed CHECK (downloads <= max_downloads)
) WITH (fillfactor = 80)
"""

_BY_TENANT = "CREATE INDEX shares_by_tenant ON shares (tenant, id)"
_BY_JOB = "CREATE INDEX shares_by_job ON shares (tenant, job_id, id)"
_BY_REQUEST = "CREATE UNIQUE INDEX shares_by_request ON shares (tenant, request) WHERE request IS NOT NULL"
_BY_END = "CREATE INDEX shares_by_end ON shares (expires_at)"

TABLES = (_SHARES, _BY_TENANT, _BY_JOB, _BY_REQUEST, _BY_END)
