"""Schedules: a healthy one, a paused one, a stopped one, and one that names every kind of end."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.schedules import store
from shared.schedules.schedule import Overlap, Owner, Wanted
from shared.schedules.store import Next
from shared.schedules.timing import Timing
from tests.support.schedules import TERMS

WEEKLY, PAUSED, STOPPED = (UUID(int=(1_780_000_100_000 + n) << 80 | 7 << 76 | 2 << 62 | n) for n in range(3))

_TICKS = text("""
    INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate, reason, detail, job_id, at)
    SELECT :id, :tenant, date_trunc('hour', now()) - make_interval(days => 7 * CAST(n AS int)), 'due',
           CASE WHEN n IN (3, 8) THEN 'skipped' ELSE 'submitted' END,
           CASE n WHEN 3 THEN 'overlap' WHEN 8 THEN 'missed' END, NULL, CASE WHEN n NOT IN (3, 8) THEN job.id END, now()
      FROM (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM jobs WHERE tenant = :tenant LIMIT 12) AS job
""")
_STOPPED = text("""
    UPDATE schedules SET next_tick = NULL, due_at = NULL, stopped_at = now(), stop_reason = 'owner_gone' WHERE id = :id
""")


def schedules(conn: Connection, tenant: str, by: str) -> None:
    """Make them; jobs of the tenant stand for those of their ticks."""
    now = store.now(conn)

    def made(schedule_id: UUID, name: str, report: str, parameters: dict[str, object], timing: Timing) -> None:
        wanted = Wanted(name, report, parameters, ("csv",), {"team": "finance"}, None, TERMS, timing,
                        overlap=Overlap.QUEUE)  # fmt: skip
        due = Next(timing.next_tick(now), timing.next_tick(now))
        store.create(conn, schedule_id, tenant, wanted, Owner(by, None, None), due, None)

    months: dict[str, object] = {"from": "start_of_last_month", "to": "end_of_last_month"}
    made(PAUSED, "月次締め(経理部)", "general-ledger", months, Timing("0 6 1 * *", None, "Asia/Tokyo", now))
    made(STOPPED, "Web sessions, often", "web-sessions", months, Timing(None, 7200, "UTC", now - timedelta(days=9)))
    weekly = Timing("30 2 * * SUN", None, "Europe/Berlin", now - timedelta(days=99))
    made(WEEKLY, "Shipment delays of the week, for everybody who waits", "shipment-delays", months, weekly)
    store.pause(conn, PAUSED, tenant, by="t.okonkwo", note="the warehouse moves until Thursday")
    conn.execute(_STOPPED, {"id": STOPPED})
    conn.execute(_TICKS, {"id": WEEKLY, "tenant": tenant})
