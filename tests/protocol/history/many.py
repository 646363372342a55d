"""Stories of pauses, bulk actions and schedules, and the mutants that they detect."""

import contextlib
import re
import time
from collections.abc import Sequence
from datetime import timedelta
from unittest.mock import patch as patched
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.relay import schedules as relay_schedules
from services.relay.bulk import BulkActions
from services.relay.schedules import Schedules
from shared.access.audit import Actor
from shared.catalog.load import BUILTIN, load_catalog
from shared.database.engine import transactional
from shared.ids import uuid7
from shared.jobs import bulk, bulk_slices, held, lease, pauses, sweep
from shared.jobs.bulk import Bulk, BulkState, NewBulk
from shared.jobs.bulk_rules import BulkAction, meant
from shared.jobs.filters import SLACK_S, JobFilter, id_at
from shared.jobs.gates import Gate, Kind, paused
from shared.jobs.picking import Reach
from shared.jobs.viewer import Viewer
from shared.schedules import due
from shared.schedules.due import Move
from shared.schedules.schedule import Fate
from tests.protocol.history.mutants import Mutant, Patch, without
from tests.protocol.history.world import Died, World
from tests.support.history.facts_of_others import Paused
from tests.support.schedules import a_schedule

_GATE = Gate(Kind.REPORT_TYPE, "calendar")


def a_pause(world: World) -> None:
    """A job waits as its type is paused, another comes meanwhile, and the deadline of a third passes; then it ends."""
    world.a_job()
    pauses.pause(world.conn, _GATE, reason="a story", by="a ghost")
    since = time.time()
    for _ in range(2):
        world.worker("early").work_all()
        world.a_job()
    late = world.a_job()
    world.conn.execute(
        text("UPDATE jobs SET deadline_at = clock_timestamp() - interval '1 ms' WHERE id = :id"), {"id": late}
    )
    world.sweep()
    world.history.paused.append(Paused("report_type", "calendar", since, time.time()))
    pauses.resume(world.conn, _GATE)
    settled: int | None = 0
    while settled is not None:
        with transactional(world.engine).begin() as conn:
            settled = pauses.settle_slice(conn)


def a_bulk_cancellation(world: World) -> None:
    """Three jobs are cancelled by one action, in two slices; a fourth came after it was asked for."""
    for _ in range(3):
        world.submit()
    until = bulk.now(world.conn)
    reach = Reach(Viewer("acme"), meant(BulkAction.CANCEL, JobFilter()), until)
    new = NewBulk(
        uuid7(), BulkAction.CANCEL, BulkState.RUNNING, reach, id_at(until.timestamp() + SLACK_S), "a story", {}, None
    )
    assert bulk.create(world.conn, new, Actor("acme")) is not None
    time.sleep(0.1)  # longer than two clocks may be apart, for the checker
    world.a_job()
    relay = BulkActions(world.engine, pause_s=0, most=2)
    for _ in range(10):
        relay.run_once()


def a_schedule_of_hours_ago(world: World) -> None:
    """A relay dies in the middle of a tick that comes after others that were missed; the next one finds it as it was.
    Then its clock goes back, and with it the schedule."""
    schedule_id = a_schedule(world.conn, first=timedelta(hours=-3, seconds=-1))
    relay = Schedules(world.engine, load_catalog(BUILTIN))
    with patched.object(relay_schedules, "submit_all", side_effect=Died), contextlib.suppress(Died):
        relay.run_once()
    _run(relay)
    world.conn.execute(
        text("UPDATE jobs SET run_at = clock_timestamp() - interval '1 s' WHERE schedule_id IS NOT NULL")
    )
    world.publish()
    world.worker("w1").work_all()
    back = "next_tick = next_tick - interval '1 h', due_at = due_at - interval '1 h'"
    world.conn.execute(text(f"UPDATE schedules SET {back} WHERE id = :id"), {"id": schedule_id})
    _run(relay)


def _run(relay: Schedules) -> None:
    for _ in range(5):
        relay.run_once()


def _no_pause_in_the_sweeper(patch: Patch, world: World) -> None:
    gate = f"AND NOT {paused('slice')}"
    without(sweep, "_EXPIRE", (gate, ""), ("'-infinity'", "clock_timestamp()"))(patch, world)


def _no_horizon(patch: Patch, world: World) -> None:
    query = "SELECT pg_get_functiondef('bulk_act'::regproc)"
    sql = world.conn.execute(text(query)).scalar_one()
    guard = "AND j.created_at <= b.created_at"
    assert guard in sql, "the horizon is asked for in another way: the mutant must follow"
    world.conn.exec_driver_sql(sql.replace(guard, "").replace("%", "%%"))
    own = Bulk.reach.fget  # type: ignore[attr-defined]

    def reach(self: Bulk) -> Reach:
        found: Reach = own(self)
        return found._replace(until=found.until + timedelta(days=1))

    patch.setattr(Bulk, "reach", property(reach))


def _no_key_of_a_tick(patch: Patch, world: World) -> None:
    world.conn.execute(text("ALTER TABLE schedule_ticks DROP CONSTRAINT schedule_ticks_pkey"))
    sql, cuts = re.subn(r"ON CONFLICT.*?'waiting'\n", "", str(due._MOVE), flags=re.DOTALL)
    assert cuts == 1, "a tick is kept single in another way: the mutant must follow"
    patch.setattr(due, "_MOVE", text(sql))


def _committed_before_the_job(patch: Patch, _world: World) -> None:
    own = due.move

    def move(conn: Connection, moves: Sequence[Move]) -> set[UUID]:
        wanted = own(conn, moves)
        conn.connection.dbapi_connection.commit()  # type: ignore[union-attr]
        return wanted

    patch.setattr(due, "move", move)


def _skipped_without_a_line(patch: Patch, _world: World) -> None:
    own = due.move

    def move(conn: Connection, moves: Sequence[Move]) -> set[UUID]:
        silent = [m._replace(told=[line for line in m.told if line.fate is not Fate.SKIPPED]) for m in moves]
        return own(conn, silent)

    patch.setattr(due, "move", move)


MUTANTS = [
    Mutant("a start does not ask for pauses", a_pause, without(lease, "_START", (f"AND NOT {lease._GATED}", "")),
           "nothing_paused_starts"),
    Mutant("a sweeper does not ask for pauses", a_pause, _no_pause_in_the_sweeper, "deadlines_stand_still"),
    Mutant("a held doorbell is taken and not sent", a_pause,
           without(held, "_TAKE", ("finished_at IS NULL", "false")), "held_doorbells_are_not_lost"),
    Mutant("a bulk action has no horizon", a_bulk_cancellation, _no_horizon, "bulk_actions_keep_their_horizon"),
    Mutant("a bulk action finds no end", a_bulk_cancellation,
           without(bulk_slices, "_MOVE", ("CASE WHEN :done THEN 'DONE' ELSE state END", "state")),
           "bulk_actions_do_what_they_say"),
    Mutant("a bulk action forgets what it met", a_bulk_cancellation,
           lambda patch, _: patch.setattr(bulk_slices, "tally", lambda _: {}), "bulk_actions_meet_a_job_once"),
    Mutant("a tick's job is in another transaction", a_schedule_of_hours_ago, _committed_before_the_job,
           "a_tick_is_one_job"),
    Mutant("a tick has no key", a_schedule_of_hours_ago, _no_key_of_a_tick, "a_tick_is_one_job"),
    Mutant("a skipped tick has no line", a_schedule_of_hours_ago, _skipped_without_a_line,
           "every_tick_has_its_fate"),
]  # fmt: skip
