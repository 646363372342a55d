"""What happens to a due tick, or to a job, while its schedule is changed, paused, resumed or run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.schedules import Schedules
from shared.catalog.load import BUILTIN, load_catalog
from tests.support.api_app import an_app, problem
from tests.support.jobs import count
from tests.support.promises import broken
from tests.support.schedules import hours_pass, jobs_of, schedule, ticks

HOURLY: dict[str, Any] = {"name": "Calendar", "reportType": "calendar", "everySeconds": 3600}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def relay(engine: Engine) -> Schedules:
    return Schedules(engine, load_catalog(BUILTIN))


def made(client: TestClient, **changes: Any) -> tuple[str, UUID]:
    """The path and the id of a new schedule."""
    answer = client.post("/v1/schedules", json={**HOURLY, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()["links"]["self"], UUID(answer.json()["scheduleId"])


def fates(conn: Connection, schedule_id: UUID) -> list[tuple[str, str | None]]:
    return [(one.fate, one.reason) for one in ticks(conn, schedule_id)]


def it_is_as_old(conn: Connection, schedule_id: UUID, hours: float) -> None:
    """As `hours_pass`; what was written of it is older, too."""
    hours_pass(conn, schedule_id, hours)
    older = ", ".join(f"{at} = {at} - make_interval(secs => :s)" for at in ("updated_at", "paused_at", "stopped_at"))
    conn.execute(text(f"UPDATE schedules SET {older} WHERE id = :id"), {"id": schedule_id, "s": hours * 3600})


@pytest.mark.parametrize("overlap", ["skip", "cancel"])
def test_a_tick_overlaps_with_the_job_of_the_last_due_one_and_with_no_other(
    client: TestClient, conn: Connection, relay: Schedules, overlap: str
) -> None:
    own, schedule_id = made(client, overlap=overlap)
    it_is_as_old(conn, schedule_id, 1)
    relay.run_once()
    asked_for = client.post(f"{own}:run").json()["links"]["self"]
    assert client.post(f"{asked_for}:cancel").status_code == 200
    it_is_as_old(conn, schedule_id, 1)
    relay.run_once()
    jobs = {job.id: job.status for job in jobs_of(conn, schedule_id)}
    first = next(one.job_id for one in ticks(conn, schedule_id) if one.cause == "due")
    if overlap == "skip":
        assert fates(conn, schedule_id)[-1] == ("skipped", "overlap")
    else:
        assert (len(jobs), jobs.pop(first), sorted(jobs.values())) == (3, "CANCELLED", ["CANCELLED", "PENDING"])


def test_a_job_that_somebody_asked_for_holds_up_no_due_tick(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    own, schedule_id = made(client)
    client.post(f"{own}:run")
    it_is_as_old(conn, schedule_id, 1)
    relay.run_once()
    assert fates(conn, schedule_id).count(("submitted", None)) == 2


def test_a_new_timing_keeps_the_due_ticks_that_it_names_and_tells_of_the_others(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    own, schedule_id = made(client)
    it_is_as_old(conn, schedule_id, 3)
    first = schedule(conn, schedule_id).next_tick
    assert client.patch(own, json={"everySeconds": 4000}).status_code == 200
    assert fates(conn, schedule_id) == [("skipped", "timing_changed")]
    assert [one.since for one in ticks(conn, schedule_id)] == [first]
    assert relay.run_once() == 0
    own, schedule_id = made(client)
    it_is_as_old(conn, schedule_id, 1)
    first = schedule(conn, schedule_id).next_tick
    assert client.patch(own, json={"jitterSeconds": 1, "everySeconds": 1800}).status_code == 200
    assert schedule(conn, schedule_id).next_tick == first
    hours_pass(conn, schedule_id, 0.01)
    relay.run_once()
    assert fates(conn, schedule_id) == [("submitted", None)]


def test_resuming_what_goes_on_drops_no_due_tick(client: TestClient, conn: Connection, relay: Schedules) -> None:
    own, schedule_id = made(client)
    it_is_as_old(conn, schedule_id, 1)
    assert client.post(f"{own}:resume").status_code == 200
    relay.run_once()
    assert fates(conn, schedule_id) == [("submitted", None)]


def test_ticks_that_go_by_while_it_is_paused_or_stopped_are_told_of(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    own, schedule_id = made(client)
    it_is_as_old(conn, schedule_id, 1)
    due = schedule(conn, schedule_id).next_tick
    client.post(f"{own}:pause", json={})
    assert [(one.tick, one.since) for one in ticks(conn, schedule_id)] == [(due, None)]
    it_is_as_old(conn, schedule_id, 2)
    client.patch(own, json={"name": "Other"})
    it_is_as_old(conn, schedule_id, 2)
    client.post(f"{own}:resume")
    lines = ticks(conn, schedule_id)
    assert fates(conn, schedule_id) == [("skipped", "paused")] * 3
    assert [(one.tick - (one.since or one.tick)).total_seconds() for one in lines] == [0, 3600, 3600]
    conn.execute(text("UPDATE schedules SET parameters = '{}', report_type = 'gone'"))
    it_is_as_old(conn, schedule_id, 1.5)
    relay.run_once()
    conn.execute(text("UPDATE schedules SET report_type = 'calendar'"))
    it_is_as_old(conn, schedule_id, 2)
    client.post(f"{own}:resume")
    assert fates(conn, schedule_id)[3:] == [("failed", "report_type_gone"), ("skipped", "stopped")]
    assert broken(conn, at_rest=False) == {}


def test_the_ticks_that_were_let_go_with_one_that_is_backfilled_keep_their_line(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    own, schedule_id = made(client)
    it_is_as_old(conn, schedule_id, 3)
    relay.run_once()
    [let_go, _] = ticks(conn, schedule_id)
    begin, end = let_go.tick.isoformat(), schedule(conn, schedule_id).last_tick.isoformat()
    assert client.post(f"{own}:backfill", json={"from": begin, "to": end}).json()["ticks"] == 1
    while relay.run_once():
        pass
    [filled, _] = ticks(conn, schedule_id)
    assert (filled.fate, filled.tick, filled.since) == ("submitted", let_go.tick, let_go.since)


def test_one_key_runs_a_schedule_once(client: TestClient, conn: Connection) -> None:
    own, _ = made(client)
    key = {"Idempotency-Key": "now"}
    first, second = (client.post(f"{own}:run", headers=key) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (202, 202, first.json())
    assert [one.headers.get("idempotent-replayed") for one in (first, second)] == [None, "true"]
    other, _ = made(client)
    problem(client.post(f"{other}:run", headers=key), 422, "idempotency_key_reused")
    assert (count(conn, "jobs"), count(conn, "schedule_ticks")) == (1, 1)
    assert client.post(f"{own}:run").json() != first.json()
