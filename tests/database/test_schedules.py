"""A tick is one job, however many processes look, die, or miss ticks."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.actions.schedule_dues import next_of_changed
from services.relay.schedules import Schedules
from shared.access import api_keys
from shared.access.api_keys import NewKey
from shared.access.scopes import USUAL
from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.model import ReportType
from shared.database.engine import create_engine, transactional
from shared.jobs import queue_caps
from shared.jobs.finish import Failure, fail
from shared.schedules import due, from_files, store
from shared.schedules.schedule import Misfire, Overlap, Owner, Reason
from shared.schedules.submission import submission_of
from tests.support.jobs import started
from tests.support.postgres import fill
from tests.support.postgres.roles import service_urls
from tests.support.promises import broken
from tests.support.schedules import a_schedule, hours_pass, jobs_of, schedule, ticks


@pytest.fixture
def relay(database_url: str) -> Iterator[Schedules]:
    """A relay's share, with the rights of a relay and the built-in catalog."""
    engine = create_engine(service_urls(database_url)["relay"], application_name="test-relay", pool_size=2)
    yield Schedules(engine, load_catalog(BUILTIN))
    engine.dispose()


def a_key(conn: Connection, *, scopes: tuple[str, ...] = ("jobs:create",), tenant: str = "acme", **new: object) -> str:
    """The id of a key."""
    made = api_keys.make_key(conn, tenant, NewKey("ann", scopes, **new))  # type: ignore[arg-type]
    assert made is not None
    return made.key.id


def unless(schedule_id: UUID) -> Callable[..., object]:
    """As `submission_of`, which has a bug that only this schedule meets."""

    def tried(one: due.Due, types: Mapping[str, ReportType]) -> object:
        if one.schedule.id == schedule_id:
            raise ZeroDivisionError
        return submission_of(one, types)

    return tried


def end(conn: Connection, job_id: UUID) -> None:
    """A worker takes the job, and fails."""
    fail(conn, [Failure(started(conn, job_id).lease, "internal_error", "it broke", retryable=False, delay_s=0)])


def test_a_due_schedule_is_one_job_and_its_next_tick_in_one_commit(
    conn: Connection, engine: Engine, relay: Schedules
) -> None:
    schedule_id = a_schedule(conn, labels={"team": "sales"})
    first = schedule(conn, schedule_id).next_tick
    assert relay.run_once() == 1
    [job] = jobs_of(conn, schedule_id)
    now = schedule(conn, schedule_id)
    assert (job.status, job.report_type, job.formats, job.labels) == ("PENDING", "calendar", ["csv"], {"team": "sales"})
    assert now.next_tick == first + timedelta(hours=1)
    assert now.last_job_id == job.id
    [tick] = ticks(conn, schedule_id)
    assert (tick.tick, tick.cause, tick.fate, tick.job_id) == (first, "due", "submitted", job.id)
    assert relay.run_once() == 0
    assert not broken(conn, at_rest=False)


def test_any_number_of_relays_make_one_job_of_each_tick(conn: Connection, engine: Engine) -> None:
    made = [a_schedule(conn, tenant=f"t{n % 7}") for n in range(60)]
    meet = threading.Barrier(4)

    def work() -> None:
        relay = Schedules(engine, load_catalog(BUILTIN))
        meet.wait(30)
        while relay.run_once():
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # What one relay had in its hands the others left out: a look afterwards finds nothing due.
    assert not due.any_due(conn)
    assert [len(jobs_of(conn, one)) for one in made] == [1] * 60


def test_a_tick_that_has_a_job_gets_no_second_one_when_the_clock_goes_back(
    conn: Connection, engine: Engine, relay: Schedules
) -> None:
    schedule_id = a_schedule(conn)
    first = schedule(conn, schedule_id).next_tick
    relay.run_once()
    conn.execute(text("UPDATE schedules SET next_tick = :t, due_at = :t"), {"t": first})
    relay.run_once()
    assert len(jobs_of(conn, schedule_id)) == 1
    assert schedule(conn, schedule_id).last_job_id == jobs_of(conn, schedule_id)[0].id


@pytest.mark.parametrize(
    ("misfire", "most", "jobs", "skipped"),
    [(Misfire.RUN_ONCE, 1, 1, 1), (Misfire.RUN_ALL, 3, 3, 1), (Misfire.SKIP, 1, 0, 1)],
)
def test_a_relay_that_was_away_for_a_week_does_what_the_policy_says(
    conn: Connection, relay: Schedules, misfire: Misfire, most: int, jobs: int, skipped: int
) -> None:
    schedule_id = a_schedule(
        conn, first=timedelta(days=-7, minutes=-30), misfire=misfire, misfire_most=most, overlap=Overlap.QUEUE
    )
    while relay.run_once():
        pass
    history = ticks(conn, schedule_id)
    assert len(jobs_of(conn, schedule_id)) == jobs
    assert [tick.reason for tick in history if tick.fate == "skipped"] == ["missed"] * skipped
    let_go = next(tick for tick in history if tick.fate == "skipped")
    assert (let_go.tick - let_go.since) == timedelta(hours=168 - jobs)
    assert schedule(conn, schedule_id).next_tick > schedule(conn, schedule_id).updated_at


def test_a_tick_is_skipped_while_the_job_before_goes_on_and_runs_once_it_has_ended(
    conn: Connection, relay: Schedules
) -> None:
    schedule_id = a_schedule(conn, overlap=Overlap.SKIP)
    relay.run_once()
    hours_pass(conn, schedule_id, 1)
    relay.run_once()
    assert [(t.fate, t.reason) for t in ticks(conn, schedule_id)] == [("submitted", None), ("skipped", "overlap")]
    end(conn, jobs_of(conn, schedule_id)[0].id)
    hours_pass(conn, schedule_id, 1)
    relay.run_once()
    assert len(jobs_of(conn, schedule_id)) == 2


def test_a_tick_cancels_the_job_before_where_the_schedule_says_so(conn: Connection, relay: Schedules) -> None:
    schedule_id = a_schedule(conn, overlap=Overlap.CANCEL)
    relay.run_once()
    hours_pass(conn, schedule_id, 1)
    relay.run_once()
    assert [job.status for job in jobs_of(conn, schedule_id)] == ["CANCELLED", "PENDING"]


def test_a_schedule_acts_with_the_scopes_that_its_owners_key_has_now(conn: Connection, relay: Schedules) -> None:
    key_id = a_key(conn)
    schedule_id = a_schedule(conn, owner=Owner("ann", key_id, None))
    conn.execute(text("UPDATE api_keys SET scopes = '{jobs:read}'"))
    relay.run_once()
    assert jobs_of(conn, schedule_id) == []
    assert schedule(conn, schedule_id).stop_reason == Reason.OWNER_LACKS_SCOPE
    assert ticks(conn, schedule_id)[0].detail == "the scope jobs:create is missing"


def test_a_schedule_stops_when_its_owners_key_is_revoked_and_says_why(conn: Connection, relay: Schedules) -> None:
    key_id = a_key(conn)
    schedule_id = a_schedule(conn, owner=Owner("ann", key_id, None))
    api_keys.revoke_key(conn, "acme", key_id)
    relay.run_once()
    stopped = schedule(conn, schedule_id)
    assert (stopped.stop_reason, stopped.next_tick, stopped.due_at) == ("owner_gone", None, None)
    assert stopped.version == 2
    assert [(t.fate, t.reason) for t in ticks(conn, schedule_id)] == [("failed", "owner_gone")]
    assert relay.run_once() == 0


def test_a_schedule_follows_its_owners_key_when_it_is_rotated(conn: Connection, relay: Schedules) -> None:
    old = a_key(conn)
    schedule_id = a_schedule(conn, owner=Owner("ann", old, None))
    new = a_key(conn, replaces=old)
    api_keys.end_after(conn, "acme", old, 0)
    relay.run_once()
    [job] = jobs_of(conn, schedule_id)
    assert job.requester == "ann"
    assert schedule(conn, schedule_id).owner_key == new


def test_a_schedule_acts_with_a_tokens_scopes_for_as_long_as_was_said_and_no_longer(
    conn: Connection, relay: Schedules
) -> None:
    now = store.now(conn)
    over = a_schedule(conn, owner=Owner("ann", None, [*USUAL], now))
    going_on = a_schedule(conn, owner=Owner("ann", None, [*USUAL], now + timedelta(hours=1)))
    relay.run_once()
    assert (len(jobs_of(conn, over)), len(jobs_of(conn, going_on))) == (0, 1)
    assert schedule(conn, over).stop_reason == "grant_over"
    assert [(t.fate, t.reason) for t in ticks(conn, over)] == [("failed", "grant_over")]


def test_another_tenants_key_is_no_owner(conn: Connection, relay: Schedules) -> None:
    key_id = a_key(conn, tenant="globex")
    schedule_id = a_schedule(conn, owner=Owner("ann", key_id, None))
    relay.run_once()
    assert schedule(conn, schedule_id).stop_reason == "owner_gone"


def test_a_report_type_that_this_relay_does_not_know_yet_is_looked_for_again_before_the_schedule_stops(
    conn: Connection, relay: Schedules
) -> None:
    schedule_id = a_schedule(conn, report_type="brand-new")
    first = schedule(conn, schedule_id).next_tick
    relay.run_once()
    waits = schedule(conn, schedule_id)
    assert (waits.next_tick, waits.stop_reason) == (first, None)
    assert waits.due_at > first
    assert ticks(conn, schedule_id) == []
    hours_pass(conn, schedule_id, 0.5)
    relay.run_once()
    assert schedule(conn, schedule_id).stop_reason == "report_type_gone"


def test_a_zone_that_this_relay_does_not_know_keeps_nobody_else_waiting_and_stops_its_schedule_in_the_end(
    conn: Connection, relay: Schedules
) -> None:
    """A machine's time zone database may be older than the one of the API that took the schedule."""
    strange, other = a_schedule(conn), a_schedule(conn, tenant="globex")
    cron = "UPDATE schedules SET zone = 'Mars/Olympus', cron = '0 7 * * *', every_s = NULL WHERE id = :id"
    conn.execute(text(cron), {"id": strange})
    first = schedule(conn, strange).next_tick
    assert relay.run_once() == 2
    assert (len(jobs_of(conn, other)), jobs_of(conn, strange)) == (1, [])
    waits = schedule(conn, strange)
    assert (waits.next_tick, waits.stop_reason, ticks(conn, strange)) == (first, None, [])

    hours_pass(conn, strange, 0.5)
    relay.run_once()
    assert schedule(conn, strange).stop_reason == "parameters_wrong"
    assert "'Mars/Olympus' is not a time zone" in ticks(conn, strange)[0].detail


def test_a_schedule_with_terms_of_a_newer_release_is_left_to_its_relays_and_keeps_nobody_else_waiting(
    conn: Connection, relay: Schedules
) -> None:
    newer, other = a_schedule(conn), a_schedule(conn)
    asked = store.get(conn, newer, "acme", owner=None)
    assert asked is not None
    due.ask_for(conn, asked, [store.now(conn) - timedelta(days=1)])
    conn.execute(text("""UPDATE schedules SET terms = terms || '{"room": "blue"}' WHERE id = :id"""), {"id": newer})

    assert relay.run_once() == 1
    assert (len(jobs_of(conn, other)), jobs_of(conn, newer)) == (1, [])
    assert [tick.fate for tick in ticks(conn, newer)] == ["waiting"]
    assert due.oldest_due_s(conn) > 0, "an alert tells of it"


@pytest.mark.parametrize("cause", ["due", "backfill"])
def test_whatever_is_wrong_with_a_schedule_keeps_no_other_from_its_job(
    conn: Connection, relay: Schedules, caplog: pytest.LogCaptureFixture, cause: str
) -> None:
    far, near = timedelta(hours=1), timedelta(seconds=-1)
    broken_one, other = (a_schedule(conn, tenant=t, first=near if cause == "due" else far) for t in ("acme", "globex"))
    if cause == "backfill":
        for one in (broken_one, other):
            asked = store.get(conn, one, schedule(conn, one).tenant, owner=None)
            assert asked is not None
            due.ask_for(conn, asked, [store.now(conn) - far])
    with mock.patch("services.relay.schedules.submission_of", side_effect=unless(broken_one)):
        assert relay.run_once() == 2

    assert (len(jobs_of(conn, other)), jobs_of(conn, broken_one)) == (1, [])
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["schedule.broken"]
    told = [(tick.fate, tick.detail) for tick in ticks(conn, broken_one)]
    assert told == ([] if cause == "due" else [("failed", "The relay met an unexpected error.")])
    assert relay.run_once() == 0


def test_what_nobody_foresaw_is_looked_at_ever_more_rarely_and_told_once_for_as_long_as_it_is_the_same(
    conn: Connection, relay: Schedules, caplog: pytest.LogCaptureFixture
) -> None:
    schedule_id = a_schedule(conn, every_s=86_400)
    pauses, since = [], set()

    def look(error: str) -> Any:
        conn.execute(text("UPDATE schedules SET due_at = next_tick"))
        with mock.patch("services.relay.schedules.submission_of", side_effect=KeyError(error)):
            assert relay.run_once() == 1
        found = schedule(conn, schedule_id)
        pauses.append((found.due_at - store.now(conn)).total_seconds())
        since.add(found.failing_since)
        conn.execute(text("UPDATE schedules SET failing_since = failing_since - interval '10 min'"))
        return found

    first = look("a")
    assert (first.failing_because, first.next_tick) == ("KeyError: 'a'", schedule(conn, schedule_id).next_tick)
    for _ in range(8):
        look("a")
    look("b")

    told = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["schedule.broken"] * 2
    expected = [30, 600, 1200, 1800, 2400, 3000, *[3600] * 4]
    assert [round(one / 30) * 30 for one in pauses] == expected
    assert due.failing(conn) == 1

    conn.execute(text("UPDATE schedules SET due_at = next_tick"))
    relay.run_once()
    well = schedule(conn, schedule_id)
    assert (well.failing_since, well.failing_because, len(jobs_of(conn, schedule_id))) == (None, None, 1)
    assert due.failing(conn) == 0


@pytest.mark.parametrize("does", ["pause", "replace", "file_gone"])
def test_a_change_ends_what_was_wrong_with_a_schedule_and_has_it_looked_at_at_once(
    conn: Connection, relay: Schedules, does: str
) -> None:
    schedule_id = a_schedule(conn)
    with mock.patch("services.relay.schedules.submission_of", side_effect=KeyError):
        relay.run_once()
    conn.execute(text("UPDATE schedules SET due_at = due_at + interval '1 h'"))
    old = store.get(conn, schedule_id, "acme", owner=None)
    assert old is not None
    if does == "pause":
        store.pause(conn, schedule_id, "acme", by=None, note="")
    elif does == "replace":
        store.replace(
            conn, schedule_id, "acme", old.wanted, old.owner, next_of_changed(conn, old, old.wanted, store.now(conn))
        )
    else:
        conn.execute(text("UPDATE schedules SET file = 'a', file_digest = 'x', file_seen_at = now()"))
        from_files.stop(conn, schedule_id)

    assert schedule(conn, schedule_id).failing_since is None
    assert relay.run_once() == (1 if does == "replace" else 0)


def test_parameters_that_the_report_type_takes_no_more_stop_the_schedule_and_are_named(
    conn: Connection, relay: Schedules
) -> None:
    schedule_id = a_schedule(conn, parameters={"from": "2026-01-01", "until": "2026-01-31"})
    relay.run_once()
    assert schedule(conn, schedule_id).stop_reason == "parameters_wrong"
    assert "parameters.until" in ticks(conn, schedule_id)[0].detail


def test_the_last_tick_ends_a_schedule(conn: Connection, relay: Schedules) -> None:
    schedule_id = a_schedule(conn)
    conn.execute(text("UPDATE schedules SET until = next_tick"))
    relay.run_once()
    assert len(jobs_of(conn, schedule_id)) == 1
    assert schedule(conn, schedule_id).stop_reason == "no_ticks_left"


def test_who_has_one_due_schedule_does_not_wait_behind_who_has_thousands(conn: Connection, relay: Schedules) -> None:
    a_schedule(conn, tenant="flood", first=timedelta(minutes=-50))
    conn.execute(
        text("""
            INSERT INTO schedules (id, tenant, name, report_type, parameters, formats, terms, every_s, zone, jitter_s,
                                   misfire, misfire_most, overlap, begins_at, next_tick, due_at)
            SELECT gen_random_uuid(), tenant, name, report_type, parameters, formats, terms, every_s, zone, jitter_s,
                   misfire, misfire_most, overlap, begins_at, next_tick, due_at FROM schedules, generate_series(1, 999)
        """)
    )
    for n in range(30):
        fill.schedules(conn, 20, tenant=f"tenant-{n}", due_in_s=-5)
    one = a_schedule(conn, tenant="z-quiet")
    relay.run_once()
    assert len(jobs_of(conn, one)) == 1


def test_a_tick_that_somebody_asked_for_runs_while_the_schedule_is_paused(conn: Connection, relay: Schedules) -> None:
    schedule_id = a_schedule(conn)
    conn.execute(text("UPDATE schedules SET paused_at = now(), next_tick = NULL, due_at = NULL"))
    conn.execute(
        text("""
            INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate)
            SELECT id, tenant, begins_at - interval '1 day', 'backfill', 'waiting' FROM schedules
        """)
    )
    assert relay.run_once() == 1
    [tick] = ticks(conn, schedule_id)
    assert (tick.cause, tick.fate) == ("backfill", "submitted")
    assert [job.id for job in jobs_of(conn, schedule_id)] == [tick.job_id]
    assert relay.run_once() == 0


def test_a_relay_that_dies_before_its_commit_has_done_nothing(conn: Connection, engine: Engine) -> None:
    schedule_id = a_schedule(conn)
    before = schedule(conn, schedule_id)
    with transactional(engine).connect() as dying:
        [found] = due.due(dying, most=10)
        assert found.schedule.id == schedule_id
        assert due.due(conn, most=10) == []  # another relay leaves it out
        dying.rollback()
    assert schedule(conn, schedule_id) == before


def test_a_tick_waits_for_room_where_the_queue_is_capped(conn: Connection, relay: Schedules) -> None:
    queue_caps.set_queue_cap(conn, "acme", 2)
    made = [a_schedule(conn) for _ in range(3)]
    relay.run_once()
    with_jobs = [one for one in made if jobs_of(conn, one)]
    assert len(with_jobs) == 2
    [waits] = set(made) - set(with_jobs)
    assert ticks(conn, waits) == []
    end(conn, jobs_of(conn, with_jobs[0])[0].id)
    hours_pass(conn, waits, 0.01)
    relay.run_once()
    assert len(jobs_of(conn, waits)) == 1
