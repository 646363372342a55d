"""Messages that were put aside."""

from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.outbox import messages, parked
from shared.outbox.dead_letters import Copy, copy
from shared.outbox.messages import OutboxRow, Unsent
from tests.support.jobs import a_job


def some_dead(conn: Connection, *names: str, ours: bool = True) -> None:
    job_id = a_job(conn, tenant="globex") if ours else None
    copy(conn, [Copy(name, job_id, "{}", "unknown", 1, None) for name in names])
    conn.execute(text("INSERT INTO measurements (subject, facts, next_at) VALUES ('dead_letters', '{}', "
                      "clock_timestamp() + interval '1 h') ON CONFLICT DO NOTHING"))  # fmt: skip


def some_parked(conn: Connection, *tenants: str) -> list[int]:
    rows = [OutboxRow(0, "jobs", tenant, f'{{"jobId": "{uuid4()}"}}', None, 4) for tenant in tenants]
    messages.keep(conn, [Unsent(row, "AccessDenied", 0, parked=True) for row in rows])
    return [row.id for row in parked.parked(conn)]
