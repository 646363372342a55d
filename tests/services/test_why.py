"""`GET /v1/jobs/{id}/why`: what holds a job up, in words and for machines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.v1.why import WhyView
from shared.access import api_keys
from shared.jobs import caps, held, pauses, why
from shared.jobs.cancel import cancel
from shared.jobs.finish import Failure, fail
from shared.jobs.gates import Gate, Kind, tell_sources
from shared.jobs.viewer import Viewer
from tests.services.test_presence import a_worker, silence
from tests.support.api_app import an_app, finished, problem
from tests.support.jobs import a_job, expire_lease, started
from tests.support.postgres.roles import service_urls


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    """With the API's own rights."""
    with TestClient(an_app(service_urls(database_url)["api"], scratch), raise_server_exceptions=False) as client:
        yield client


def _sent(conn: Connection) -> None:
    conn.execute(text("DELETE FROM outbox"))


def _asked(client: TestClient, job_id: UUID) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/jobs/{job_id}/why")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    WhyView.model_validate(body)
    assert body["jobId"] == str(job_id)
    reasons: list[dict[str, Any]] = body["reasons"]
    assert all(reason["message"].endswith(".") for reason in reasons)
    return reasons


def codes(client: TestClient, job_id: UUID) -> list[str]:
    return [reason["code"] for reason in _asked(client, job_id)]


def mine(conn: Connection, **changes: Any) -> UUID:
    return a_job(conn, **{"tenant": "default", **changes})


def test_a_job_that_nothing_holds_is_on_its_way(client: TestClient, conn: Connection) -> None:
    a_worker(conn)
    job_id = mine(conn)
    _sent(conn)

    assert codes(client, job_id) == ["on_its_way", "deadline"]


def test_without_a_worker_it_says_when_one_was_seen_last(client: TestClient, conn: Connection) -> None:
    job_id = mine(conn)
    assert "none has ever been seen" in _asked(client, job_id)[0]["message"]
    a_worker(conn)
    silence(conn, "10 minutes")

    [no_worker, *others] = _asked(client, job_id)
    assert no_worker["code"] == "no_worker"
    assert no_worker["lastSeenAt"]
    assert [reason["code"] for reason in others] == ["deadline"]


def test_workers_that_take_no_jobs_say_why(client: TestClient, conn: Connection) -> None:
    a_worker(conn, sick="scratch_full")

    [unfit, _] = _asked(client, mine(conn))
    assert (unfit["code"], unfit["causes"], unfit["workers"]) == ("workers_unfit", ["scratch_full"], 1)


def test_a_type_that_no_worker_knows_is_named(client: TestClient, conn: Connection) -> None:
    a_worker(conn)

    [unknown, _] = _asked(client, mine(conn, report_type="newest"))
    assert (unknown["code"], unknown["reportType"]) == ("report_type_unknown_to_workers", "newest")


def test_busy_workers_and_jobs_of_the_own_tenant_that_came_before(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_worker(conn, holding=4)
    before = [mine(conn) for _ in range(3)]
    a_job(conn, tenant="other")
    started(conn, before[0])
    job_id = mine(conn)
    mine(conn)
    _sent(conn)

    [busy, behind, _] = _asked(client, job_id)
    assert (busy["code"], busy["slots"], busy["busy"]) == ("workers_busy", 4, 4)
    assert (behind["code"], behind["ahead"], behind["atLeast"]) == ("behind_others", 2, False)
    monkeypatch.setattr(why, "MOST_COUNTED", 2)
    monkeypatch.setattr("services.api.actions.why.MOST_COUNTED", 2)
    assert "at least 2 jobs" in _asked(client, job_id)[1]["message"]


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Gate(Kind.TENANT, "default"), "Your tenant is paused: it moves"),
        (Gate(Kind.REPORT_TYPE, "calendar"), "The report type is paused: it moves"),
        (Gate(Kind.SOURCE, "warehouse"), "What the report reads is paused: it moves"),
    ],
    ids=str,
)
def test_what_is_paused_says_why_and_that_its_deadline_stands_still(
    client: TestClient, conn: Connection, gate: Gate, words: str
) -> None:
    a_worker(conn)
    tell_sources(conn, {"calendar": "warehouse"})
    pauses.pause(conn, gate, reason="it moves.", by="ann")
    job_id, other = mine(conn), mine(conn, report_type="other")
    _sent(conn)

    [paused, stands_still] = _asked(client, job_id)
    assert (paused["code"], paused["message"], paused["kind"]) == ("paused", f"{words}.", gate.kind)
    assert stands_still["code"] == "deadline_stands_still"
    assert ("paused" in codes(client, other)) == (gate.kind == "tenant")


def test_a_full_cap_and_a_doorbell_that_waits_for_its_turn(client: TestClient, conn: Connection) -> None:
    a_worker(conn)
    caps.set_cap(conn, Gate(Kind.REPORT_TYPE, "calendar"), 1)
    job_id = mine(conn)
    held.hold(conn, {job_id: None})
    _sent(conn)
    assert codes(client, job_id) == ["waits_for_its_turn", "deadline"]
    conn.execute(text("UPDATE slots SET job_id = :id, lease_token = :token"), taken(conn))

    [full, _] = _asked(client, job_id)
    assert (full["code"], full["most"]) == ("cap_full", 1)


def taken(conn: Connection) -> dict[str, UUID]:
    """A job that runs."""
    lease = started(conn, a_job(conn, report_type="other")).lease
    return {"id": lease.job_id, "token": lease.token}


def test_a_job_that_is_not_due(client: TestClient, conn: Connection) -> None:
    a_worker(conn)
    job_id = mine(conn)
    conn.execute(text("UPDATE jobs SET run_at = clock_timestamp() + interval '1 h'"))

    [not_due, _] = _asked(client, job_id)
    assert (not_due["code"], bool(not_due["dueAt"])) == ("not_due", True)


def test_a_retry_says_what_the_last_attempt_met(client: TestClient, conn: Connection) -> None:
    a_worker(conn)
    job_id = mine(conn)
    fail(conn, [Failure(started(conn, job_id).lease, "boom", "it broke", retryable=True, delay_s=600)])

    [retry, _] = _asked(client, job_id)
    assert (retry["code"], retry["error"], retry["attempt"]) == ("retry_after_error", "boom", 1)


def test_a_held_job_says_until_when_and_names_no_worker(client: TestClient, conn: Connection) -> None:
    job_id = mine(conn)
    started(conn, job_id, worker="host-7:4711")

    [running, _] = _asked(client, job_id)
    assert (running["code"], running["attempt"], bool(running["leaseUntil"])) == ("running", 1, True)
    assert "host-7" not in str(running)
    assert cancel(conn, job_id, Viewer("default")) == "requested"
    assert codes(client, job_id) == ["cancel_requested", "running", "deadline"]
    expire_lease(conn, job_id)
    assert codes(client, job_id) == ["cancel_requested", "worker_silent", "deadline"]


def test_an_ended_job_says_how(client: TestClient, conn: Connection, scratch: Path) -> None:
    done, failed = mine(conn), mine(conn)
    finished(conn, str(done), scratch)
    fail(conn, [Failure(started(conn, failed).lease, "boom", "it broke", retryable=False, delay_s=0)])

    [ended] = _asked(client, done)
    assert (ended["code"], ended["error"]) == ("ended", None)
    [ended] = _asked(client, failed)
    assert (ended["code"], ended["error"]) == ("ended", "boom")


def test_messages_that_do_not_leave_are_told(client: TestClient, conn: Connection) -> None:
    a_worker(conn)
    job_id = mine(conn)
    conn.execute(text("UPDATE outbox SET created_at = created_at - interval '40 s'"))

    [late, _] = _asked(client, job_id)
    assert late["code"] == "outbox_late"
    assert 39 < late["ageS"] < 600


def test_another_tenants_job_and_another_requesters_are_unknown(
    database_url: str, scratch: Path, conn: Connection
) -> None:
    theirs, bobs = a_job(conn, tenant="other"), a_job(conn, requester="bob")
    with TestClient(an_app(database_url, scratch, API_AUTH="keys")) as client:
        for job_id in (theirs, bobs, uuid4()):
            key = api_keys.create_key(conn, tenant="acme", name="ann", scopes=["jobs:read"])
            answer = client.get(f"/v1/jobs/{job_id}/why", headers={"Authorization": f"Bearer {key}"})
            problem(answer, 404, "unknown_job")
        key = api_keys.create_key(conn, tenant="acme", name="writer", scopes=["jobs:create"])
        answer = client.get(f"/v1/jobs/{bobs}/why", headers={"Authorization": f"Bearer {key}"})
        problem(answer, 403, "insufficient_scope")
