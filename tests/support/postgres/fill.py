"""Tables with many rows in them, quickly: INSERT … SELECT with the triggers off. For plans and benchmarks only."""

from sqlalchemy import text
from sqlalchemy.engine import Connection

# Ids as `shared.ids.uuid7` makes them: job number n was made (newest - n) gaps before `age_s` seconds ago.
_MADE = """
    SELECT n, made_at,
           (lpad(to_hex((extract(epoch FROM made_at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8'
            || substr(hash, 4, 15))::uuid AS id
      FROM (SELECT n, md5(:tenant || n) AS hash,
                   clock_timestamp() - make_interval(secs => :age_s + (:jobs - n) * :gap_s) AS made_at
              FROM generate_series(1, :jobs) AS n) AS numbered
"""

_JOBS = f"""
    INSERT INTO jobs (id, tenant, report_type, report_version, parameters, formats, status, verb, version, attempt,
                      max_attempts, max_crashes, lease_token, lease_until, worker, result, run_at, next_ring_at,
                      deadline_at, created_at, updated_at, started_at, finished_at, keep_artifacts_s,
                      keep_s, requester, error, labels)
    SELECT id, :tenant, CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'calendar' END, '1',
           '{{"from": "2026-01-01", "to": "2026-12-31"}}', '{{csv}}', :status,
           CASE :status WHEN 'PENDING' THEN 'submit' WHEN 'PROCESSING' THEN 'start' WHEN 'FAILED' THEN 'fail'
                        ELSE 'succeed' END,
           CASE :status WHEN 'PENDING' THEN 1 WHEN 'PROCESSING' THEN 2 ELSE 3 END,
           (:status <> 'PENDING')::int, 3, 3,
           CASE WHEN :status <> 'PENDING' THEN id END,
           CASE WHEN :status = 'PROCESSING' THEN clock_timestamp() + interval '1 h' END,
           CASE WHEN :status <> 'PENDING' THEN 'worker-1' END,
           CASE WHEN :status = 'SUCCESS' THEN '{{"seconds": 0.1}}'::jsonb END,
           made_at, made_at + interval '30 s', made_at + make_interval(secs => :deadline_s), made_at, made_at,
           CASE WHEN :status <> 'PENDING' THEN made_at END,
           CASE WHEN :status IN ('SUCCESS', 'FAILED') THEN made_at END,
           :keep_artifacts_s, :keep_s, CASE WHEN n % 2 = 0 THEN CAST(:requester AS text) END,
           CASE WHEN :status = 'FAILED' THEN '{{"code": "boom"}}'::jsonb END,
           CASE WHEN n % :labels_every = 0 THEN '{{"team": "finance"}}'::jsonb END
      FROM ({_MADE}) AS made
"""

# As the triggers and `succeed` leave them.
_EVENTS = """
    INSERT INTO job_transitions (job_id, version, from_status, to_status, verb, attempt, lease_token, worker, at)
    SELECT j.id, e.version, e.from_status, e.to_status, e.verb, 1, j.lease_token, j.worker, j.created_at
      FROM jobs j
      JOIN (VALUES (2, 'PENDING', 'PROCESSING', 'start'),
                   (3, 'PROCESSING', :status, CASE :status WHEN 'FAILED' THEN 'fail' ELSE 'succeed' END))
        AS e(version, from_status, to_status, verb) ON e.version <= j.version
     WHERE j.tenant = :tenant AND j.status = :status
        ON CONFLICT DO NOTHING
"""
_ARTIFACTS = """
    INSERT INTO artifacts (job_id, name, lease_token, format, media_type, size_bytes, sha256, rows, created_at)
    SELECT id, 'calendar.csv', lease_token, 'csv', 'text/csv', 4096, repeat('0', 64), 365, finished_at
      FROM jobs WHERE tenant = :tenant AND status = 'SUCCESS'
        ON CONFLICT DO NOTHING
"""
_FAILURES = """
    INSERT INTO failures (job_id, tenant, code, requester)
    SELECT id, tenant, error ->> 'code', requester FROM jobs WHERE tenant = :tenant AND status = 'FAILED'
        ON CONFLICT DO NOTHING
"""
_LABELS = """
    INSERT INTO job_labels (job_id, tenant, name, value)
    SELECT id, tenant, label.key, label.value FROM jobs, jsonb_each_text(labels) AS label
     WHERE tenant = :tenant AND status = :status
        ON CONFLICT DO NOTHING
"""
_KEYS = """
    INSERT INTO idempotency_keys (tenant, operation, key, body_digest, meaning_digest, job_id, created_at)
    SELECT tenant, 'submit', id::text, repeat('0', 64), repeat('0', 64), id, created_at FROM jobs
"""
_MINUTES = """
    INSERT INTO job_minutes (tenant, report_type, outcome, minute, jobs, seconds, buckets)
    SELECT 'acme', 't' || n % 10, 'SUCCESS',
           date_trunc('minute', clock_timestamp(), 'UTC') - make_interval(mins => (n / 10)::int), 1, 1,
           array_fill(1::bigint, ARRAY[16])
      FROM generate_series(1, 10000) AS n
"""
_OUTBOX = """
    INSERT INTO outbox (topic, group_key, payload)
    SELECT 'jobs', 'acme', json_build_object('jobId', md5(n::text)::uuid)::text FROM generate_series(1, :rows) AS n
"""
_AUDIT = """
    INSERT INTO audit (at, tenant, subject, key_id, action, object, after)
    SELECT clock_timestamp() - make_interval(secs => :age_s + (:rows - n)), :tenant,
           CASE WHEN n % 1000 = 0 THEN 'ann' ELSE 'ci' END, 'k', 'jobs.cancel', 'jobs/' || n % 100, '{}'
      FROM generate_series(1, :rows) AS n
"""
_HELD = """
    INSERT INTO held (job_id, tenant, report_type, priority)
    SELECT md5('held' || n)::uuid, (ARRAY['acme', 'acme', 'beta', 'gamma'])[1 + n % 4],
           CASE n % 4 WHEN 1 THEN 'rare' ELSE 'calendar' END, n % 10
      FROM generate_series(1, :rows) AS n
"""

_CONSOLE_SESSIONS = """
    INSERT INTO console_sessions (token_sha256, tenant, key_id, created_at, expires_at)
    SELECT sha256(n::text::bytea), 'acme', (SELECT id FROM api_keys WHERE tenant = 'acme' LIMIT 1), at,
           at + interval '12 h'
      FROM generate_series(1, :rows) AS n,
           LATERAL (SELECT clock_timestamp() - make_interval(secs => CASE n % 10 WHEN 0 THEN 90000 ELSE n % 3000 END)
                    OFFSET 0) AS began(at)
"""
_API_KEYS = """
    INSERT INTO api_keys (id, key_sha256, tenant, name, scopes, created_at, request, digest)
    SELECT substr(md5(:tenant || n), 1, 12), sha256(n::text::bytea), :tenant, 'ci', '{jobs:read}',
           clock_timestamp() - make_interval(secs => :rows - n), n::text, ''
      FROM generate_series(1, :rows) AS n
"""


def jobs(
    conn: Connection,
    count: int,
    *,
    tenant: str = "acme",
    status: str = "SUCCESS",
    age_s: float = 0,
    gap_s: float = 0.001,
    deadline_s: float = 86_400,
    keep_artifacts_s: int = 86_400,
    keep_s: int = 86_400,
    requester: str | None = None,
    labels_every: int = 2**31 - 1,
) -> None:
    """`count` jobs of `tenant`, all in `status`, the newest made `age_s` seconds ago, with their history and files.

    `requester` asked for every other one. Every one in `labels_every` has the label `team: finance`.

    `conn` is in autocommit mode and belongs to a superuser. One fill for each tenant and status.
    """
    values = {
        "tenant": tenant, "status": status, "jobs": count, "age_s": age_s, "gap_s": gap_s, "deadline_s": deadline_s,
        "keep_artifacts_s": keep_artifacts_s, "keep_s": keep_s, "requester": requester, "labels_every": labels_every,
    }  # fmt: skip
    _run(conn, *((sql, values) for sql in (_JOBS, _EVENTS, _ARTIFACTS, _FAILURES, _LABELS)))


def keys(conn: Connection) -> None:
    """An Idempotency-Key for every job there is."""
    _run(conn, (_KEYS, {}))


def reusable(conn: Connection, key: str) -> None:
    """Every job of the tenant `acme` answers the question `key`."""
    _run(conn, ("UPDATE jobs SET reuse_key = :key WHERE tenant = 'acme'", {"key": key}))


def erasures(conn: Connection) -> None:
    """An erasure of every job of the tenant `silent`."""
    _run(conn, ("INSERT INTO erasures (job_id, tenant) SELECT id, tenant FROM jobs WHERE tenant = 'silent'", {}))


def outbox(conn: Connection, count: int) -> None:
    """`count` messages that wait to be sent."""
    _run(conn, (_OUTBOX, {"rows": count}))


def audit(conn: Connection, count: int, *, tenant: str = "acme", age_s: float = 0) -> None:
    """`count` entries of the tenant's audit trail, one a second, about a hundred jobs, the newest `age_s` old."""
    _run(conn, (_AUDIT, {"rows": count, "tenant": tenant, "age_s": age_s}))


def held(conn: Connection, count: int) -> None:
    """`count` doorbells of three tenants that wait for their turn."""
    _run(conn, (_HELD, {"rows": count}))


def api_keys(conn: Connection, count: int, *, tenant: str = "acme") -> None:
    """`count` API keys of the tenant, one a second. Nobody knows their secrets."""
    _run(conn, (_API_KEYS, {"rows": count, "tenant": tenant}))


def console_sessions(conn: Connection, count: int) -> None:
    """`count` sessions of the keys that there are, a tenth of them over. Nobody knows their cookies."""
    _run(conn, (_CONSOLE_SESSIONS, {"rows": count}))


def _run(conn: Connection, *statements: tuple[str, dict[str, object]]) -> None:
    conn.execute(text("SET session_replication_role = replica"))
    conn.execute(text("SET statement_timeout = 0"))
    for sql, values in statements:
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        conn.execute(text(sql), used)
    conn.execute(text("RESET session_replication_role"))
    conn.execute(text("RESET statement_timeout"))


def minutes(conn: Connection) -> None:
    """A thousand minutes of the history of ten report types."""
    conn.execute(text(_MINUTES))
