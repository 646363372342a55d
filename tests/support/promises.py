"""Todoke's promises (docs/explanation/how-we-know.md), as queries that must return no row."""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import LEGAL_EDGES
from tests.support.promises_told import TOLD

_EDGES = ", ".join(
    f"({'NULL' if e.source is None else repr(str(e.source))}, {str(e.target)!r}, {str(e.verb)!r})"
    for e in sorted(LEGAL_EDGES, key=str)
)

# Promise 1 (accepted means final, in bounded time) is checked once the system is at rest.
AT_REST = {
    "1: every accepted job is final": "SELECT id, status FROM jobs WHERE finished_at IS NULL",
    "2: no message waits for nothing": "SELECT id, payload FROM outbox",
    "2: no doorbell is held for nothing": "SELECT job_id FROM held",
    "2: what was wished for dead letters was done": "SELECT message_id FROM dead_letters WHERE wish IS NOT NULL",
    "10: a bulk action comes to its end": "SELECT id FROM bulk_actions WHERE state = 'RUNNING'",
    "11: no tick waits for its job": """
        SELECT id FROM schedules WHERE due_at < clock_timestamp() - interval '1 min' UNION ALL
        SELECT schedule_id FROM schedule_ticks WHERE fate = 'waiting'""",
    "12: what happened is spread to those who want it": "SELECT id FROM webhook_events WHERE spread_at IS NULL",
    "9: what was deleted is gone": """
        SELECT e.job_id::text FROM erasures e UNION ALL
        SELECT a.name FROM artifacts a JOIN jobs j ON j.id = a.job_id WHERE j.deleted_at IS NOT NULL UNION ALL
        SELECT j.id::text FROM jobs j WHERE j.deleted_at IS NOT NULL
           AND (coalesce(j.result, '{}') NOT IN ('{}', '{"answer": null}') OR j.error ->> 'message' <> '')""",
}

SEEN = """
        SELECT id FROM jobs WHERE finished_at IS NULL AND id > (SELECT reached FROM unfinished_floor)
         UNION ALL
        SELECT id FROM stragglers JOIN jobs ON id = job_id
         WHERE finished_at IS NULL AND id <= (SELECT reached FROM unfinished_floor)"""
"""The unfinished jobs as the sweeper finds them (shared/jobs/unfinished.py)."""

_NO_STRAY_DOORBELL = "2: no outbox row without its job"

# clock_timestamp() and not now(): the snapshot is younger than now(), and rows deleted in between are rightly gone.
ALWAYS = {
    "1: the sweeper sees every unfinished job": f"""
        SELECT id FROM jobs WHERE finished_at IS NULL EXCEPT ALL ({SEEN})""",
    # A larger count is right: the history keeps counting deleted jobs.
    "1: the history counts every job that has ended": """
        SELECT ended, counted
          FROM (SELECT count(*) AS ended FROM jobs
                 WHERE finished_at IS NOT NULL AND id <= (SELECT reached FROM unfinished_floor)
                   AND NOT EXISTS (SELECT FROM stragglers WHERE job_id = id)) AS of_jobs,
               (SELECT coalesce(sum(jobs), 0) AS counted
                  FROM (SELECT jobs FROM job_minutes UNION ALL SELECT jobs FROM job_hours) AS kept) AS of_history
         WHERE counted < ended""",
    # Jobs created directly in the list are counted when they leave it.
    "1: the history counts every job that was accepted": """
        SELECT there, counted
          FROM (SELECT count(*) AS there FROM jobs
                 WHERE id <= (SELECT reached FROM unfinished_floor)
                   AND NOT EXISTS (SELECT FROM stragglers WHERE job_id = id AND born)) AS of_jobs,
               (SELECT coalesce(sum(jobs), 0) AS counted FROM accepted_minutes) AS of_history
         WHERE counted < there""",
    "1: the totals count what the history counts": """
        SELECT totals, counted
          FROM (SELECT coalesce(sum(jobs), 0) AS totals FROM job_totals) AS of_all,
               (SELECT coalesce(sum(jobs), 0) AS counted
                  FROM (SELECT jobs FROM job_minutes UNION ALL SELECT jobs FROM job_hours) AS kept) AS of_history
         WHERE totals <> counted""",
    _NO_STRAY_DOORBELL: """
        SELECT o.id, o.payload FROM outbox o LEFT JOIN jobs j ON j.id = (o.payload::json ->> 'jobId')::uuid
         WHERE j.id IS NULL""",
    "2: no held doorbell without its job": """
        SELECT h.job_id FROM held h LEFT JOIN jobs j ON j.id = h.job_id AND j.tenant = h.tenant WHERE j.id IS NULL""",
    "2: no idempotency key without its job": """
        SELECT k.key FROM idempotency_keys k LEFT JOIN jobs j ON j.id = k.job_id WHERE j.id IS NULL""",
    "3: one final transition": """
        SELECT job_id, count(*) FROM job_events WHERE to_status IN ('SUCCESS', 'FAILED', 'CANCELLED')
         GROUP BY job_id HAVING count(*) > 1""",
    "3: a token is used for one lease only": """
        SELECT lease_token FROM job_events WHERE verb = 'start' GROUP BY lease_token HAVING count(*) > 1""",
    "3: who ended the attempt held its lease": """
        SELECT e.job_id, e.version FROM job_events e
         WHERE e.from_status = 'PROCESSING' AND e.verb <> 'start'
           AND e.lease_token IS DISTINCT FROM (
               SELECT s.lease_token FROM job_events s WHERE s.job_id = e.job_id AND s.verb = 'start'
                  AND s.version < e.version ORDER BY s.version DESC LIMIT 1)""",
    # A report type without files answers in the job itself: its jobs request no format.
    "4: an answer if and only if SUCCESS": """
        SELECT j.id FROM jobs j
         WHERE (cardinality(j.formats) = 0 AND j.status = 'SUCCESS') <> coalesce(j.result ? 'answer', false)""",
    "4: artifacts if and only if SUCCESS": """
        SELECT j.id FROM jobs j
         WHERE (j.status = 'SUCCESS' AND cardinality(j.formats) > 0) <> EXISTS (
               SELECT FROM artifacts a WHERE a.job_id = j.id)
           AND j.deleted_at IS NULL
           AND NOT (j.status = 'SUCCESS'
                    AND j.finished_at + make_interval(secs => j.keep_artifacts_s) <= clock_timestamp())""",
    "4: artifacts belong to the winner": """
        SELECT a.job_id FROM artifacts a JOIN jobs j ON j.id = a.job_id WHERE a.lease_token <> j.lease_token""",
    "4: every format asked for is there": """
        SELECT j.id FROM jobs j WHERE j.status = 'SUCCESS' AND j.deleted_at IS NULL
           AND j.finished_at + make_interval(secs => j.keep_artifacts_s) > clock_timestamp()
           AND cardinality(j.formats) <> (
               SELECT count(*) FROM artifacts a
                WHERE a.job_id = j.id AND a.format NOT IN ('manifest', 'attachment', 'rows', 'page'))""",
    # Previews are kept no longer than the files, and show nothing of a deleted job.
    "4: a preview has its files beside it": """
        SELECT p.job_id, p.name FROM artifacts p LEFT JOIN jobs j ON j.id = p.job_id AND j.lease_token = p.lease_token
         WHERE p.format IN ('rows', 'page')
           AND (j.id IS NULL OR j.status <> 'SUCCESS' OR p.format = 'page' AND NOT 'pdf' = ANY (j.formats)
                OR NOT EXISTS (SELECT FROM artifacts f WHERE f.job_id = p.job_id
                                  AND f.format NOT IN ('manifest', 'attachment', 'rows', 'page')))""",
    "5: the attempt budget is kept": "SELECT id FROM jobs WHERE attempt > max_attempts OR crashes > max_crashes + 1",
    "9: what was deleted is blank, and its files are asked for until they are gone": """
        SELECT j.id FROM jobs j WHERE j.deleted_at IS NOT NULL
           AND (j.parameters <> '{}' OR j.options IS NOT NULL OR j.file_name IS NOT NULL OR j.labels IS NOT NULL
                OR EXISTS (SELECT FROM job_labels l WHERE l.tenant = j.tenant AND l.job_id = j.id)
                OR EXISTS (SELECT FROM artifacts a WHERE a.job_id = j.id)
                   AND NOT EXISTS (SELECT FROM erasures e WHERE e.job_id = j.id))""",
    "9: a password stays no longer than its job goes on": """
        SELECT p.job_id FROM job_passwords p LEFT JOIN jobs j ON j.id = p.job_id
         WHERE j.id IS NULL OR j.finished_at IS NOT NULL OR j.deleted_at IS NOT NULL""",
    "9: a job whose files are to have a password has it": """
        SELECT j.id FROM jobs j WHERE j.finished_at IS NULL AND j.options ? 'encrypted'
           AND NOT EXISTS (SELECT FROM job_passwords p WHERE p.job_id = j.id)""",
    "6: one key, one job": """
        SELECT tenant, key FROM idempotency_keys GROUP BY tenant, operation, key HAVING count(*) > 1""",
    "10: a bulk action meets a job once, and tells of each": """
        SELECT b.id, b.outcomes FROM bulk_actions b
         WHERE (SELECT coalesce(sum(jobs::int), 0) FROM jsonb_each_text(b.outcomes) AS told(outcome, jobs))
               <> (SELECT count(*) FROM bulk_results r WHERE r.bulk_id = b.id)""",
    "10: a bulk action meets no job of others or of later": """
        SELECT r.bulk_id, r.job_id
          FROM bulk_results r JOIN bulk_actions b ON b.id = r.bulk_id JOIN jobs j ON j.id = r.job_id
         WHERE j.tenant <> b.tenant OR j.created_at > b.created_at OR j.report_type = ANY (b.hidden)
            OR b.sees_only IS NOT NULL AND j.requester IS DISTINCT FROM b.sees_only""",
    "10: a bulk retry makes one job of each original": """
        SELECT r.bulk_id, r.job_id FROM bulk_results r
         WHERE r.outcome = 'retried' AND NOT EXISTS (
               SELECT FROM idempotency_keys k JOIN jobs n ON n.id = k.job_id
                WHERE k.operation = 'bulk' AND k.key = r.bulk_id || '/' || r.job_id
                  AND n.id = r.new_job_id AND n.retry_of = r.job_id)
        UNION ALL
        SELECT NULL, n.id FROM jobs n JOIN idempotency_keys k ON k.job_id = n.id AND k.operation = 'bulk'
         WHERE NOT EXISTS (SELECT FROM bulk_results r WHERE r.new_job_id = n.id)""",
    "10: what a bulk action says that it did is done": """
        SELECT r.bulk_id, r.job_id FROM bulk_results r JOIN jobs j ON j.id = r.job_id
         WHERE r.outcome IN ('cancelled', 'requested') AND j.cancel_requested_at IS NULL
            OR r.outcome = 'cancelled' AND j.status <> 'CANCELLED' OR r.outcome = 'deleted' AND j.deleted_at IS NULL""",
    "8: the lists of failures are right": """
        (SELECT id, tenant, error ->> 'code', requester FROM jobs WHERE status = 'FAILED'
         EXCEPT SELECT job_id, tenant, code, requester FROM failures)
        UNION ALL
        (SELECT job_id, tenant, code, requester FROM failures
         EXCEPT SELECT id, tenant, error ->> 'code', requester FROM jobs WHERE status = 'FAILED')""",
    "8: the lists of labels are right": """
        (SELECT id, tenant, l.key, l.value FROM jobs, jsonb_each_text(labels) AS l
         EXCEPT SELECT job_id, tenant, name, value FROM job_labels)
        UNION ALL
        (SELECT job_id, tenant, name, value FROM job_labels
         EXCEPT SELECT id, tenant, l.key, l.value FROM jobs, jsonb_each_text(labels) AS l)""",
    "11: a tick has one job": """
        SELECT job_id FROM schedule_ticks WHERE job_id IS NOT NULL GROUP BY job_id HAVING count(*) > 1""",
    "11: every job of a schedule is a tick's": """
        SELECT j.id FROM jobs j JOIN schedules s ON s.id = j.schedule_id WHERE NOT EXISTS (
               SELECT FROM schedule_ticks t WHERE t.schedule_id = s.id AND t.job_id = j.id)""",
    "11: every tick that was submitted has its job": """
        SELECT t.job_id FROM schedule_ticks t LEFT JOIN jobs j ON j.id = t.job_id AND j.schedule_id = t.schedule_id
         WHERE t.fate = 'submitted' AND j.id IS NULL""",
    "11: a schedule that goes on has a tick to come": """
        SELECT id FROM schedules WHERE (next_tick IS NULL) <> (paused_at IS NOT NULL OR stopped_at IS NOT NULL)""",
    **TOLD,
    "7: a delivery is its webhook's, and its event's tenant's": """
        SELECT d.id FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id
          JOIN webhook_events e ON e.id = d.event_id
         WHERE d.tenant <> w.tenant OR e.tenant <> w.tenant OR e.webhook_id <> w.id""",
    "7: a schedule's jobs are its tenant's": """
        SELECT j.id FROM jobs j JOIN schedules s ON s.id = j.schedule_id WHERE j.tenant <> s.tenant""",
    "8: every edge taken is legal": f"""
        SELECT e.job_id, e.version FROM job_events e
         WHERE NOT EXISTS (SELECT FROM (VALUES {_EDGES}) AS legal(source, target, verb)
                            WHERE e.from_status IS NOT DISTINCT FROM legal.source
                              AND e.to_status = legal.target AND e.verb = legal.verb)""",
    "1: a cap has a place for each job that may run": """
        SELECT kind, name FROM caps
         WHERE running > (SELECT count(*) FROM slots WHERE (slots.kind, slots.name) = (caps.kind, caps.name))""",
    "7: a session is its key's tenant's": """
        SELECT s.key_id FROM console_sessions s JOIN api_keys k ON k.id = s.key_id WHERE k.tenant <> s.tenant""",
    "7: a code that signs in once is its key's tenant's": """
        SELECT c.key_id FROM sign_in_codes c JOIN api_keys k ON k.id = c.key_id WHERE k.tenant <> c.tenant""",
    "7: a saved view is its tenant's, and its person's": """
        SELECT v.id FROM saved_views v WHERE NOT EXISTS (
               SELECT FROM audit a WHERE a.object = 'views/' || v.id AND a.action = 'views.save'
                  AND a.tenant = v.tenant AND (v.owner IS NULL OR a.subject = v.owner))""",
    "7: a link leads to a file of its tenant": """
        SELECT s.id FROM shares s JOIN jobs j ON j.id = s.job_id WHERE j.tenant <> s.tenant""",
    "8: the trail tells of every download by a link": """
        SELECT s.id FROM shares s
         WHERE s.downloads <> (SELECT count(*) FROM audit a
                                WHERE a.action = 'shares.download' AND a.object = 'shares/' || s.id)""",
    "8: the trail tells of nothing that did not happen": """
        SELECT a.id, a.object FROM audit a JOIN jobs j ON a.object = 'jobs/' || j.id
         WHERE a.action = 'jobs.cancel' AND j.cancel_requested_at IS NULL""",
    # Without keys every client is this tenant; tests that cancel without the API do so for others.
    "8: the trail tells of every cancellation": """
        SELECT j.id FROM jobs j WHERE j.tenant = 'default' AND j.cancel_requested_at IS NOT NULL AND NOT EXISTS (
               SELECT FROM audit a WHERE a.object = 'jobs/' || j.id AND a.action = 'jobs.cancel') AND NOT EXISTS (
               SELECT FROM schedule_ticks t WHERE t.tenant = j.tenant AND t.detail LIKE '%' || j.id || '%')""",
    # Keys that `tests` create without the API have no creator.
    "8: the trail tells of every key that was made": """
        SELECT k.id FROM api_keys k WHERE k.created_by IS NOT NULL AND NOT EXISTS (
               SELECT FROM audit a WHERE a.action = 'keys.create' AND a.object = 'keys/' || k.id
                                      OR a.action = 'keys.rotate' AND a.after ->> 'replacedBy' = k.id)""",
    "8: the trail tells of every key that was revoked": """
        SELECT k.id FROM api_keys k WHERE k.created_by IS NOT NULL AND k.revoked_at IS NOT NULL AND NOT EXISTS (
               SELECT FROM audit a WHERE a.action = 'keys.revoke' AND a.object = 'keys/' || k.id)""",
    "8: no key of the trail is missing": """
        SELECT a.id FROM audit a WHERE a.object LIKE 'keys/%' AND NOT EXISTS (
               SELECT FROM api_keys k WHERE a.object = 'keys/' || k.id)""",
    "8: a key has one successor": """
        SELECT replaces FROM api_keys WHERE revoked_at IS NULL AND replaces IS NOT NULL
         GROUP BY replaces HAVING count(*) > 1""",
    "8: the history is a chain": """
        SELECT e.job_id, e.version FROM job_events e
         WHERE e.from_status IS DISTINCT FROM (
               SELECT p.to_status FROM job_events p WHERE p.job_id = e.job_id AND p.version < e.version
                ORDER BY p.version DESC LIMIT 1)""",
    "8: the history ends where the job is": """
        SELECT j.id FROM jobs j WHERE j.status IS DISTINCT FROM (
               SELECT e.to_status FROM job_events e WHERE e.job_id = j.id ORDER BY e.version DESC LIMIT 1)""",
}


def at_rest(conn: Connection) -> bool:
    """True once promise 1 can be checked, and holds."""
    return not any(conn.execute(text(query)).first() for query in AT_REST.values())


def broken(
    conn: Connection, *, at_rest: bool = True, gone: Collection[UUID] = ()
) -> dict[str, list[tuple[object, ...]]]:
    """Return the promises that do not hold, with up to five rows of evidence each.

    `gone`: jobs that may have been deleted while the sweeper's second doorbell for them was still on its way.
    """
    asked = {**ALWAYS, **AT_REST} if at_rest else ALWAYS
    found = {}
    for promise, query in asked.items():
        rows = [tuple(row) for row in conn.execute(text(query))]
        if promise == _NO_STRAY_DOORBELL:
            rows = [row for row in rows if not any(str(job_id) in str(row) for job_id in gone)]
        if rows:
            found[promise] = rows[:5]
    return found


def broken_files(conn: Connection, folder: Path, *, jobs: Sequence[UUID] | None = None) -> list[str]:
    """Return the artifacts (of these jobs, or all) whose file is missing, or does not match its row."""
    rows = conn.execute(
        text("SELECT j.tenant, a.job_id, a.lease_token, a.name, a.size_bytes, a.sha256 "
             "FROM artifacts a JOIN jobs j ON j.id = a.job_id "
             "WHERE j.finished_at + make_interval(secs => j.keep_artifacts_s) > clock_timestamp() "
             "AND (CAST(:jobs AS uuid[]) IS NULL OR j.id = ANY (:jobs))"),
        {"jobs": None if jobs is None else list(jobs)},
    )  # fmt: skip
    wrong = []
    for row in rows:
        path = folder / "reports" / row.tenant / str(row.job_id) / str(row.lease_token) / row.name
        if not path.exists():
            wrong.append(f"{path} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256 or path.stat().st_size != row.size_bytes:
            wrong.append(f"{path} is not what its row says")
    return wrong
