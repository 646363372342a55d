"""Fills tables with many rows quickly: INSERT … SELECT with the triggers off. For plans and benchmarks only."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

# Ids as `shared.ids.uuid7` makes them: job number n was created (newest - n) gaps before `age_s` seconds ago.
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
_SIGN_IN_CODES = """
    INSERT INTO sign_in_codes (code_sha256, tenant, key_id, created_at, expires_at)
    SELECT sha256(n::text::bytea), 'acme', (SELECT id FROM api_keys WHERE tenant = 'acme' LIMIT 1), at,
           at + interval '10 min'
      FROM generate_series(1, :rows) AS n,
           LATERAL (SELECT clock_timestamp() - make_interval(secs => n % 900) OFFSET 0) AS made(at)
"""
_SAVED_VIEWS = """
    INSERT INTO saved_views (id, tenant, owner, page, name, query)
    SELECT gen_random_uuid(), 'acme', nullif('p' || n % 300, 'p7'), 'jobs', 'view ' || n, 'status=FAILED'
      FROM generate_series(1, :rows) AS n
"""
_TOTALS = """
    INSERT INTO job_totals (minute, outcome, jobs, seconds, buckets)
    SELECT date_trunc('minute', clock_timestamp(), 'UTC') - make_interval(mins => n), outcome, 3, 3.0,
           ARRAY[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
      FROM generate_series(0, 10080) AS n, unnest('{SUCCESS,FAILED,CANCELLED}'::text[]) AS outcome
        ON CONFLICT (minute, outcome) DO NOTHING
"""
_ACCEPTED = """
    INSERT INTO accepted_minutes (minute, jobs)
    SELECT date_trunc('minute', clock_timestamp(), 'UTC') - make_interval(mins => n), 9
      FROM generate_series(0, 10080) AS n
        ON CONFLICT (minute) DO NOTHING
"""
_DEAD_LETTERS = """
    INSERT INTO dead_letters (message_id, first_seen_at, receives, size_bytes, reason, job_id, body)
    SELECT 'm' || n, clock_timestamp() - make_interval(secs => n), 1, 50, 'unknown',
           CASE WHEN n % 2 = 0 THEN gen_random_uuid() END, 'x'
      FROM generate_series(1, :rows) AS n
"""
_SHARES = """
    INSERT INTO shares (id, tenant, job_id, name, token_sha256, created_at, created_by, expires_at, request, digest)
    SELECT (lpad(to_hex(n), 12, '0') || '00000000000000000009')::uuid, 'acme',
           (lpad(to_hex(n / 50), 12, '0') || '00000000000000000008')::uuid, 'a.csv', sha256(n::text::bytea),
           clock_timestamp() - interval '100 d', 'p' || n % 300,
           clock_timestamp() + make_interval(days => CASE WHEN n % 10 = 0 THEN -50 ELSE 7 END), n::text, ''
      FROM generate_series(1, :rows) AS n
"""
_PASSWORDS = """
    INSERT INTO job_passwords (job_id, key_id, sealed) SELECT id, 'k', 'sealed' FROM jobs WHERE status = 'PENDING'
"""
_API_KEYS = """
    INSERT INTO api_keys (id, key_sha256, tenant, name, scopes, created_at, expires_at, request, digest)
    SELECT substr(md5(:tenant || n), 1, 12), sha256(n::text::bytea), :tenant, 'ci', '{jobs:read}',
           clock_timestamp() - make_interval(secs => :rows - n), CAST(:end AS timestamptz), n::text, ''
      FROM generate_series(1, :rows) AS n
"""


_BULK = """
    INSERT INTO bulk_actions (id, tenant, action, state, filter, reason, matched, created_at, horizon, subject, hidden,
                              position, request, digest, due_at, ended_at)
    SELECT (lpad(to_hex(n), 12, '0') || '00000000000000000007')::uuid,
           CASE n % 2 WHEN 0 THEN 'silent' ELSE 'acme' END, 'cancel',
           CASE WHEN n > :rows - 50 THEN 'RUNNING' ELSE 'DONE' END, '{}', '', '{}', clock_timestamp(),
           'ffffffff-ffff-ffff-ffff-ffffffffffff', CASE n % 100 WHEN 1 THEN 'ann' END, '{}',
           'ffffffff-ffff-ffff-ffff-ffffffffffff', n::text, '', CASE WHEN n > :rows - 50 THEN clock_timestamp() END,
           CASE WHEN n <= :rows - 50 THEN clock_timestamp() END
      FROM generate_series(1, :rows) AS n
"""
_BULK_RESULTS = """
    INSERT INTO bulk_results (bulk_id, job_id, outcome, code)
    SELECT '00000000-0001-0000-0000-000000000007', id, CASE WHEN status = 'PENDING' THEN 'cancelled' ELSE 'refused' END,
           CASE WHEN status <> 'PENDING' THEN 'job_already_ended' END
      FROM jobs WHERE tenant = 'acme'
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
    """Insert `count` jobs of `tenant`, all in `status`, the newest created `age_s` seconds ago, with their history and
    files.

    `requester` requested every other one. One in `labels_every` has the label `team: finance`.

    `conn` is in autocommit mode and belongs to a superuser. One call for each tenant and status.
    """
    values = {
        "tenant": tenant, "status": status, "jobs": count, "age_s": age_s, "gap_s": gap_s, "deadline_s": deadline_s,
        "keep_artifacts_s": keep_artifacts_s, "keep_s": keep_s, "requester": requester, "labels_every": labels_every,
    }  # fmt: skip
    _run(conn, *((sql, values) for sql in (_JOBS, _EVENTS, _ARTIFACTS, _FAILURES, _LABELS)))


def keys(conn: Connection) -> None:
    """Insert an Idempotency-Key for every existing job."""
    _run(conn, (_KEYS, {}))


def reusable(conn: Connection, key: str) -> None:
    """Let every job of the tenant `acme` answer the question `key`."""
    _run(conn, ("UPDATE jobs SET reuse_key = :key WHERE tenant = 'acme'", {"key": key}))


def erasures(conn: Connection) -> None:
    """Insert an erasure for every job of the tenant `silent`."""
    _run(conn, ("INSERT INTO erasures (job_id, tenant) SELECT id, tenant FROM jobs WHERE tenant = 'silent'", {}))


def outbox(conn: Connection, count: int) -> None:
    """Insert `count` messages that wait to be sent."""
    _run(conn, (_OUTBOX, {"rows": count}))


def audit(conn: Connection, count: int, *, tenant: str = "acme", age_s: float = 0) -> None:
    """Insert `count` entries of the tenant's audit trail, one per second, about a hundred jobs, the
    newest `age_s` old.
    """
    _run(conn, (_AUDIT, {"rows": count, "tenant": tenant, "age_s": age_s}))


def held(conn: Connection, count: int) -> None:
    """Insert `count` doorbells of three tenants that wait for their turn."""
    _run(conn, (_HELD, {"rows": count}))


def api_keys(conn: Connection, count: int, *, tenant: str = "acme", end: datetime | None = None) -> None:
    """Insert `count` API keys of the tenant, one per second, valid until `end`. Their secrets are unknown."""
    _run(conn, (_API_KEYS, {"rows": count, "tenant": tenant, "end": end}))


def console_sessions(conn: Connection, count: int) -> None:
    """Insert `count` sessions of the existing keys, a tenth of them expired. Their cookies are unknown."""
    _run(conn, (_CONSOLE_SESSIONS, {"rows": count}))


def sign_in_codes(conn: Connection, count: int) -> None:
    """Insert `count` codes of the existing keys, a third of them expired. Their secrets are unknown."""
    _run(conn, (_SIGN_IN_CODES, {"rows": count}))


def saved_views(conn: Connection, count: int) -> None:
    """Insert `count` views of a tenant's users, `p1` among them; some are for everyone there."""
    _run(conn, (_SAVED_VIEWS, {"rows": count}))


def shares(conn: Connection, count: int) -> None:
    """Insert `count` links of a tenant's users to files of jobs with fifty links each; one in ten ended long ago."""
    _run(conn, (_SHARES, {"rows": count}))


def passwords(conn: Connection) -> None:
    """Insert a password for the files of each waiting job."""
    _run(conn, (_PASSWORDS, {}))


def bulk(conn: Connection, count: int) -> None:
    """Insert `count` bulk actions of two tenants, the newest of which run; one has handled all jobs of the tenant
    `acme`.
    """
    _run(conn, (_BULK, {"rows": count}), (_BULK_RESULTS, {}))


def _run(conn: Connection, *statements: tuple[str, dict[str, object]]) -> None:
    conn.execute(text("SET session_replication_role = replica"))
    conn.execute(text("SET statement_timeout = 0"))
    for sql, values in statements:
        used = {name: value for name, value in values.items() if f":{name}" in sql}
        conn.execute(text(sql), used)
    conn.execute(text("RESET session_replication_role"))
    conn.execute(text("RESET statement_timeout"))


def minutes(conn: Connection) -> None:
    """Insert a thousand minutes of the history of ten report types, and a week of the totals."""
    conn.execute(text(_MINUTES))
    conn.execute(text(_TOTALS))
    conn.execute(text(_ACCEPTED))


def dead_letters(conn: Connection, count: int) -> None:
    """Insert `count` copies of dead letters, every other one of a job."""
    _run(conn, (_DEAD_LETTERS, {"rows": count}))


def schedules(conn: Connection, schedules: int, *, tenant: str, due_in_s: float, ticks: int = 0) -> None:
    """Insert schedules of the tenant, all due in `due_in_s`; the first has a history of `ticks` ticks."""
    asked = {"schedules": schedules, "tenant": tenant, "due_in_s": due_in_s, "ticks": ticks}
    conn.execute(_SCHEDULES, asked)
    conn.execute(_TICKS, asked)
    conn.execute(text("ANALYZE schedules, schedule_ticks"))


_SCHEDULES = text("""
    INSERT INTO schedules (id, tenant, name, report_type, parameters, formats, terms, every_s, zone, jitter_s, misfire,
                           misfire_most, overlap, begins_at, next_tick, due_at)
    SELECT gen_random_uuid(), :tenant, 'schedule ' || n, 'calendar', '{}', '{csv}',
           '{"max_attempts": null, "max_crashes": 2, "deadline_s": 3600, "keep_artifacts_s": 3600, "keep_s": 86400}',
           3600, 'UTC', 0, 'run_once', 1, 'skip', due_at, due_at, due_at
      FROM generate_series(1, :schedules) AS n, (
           SELECT clock_timestamp() + make_interval(secs => :due_in_s) AS due_at) AS due
""")
_TICKS = text("""
    INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate, reason, at)
    SELECT s.id, s.tenant, s.next_tick - make_interval(hours => n), 'due', 'skipped', 'overlap',
           clock_timestamp() - make_interval(hours => n)
      FROM (SELECT * FROM schedules WHERE tenant = :tenant ORDER BY id LIMIT 1) AS s, generate_series(1, :ticks) AS n
""")


WAIT_FOR_SOMETHING = 300
"""Webhooks with a waiting delivery, besides the crowded one."""


def webhooks(conn: Connection, tenants: int, *, each: int) -> None:
    """Insert tenants `tenant-1`, …, with `each` webhooks, a secret for each, and a delivered event for each.

    A few of them have a waiting delivery. One in a thousand was disabled because of its answer.
    """
    asked: dict[str, object] = {"tenants": tenants, "each": each, "some": WAIT_FOR_SOMETHING}
    _run(conn, *((statement, asked) for statement in _WEBHOOKS))


def deliveries(conn: Connection, count: int, *, tenant: str) -> None:
    """Give the tenant's first webhook `count` deliveries of each kind: delivered, given up, and to be retried later.

    Two are due, two are in progress, and `count` events are not distributed yet.
    """
    _run(conn, *((statement, {"rows": count, "tenant": tenant}) for statement in _DELIVERIES))


_WEBHOOKS = (
    """
    INSERT INTO webhooks (id, tenant, url, origin, types, description, request, digest, disabled_at, disabled_because)
    SELECT gen_random_uuid(), 'tenant-' || t, 'https://a.example/' || n, 'https://a.example', '{job.failed}', '',
           'r' || n, '', CASE WHEN t % 1000 = 0 THEN now() END, CASE WHEN t % 1000 = 0 THEN 'gone' END
      FROM generate_series(1, :tenants) AS t, generate_series(1, :each) AS n
    """,
    """
    INSERT INTO webhook_secrets (webhook_id, number, key_id, sealed)
    SELECT id, 1, 'k' || (random() * 2)::int, '' FROM webhooks
    """,
    """
    INSERT INTO webhook_events (tenant, type, job_id, spread_at)
    SELECT tenant, 'job.failed', gen_random_uuid(), now() FROM webhooks
    """,
    """
    INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body, due_at)
    SELECT DISTINCT ON (w.id) w.id, e.id, w.tenant, '', now() + interval '1 h'
      FROM (SELECT * FROM webhooks WHERE disabled_at IS NULL ORDER BY tenant DESC LIMIT :some) AS w
      JOIN webhook_events e ON e.tenant = w.tenant
    """,
)
_DELIVERIES = (
    """
    INSERT INTO webhook_events (tenant, type, job_id, spread_at)
    SELECT :tenant, 'job.failed', gen_random_uuid(), CASE WHEN n % 4 > 0 THEN now() END
      FROM generate_series(1, 4 * :rows + 16) AS n
    """,
    """
    INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body, state, due_at, ended_at, lease_token)
    SELECT w.id, e.id, w.tenant, '', kind,
           CASE WHEN place <= 2 THEN now() ELSE now() + interval '1 h' END,
           CASE WHEN kind <> 'waiting' THEN now() END,
           CASE WHEN kind = 'waiting' AND place IN (3, 4) THEN gen_random_uuid() END
      FROM (SELECT * FROM webhooks WHERE tenant = :tenant ORDER BY id LIMIT 1) AS w,
           (SELECT id, (ARRAY['waiting', 'delivered', 'dead'])[number % 3 + 1] AS kind, number / 3 AS place
              FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM webhook_events
                     WHERE tenant = :tenant AND spread_at IS NOT NULL) AS numbered) AS e
    """,
    """
    INSERT INTO webhook_attempts (delivery_id, number, at, took_ms)
    SELECT id, n, now(), 1 FROM webhook_deliveries, generate_series(1, 2) AS n
     WHERE state = 'delivered' AND tenant = :tenant
    """,
)
