"""Bulk actions: dry runs, of few and of very many jobs, running, and done with some refused."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.ids import uuid7

FEW, MANY, RUNS, DONE = (UUID(int=(1_780_000_000_000 + n) << 80 | 7 << 76 | 2 << 62 | n) for n in range(4))

_ACTION = text("""
    INSERT INTO bulk_actions (id, tenant, action, state, filter, reason, matched, created_at, horizon, subject, hidden,
                              terms, position, outcomes, started_at, moved_at, due_at, ended_at)
    SELECT :id, :tenant, :action, :state, CAST(:filter AS jsonb), :reason, CAST(:matched AS jsonb), now(),
           'ffffffff-ffff-ffff-ffff-ffffffffffff', :by, '{}', CASE :action WHEN 'retry' THEN '{}'::jsonb END, :position,
           CAST(:outcomes AS jsonb), begun.at, begun.at, CASE :state WHEN 'RUNNING' THEN 'infinity'::timestamptz END,
           CASE :state WHEN 'DONE' THEN now() END
      FROM (SELECT CASE WHEN :state IN ('RUNNING', 'DONE') THEN now() - interval '40 s' END AS at) AS begun
""")
_REFUSED = text("""
    INSERT INTO bulk_results (bulk_id, job_id, outcome, code) VALUES (:bulk, :job, 'refused', :code)
""")


def many(conn: Connection, tenant: str, by: str) -> None:
    """One of each."""
    waiting = {"jobs": 37, "atLeast": False, "byStatus": {"PENDING": 31, "PROCESSING": 6},
               "outcomes": {"cancelled": 31, "requested": 6}}  # fmt: skip
    very_many = {"jobs": 5_000, "atLeast": True, "byStatus": {"FAILED": 5_000},
                 "outcomes": {"retried": 4_980, "refused": 20}}  # fmt: skip
    usual: dict[str, Any] = {"tenant": tenant, "by": by, "reason": "", "outcomes": "{}", "position": uuid7()}
    for action in (
        {"id": FEW, "action": "cancel", "state": "DRY_RUN", "matched": waiting,
         "filter": {"statuses": ["PENDING", "PROCESSING"], "report_type": "general-ledger"}},
        {"id": MANY, "action": "retry", "state": "DRY_RUN", "matched": very_many,
         "filter": {"statuses": ["FAILED"], "error_code": "source_unavailable", "labels": {"月次": "締め"}}},
        {"id": RUNS, "action": "retry", "state": "RUNNING", "matched": very_many, "reason": "倉庫が復旧したため",
         "outcomes": json.dumps({"retried": 1_494, "refused": 6}), "filter": {"statuses": ["FAILED"]}},
        {"id": DONE, "action": "retry", "state": "DONE", "matched": waiting, "reason": "the source is back",
         "outcomes": json.dumps({"retried": 34, "refused": 3}), "filter": {"statuses": ["FAILED"]}},
    ):  # fmt: skip
        told: dict[str, Any] = {**usual, **action}
        conn.execute(_ACTION, {**told, "matched": json.dumps(told["matched"]), "filter": json.dumps(told["filter"])})
    for code in ("not_ended", "unknown_report_type", "unknown_format"):
        conn.execute(_REFUSED, {"bulk": DONE, "job": uuid7(), "code": code})
