"""Events of schedules and files are created once, in the commit of the change, and only for subscribers."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.schedules import Schedules
from shared.access.secret_keys import SecretKeys
from shared.catalog.load import BUILTIN, load_catalog
from shared.database.engine import create_engine, transactional
from shared.jobs import retention
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from shared.schedules import due, store
from shared.schedules.schedule import Fate, Misfire, Overlap, Reason
from shared.webhooks.event import EventType
from tests.support.jobs import a_job, started
from tests.support.postgres.roles import service_urls
from tests.support.promises import broken
from tests.support.schedules import a_schedule, ticks
from tests.support.webhooks import a_webhook, events

_FILES = [Artifact(name, name[-3:], "text/plain", 1, "0" * 64, 1) for name in ("r.csv", "m.txt")]


@pytest.fixture
def relay(database_url: str) -> Iterator[Schedules]:
    engine = create_engine(service_urls(database_url)["relay"], application_name="test-relay", pool_size=2)
    yield Schedules(engine, load_catalog(BUILTIN))
    engine.dispose()


def told(conn: Connection) -> list[tuple[str, str | None, UUID | None]]:
    """Type, reason and schedule of each event."""
    return [(one.type, one.reason, one.schedule_id) for one in events(conn)]


def a_failed_tick(conn: Connection, relay: Schedules) -> UUID:
    """A schedule whose tick could not be submitted, which stops it."""
    schedule_id = a_schedule(conn, parameters={"until": "never"})
    relay.run_once()
    assert [one.fate for one in ticks(conn, schedule_id)] == ["failed"]
    return schedule_id


def test_a_tick_that_cannot_be_submitted_is_told_with_its_reason(
    conn: Connection, relay: Schedules, sealing: SecretKeys
) -> None:
    a_webhook(conn, sealing, "https://a.example/", types=(EventType.SCHEDULE_FAILED,))
    schedule_id = a_failed_tick(conn, relay)

    assert told(conn) == [("schedule.failed", "parameters_wrong", schedule_id)]
    [event] = events(conn)
    assert (event.tick, event.report_type) == (ticks(conn, schedule_id)[0].tick, "calendar")


def test_ticks_that_nobody_was_there_for_are_told_by_one_event_and_overlaps_by_none(
    conn: Connection, relay: Schedules, sealing: SecretKeys
) -> None:
    a_webhook(conn, sealing, "https://a.example/", types=(EventType.SCHEDULE_MISSED, EventType.SCHEDULE_FAILED))
    away = a_schedule(conn, first=timedelta(hours=-5, minutes=-30), misfire=Misfire.RUN_ONCE)
    relay.run_once()
    overlapping = a_schedule(conn, overlap=Overlap.SKIP)
    relay.run_once()
    conn.execute(text("UPDATE schedules SET next_tick = now(), due_at = now() WHERE id = :id"), {"id": overlapping})
    relay.run_once()

    assert [(one.fate, one.reason) for one in ticks(conn, overlapping)] == [("submitted", None), ("skipped", "overlap")]
    assert told(conn) == [("schedule.missed", "missed", away)]
    assert not broken(conn, at_rest=False)


def test_a_tick_is_not_told_again_when_its_line_is_changed(
    conn: Connection, relay: Schedules, sealing: SecretKeys
) -> None:
    a_webhook(conn, sealing, "https://a.example/")
    schedule_id = a_failed_tick(conn, relay)
    # What `schedule_ticks.let_go` writes where the tick that ended it has a line already.
    conn.execute(
        text("UPDATE schedule_ticks SET since = tick - interval '1 d' WHERE schedule_id = :id"), {"id": schedule_id}
    )

    assert told(conn) == [("schedule.failed", "parameters_wrong", schedule_id)]


def test_a_tick_that_fails_when_somebody_asks_for_it_again_is_told_again(
    conn: Connection, relay: Schedules, sealing: SecretKeys
) -> None:
    a_webhook(conn, sealing, "https://a.example/")
    schedule_id = a_failed_tick(conn, relay)
    stopped = store.get(conn, schedule_id, "acme", owner=None)
    assert stopped is not None
    assert due.ask_for(conn, stopped, [ticks(conn, schedule_id)[0].tick]) == 1
    assert len(events(conn)) == 1
    relay.run_once()

    assert told(conn) == [("schedule.failed", "parameters_wrong", schedule_id)] * 2


def test_a_tick_whose_commit_fails_is_told_to_nobody(conn: Connection, engine: Engine, sealing: SecretKeys) -> None:
    a_webhook(conn, sealing, "https://a.example/")
    schedule_id = a_schedule(conn)
    with transactional(engine).connect() as other:
        [one] = due.due(other, most=10)
        line = due.HistoryLine(one.tick, one.cause, Fate.FAILED, Reason.OWNER_GONE)
        due.move(other, [due.Move(schedule_id, "acme", [line], stop_reason=Reason.OWNER_GONE)])
        assert len(events(other)) == 1
        other.rollback()

    assert events(conn) == []


def test_what_no_webhook_asks_for_is_not_written(conn: Connection, relay: Schedules, sealing: SecretKeys) -> None:
    a_webhook(conn, sealing, "https://a.example/", types=(EventType.SCHEDULE_MISSED,))
    a_webhook(conn, sealing, "https://b.example/", types=(EventType.SCHEDULE_FAILED,), report_types=["other"])
    a_webhook(conn, sealing, "https://c.example/", tenant="globex")
    a_failed_tick(conn, relay)

    assert events(conn) == []


def test_files_whose_time_is_over_are_told_once_though_they_leave_one_by_one(
    conn: Connection, sealing: SecretKeys
) -> None:
    a_webhook(conn, sealing, "https://a.example/", types=(EventType.JOB_EXPIRED,))
    over, deleted = a_job(conn, keep_artifacts_s=0), a_job(conn, keep_artifacts_s=0)
    for job_id in (over, deleted):
        succeed(conn, [Success(started(conn, job_id).lease, _FILES, 0.1)])
    conn.execute(text("UPDATE jobs SET deleted_at = now(), version = version + 1 WHERE id = :id"), {"id": deleted})
    files = retention.expired(conn).files
    assert {one.job_id for one in files} == {over, deleted}
    for one in files:
        retention.drop(conn, [one])

    [event] = events(conn)
    assert (event.type, event.job_id, event.status) == ("job.expired", over, "SUCCESS")
