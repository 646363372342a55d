"""Webhooks: a healthy one, one that has failed for a while, a disabled one, and their deliveries."""

import time
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.secret_keys import SecretKeys
from shared.webhooks import store
from shared.webhooks.conditions import Condition
from shared.webhooks.event import CHOOSABLE, EventType, new_secret
from shared.webhooks.webhook import Wanted

WELL, FAILING, GONE = (UUID(int=(1_780_000_200_000 + n) << 80 | 7 << 76 | 2 << 62 | n) for n in range(3))
_TODAY = int(time.time() * 1000) - 600_000
DELIVERED, FAILED, WAITING, ANOTHER = (UUID(int=(_TODAY + n) << 80 | 7 << 76 | 2 << 62 | n) for n in range(4))

_STATES = text("""
    UPDATE webhooks
       SET last_success_at = now() - CASE WHEN id = :well THEN interval '4 min' ELSE interval '2 days' END,
           last_failure_at = CASE WHEN id = :well THEN NULL ELSE now() - interval '11 min' END,
           failing_since = CASE WHEN id = :failing THEN now() - interval '2 days' END,
           disabled_at = CASE WHEN id = :gone THEN now() - interval '9 days' END,
           disabled_because = CASE WHEN id = :gone THEN 'gone' END
""")
_EVENT = text("""
    INSERT INTO webhook_events (id, tenant, type, at, report_type, job_id, version, status, spread_at)
    VALUES (:id, :tenant, :type, now() - interval '9 min', 'general-ledger', :job, 3, 'FAILED', now())
""")
_DELIVERY = text("""
    INSERT INTO webhook_deliveries (id, webhook_id, event_id, tenant, body, state, due_at, attempts, tries, ended_at,
                                    last_status, last_error)
    VALUES (:id, :webhook, :event, :tenant, :body, CAST(:state AS text), now() + interval '27 min', :attempts,
            :attempts,
            CASE WHEN CAST(:state AS text) = 'waiting' THEN NULL ELSE now() - interval '8 min' END, :status, :error)
""")
_ATTEMPT = text("""
    INSERT INTO webhook_attempts (delivery_id, number, at, took_ms, request_head, status, response_head, response_body,
                                  error)
    VALUES (:id, :number, now() - make_interval(mins => 30 - :number), :ms, :request, :status, :head, :body, :error)
""")
_REQUEST = (
    "POST /hooks/todoke HTTP/1.1\r\nHost: reports.kawabata.example\r\nUser-Agent: Todoke/0.1.0\r\n"
    "Content-Type: application/json\r\nwebhook-id: msg_019acb2e7c417e029a510e5b1a6c7f10\r\n"
    "webhook-timestamp: 1780000200\r\nwebhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=\r\n\r\n"
)
_PAGE = "<html><h1>Something broke</h1><p>データベースに接続できません</p></html>"
_BODY = (
    '{"type":"job.failed","timestamp":"2026-11-29T12:00:04.750Z","data":{"jobId":"019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"'
    ',"status":"FAILED","reportType":"general-ledger","version":3}}'
)


def webhooks(conn: Connection, tenant: str, by: str, keys: SecretKeys, done: UUID) -> None:
    """Make them; `done` is a job that succeeded, of which they tell."""
    every = list(CHOOSABLE)
    for webhook_id, url, types, about in (
        (GONE, "https://old-bridge.kawabata.example/in", every, ""),
        (FAILING, "https://hooks.a-very-long-host-name-of-a-partner.example/teams/finance/incoming/2e7c417e029a510e5b1a",
         [EventType.JOB_FAILED, EventType.SCHEDULE_MISSED], "経理部のチャット"),
        (WELL, "https://reports.kawabata.example/hooks/todoke", every, "The warehouse's own portal"),
    ):  # fmt: skip
        origin = "/".join(url.split("/")[:3])
        sealed = keys.seal(new_secret(), of=store.owner_of_secret(webhook_id))
        when: list[Condition] | None = None
        if webhook_id == FAILING:
            when = ["failure", {"figure": "rows", "above": 100_000}]
        store.create(conn, webhook_id, tenant, Wanted(url, origin, types, None, about, when), sealed, by, None)
    conn.execute(_STATES, {"well": WELL, "failing": FAILING, "gone": GONE})
    _told(conn, tenant, WELL, DELIVERED, "job.succeeded", "delivered", 1, 204, None, job=done)
    told = {"state": "waiting", "attempts": 4, "status": 503, "error": None, "body": _BODY, "tenant": tenant}
    conn.execute(_DELIVERY, {"id": ANOTHER, "webhook": FAILING, "event": DELIVERED, **told})
    _told(conn, tenant, WELL, FAILED, "job.failed", "dead", 10, 500, None)
    _told(conn, tenant, WELL, WAITING, "schedule.missed", "waiting", 3, None, "timeout")


def _told(
    conn: Connection, tenant: str, webhook: UUID, own: UUID, kind: str, state: str, attempts: int, status: int | None,
    error: str | None, *, job: UUID | None = None,
) -> None:  # fmt: skip
    of = {"id": own, "tenant": tenant, "job": job or own, "event": own}
    conn.execute(_EVENT, {**of, "type": kind.replace("schedule.missed", "job.cancelled")})
    told = {"webhook": webhook, "body": _BODY, "state": state, "attempts": attempts, "status": status, "error": error}
    conn.execute(_DELIVERY, {**of, **told})
    for number in range(1, min(attempts, 2) + 1):
        head = None if status is None else f"HTTP/1.1 {status} X\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n"
        page = "" if status in {None, 204} else _PAGE
        asked = {"number": number, "ms": 15_000 if error else 42, "request": _REQUEST, "status": status, "head": head}
        conn.execute(_ATTEMPT, {"id": own, **asked, "body": page.encode(), "error": error})
