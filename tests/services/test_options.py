"""What a client may set about a job: when it runs, how often it is tried, how long it is kept and the names of its
files.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs import backlog, cancel, lease
from shared.jobs.finish import Failure, fail
from shared.jobs.viewer import Viewer
from shared.runtime.metrics.common import JOB_SECONDS
from tests.support.api_app import an_app, problem
from tests.support.jobs import count, row, started
from tests.support.promises import broken

DAY_S = 86_400


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, **options: Any) -> dict[str, Any]:
    """Submit the calendar and return the job as it can be looked at."""
    answer = client.post("/v1/jobs", json={"reportType": "calendar", **options})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = client.get(answer.json()["links"]["self"]).json()
    return job


def soon(**more: float) -> str:
    return (datetime.now(UTC) + timedelta(**more)).isoformat()


def moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def wrong(client: TestClient, conn: Connection, **options: Any) -> dict[str, str]:
    """What is wrong with the options, by field. Nothing is written."""
    told = problem(client.post("/v1/jobs", json={"reportType": "calendar", **options}), 422, "invalid_request")
    assert count(conn, "jobs") == count(conn, "outbox") == count(conn, "outbox_retry") == 0
    return {v["field"]: v["message"] for v in told["violations"]}


def test_a_job_without_options_is_as_it_was(client: TestClient, conn: Connection) -> None:
    job = ask(client)
    found = row(conn, UUID(job["jobId"]))

    assert (found.scheduled_for, found.file_name, found.options) == (None, None, None)
    assert (job["runAt"], job["nextAttemptAt"], job["fileName"], job["done"]) == (None, None, None, False)
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (30 * DAY_S, 90 * DAY_S)
    assert (count(conn, "outbox"), count(conn, "outbox_retry")) == (1, 0)


def test_a_job_that_is_to_run_later_waits_and_says_so(client: TestClient, conn: Connection) -> None:
    run_at = soon(hours=5)
    job = ask(client, runAt=run_at)
    job_id = UUID(job["jobId"])

    assert moment(job["runAt"]) == moment(job["nextAttemptAt"]) == moment(run_at)
    assert moment(job["deadlineAt"]) - moment(run_at) == timedelta(seconds=DAY_S)
    assert count(conn, "outbox") == 0
    bell = conn.execute(text("SELECT due_at, payload, group_key FROM outbox_retry")).one()
    assert (bell.due_at, str(job_id) in bell.payload, bell.group_key) == (moment(run_at), True, "default")
    assert lease.start(conn, [job_id], worker="w", lease_s=60).not_due == {job_id}
    assert broken(conn, at_rest=False) == {}


def test_a_job_that_is_to_run_later_is_not_late(client: TestClient, conn: Connection) -> None:
    job_id = ask(client, runAt=soon(hours=5))["jobId"]
    conn.execute(text("UPDATE jobs SET created_at = created_at - interval '1 day'"))
    measured = backlog.measure(conn, late_after_s=60)
    assert (measured.waiting, measured.delayed, measured.late) == (0, 1, 0)

    conn.execute(text("UPDATE jobs SET run_at = now() - interval '2 min', scheduled_for = now() - interval '2 min'"))
    assert backlog.measure(conn, late_after_s=60).late == 1
    assert 100 < started(conn, UUID(job_id)).seconds_since_accepted < 1000


def test_a_job_that_was_to_run_later_has_waited_from_then_on(client: TestClient, conn: Connection) -> None:
    waits, runs = (ask(client, runAt=soon(hours=5))["jobId"] for _ in range(2))
    conn.execute(text("UPDATE jobs SET created_at = created_at - interval '1 day'"))
    before = JOB_SECONDS.labels("cancelled")._sum.get()
    client.post(f"/v1/jobs/{waits}:cancel")
    assert JOB_SECONDS.labels("cancelled")._sum.get() == before, "its time had not begun"

    conn.execute(text("UPDATE jobs SET run_at = now() - interval '90 s', scheduled_for = now() - interval '90 s' "
                      "WHERE status = 'PENDING'"))  # fmt: skip
    started(conn, UUID(runs))
    assert '<td data-label="Waited" class="n">1 min 30 s</td>' in client.get("/console/jobs").text


def test_a_moment_that_has_passed_is_now(client: TestClient, conn: Connection) -> None:
    job = ask(client, runAt="2001-01-01T00:00:00Z")
    assert job["runAt"] is None
    assert count(conn, "outbox") == 1
    started(conn, UUID(job["jobId"]))


def test_two_jobs_of_one_commit_ring_each_at_its_time(client: TestClient, conn: Connection) -> None:
    from shared.jobs.submit import submit
    from tests.support.jobs import a_submission

    later = a_submission(run_at=datetime.now(UTC) + timedelta(hours=1))
    assert len(submit(conn, [a_submission(), later])) == 2
    assert (count(conn, "outbox"), count(conn, "outbox_retry")) == (1, 1)
    assert submit(conn, [later])[0].job_id == later.id  # type: ignore[union-attr] # sent twice
    assert (count(conn, "jobs"), count(conn, "outbox_retry")) == (2, 1)


def test_a_deadline_may_be_earlier_than_ours(client: TestClient, conn: Connection) -> None:
    not_after = soon(hours=1)
    job = ask(client, notAfter=not_after)
    assert moment(job["deadlineAt"]) == moment(not_after)
    later = soon(hours=30)
    job = ask(client, runAt=soon(hours=29), notAfter=later)
    assert moment(job["deadlineAt"]) == moment(later)


def test_attempts_and_retention_are_those_asked_for(client: TestClient) -> None:
    job = ask(client, maxAttempts=1, keepFilesSeconds=3600, keepSeconds=2 * DAY_S)
    assert (job["maxAttempts"], job["keepFilesSeconds"], job["keepSeconds"]) == (1, 3600, 2 * DAY_S)
    job = ask(client, keepFilesSeconds=100 * DAY_S)
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (100 * DAY_S, 100 * DAY_S)
    job = ask(client, keepSeconds=DAY_S)
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (DAY_S, DAY_S)


def test_a_name_is_made_of_the_template(client: TestClient, conn: Connection) -> None:
    job = ask(client, fileName="Zahlen {reportType} {date}", runAt=soon(days=3))
    assert job["fileName"] == "Zahlen {reportType} {date}"
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%d")
    assert row(conn, UUID(job["jobId"])).file_name == f"Zahlen calendar {day}"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"runAt": "next day"}, "or a relative date"), ({"runAt": "2026-01-31T09:00:00"}, "must say its offset"),
        ({"runAt": timedelta(days=31)}, "within 30 days"), ({"runAt": 5}, "not 5"),
        ({"notAfter": timedelta(hours=-1)}, "later than now"), ({"notAfter": timedelta(days=2)}, "JOB_DEADLINE_S"),
        ({"maxAttempts": 0}, "from 1 to 3"), ({"maxAttempts": 4}, "from 1 to 3"), ({"maxAttempts": 1.5}, "integer"),
        ({"maxAttempts": True}, "integer"),
        ({"keepFilesSeconds": 59}, "from 60 to"), ({"keepFilesSeconds": 366 * DAY_S}, "from 60 to 31536000"),
        ({"keepSeconds": DAY_S - 1}, "from 86400 to"), ({"keepSeconds": 366 * DAY_S}, "from 86400 to 31536000"),
        ({"fileName": "../x"}, "contains '/'"), ({"fileName": "x" * 121}, "at most 120"), ({"fileName": 3}, "string"),
        ({"fileName": "{jobId}" * 6}, "190 bytes"), ({"fileName": "語" * 64}, "190 bytes"),
        ({"priority": 10}, "from 0 to 9"), ({"priority": -1}, "leave it out for 4"), ({"priority": "9"}, "integer"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_remedy(
    client: TestClient, conn: Connection, options: dict[str, Any], says: str
) -> None:
    # Spelled here: lanes that run tests beside each other must give them the same names.
    spelled = {n: soon(days=v.days, seconds=v.seconds) if isinstance(v, timedelta) else v for n, v in options.items()}
    [(field, message)] = wrong(client, conn, **spelled).items()
    assert field in options
    assert says in message


def test_every_mistake_is_named_at_once(client: TestClient, conn: Connection) -> None:
    found = wrong(client, conn, runAt="x", notAfter="x", maxAttempts=0, keepFilesSeconds=0, fileName="/", formats=["x"])
    assert set(found) == {"runAt", "notAfter", "maxAttempts", "keepFilesSeconds", "fileName", "formats[0]"}
    assert (
        "a job outlives its files"
        in wrong(client, conn, keepFilesSeconds=3 * DAY_S, keepSeconds=2 * DAY_S)["keepSeconds"]
    )
    assert (
        "later than now, and than runAt" in wrong(client, conn, runAt=soon(hours=3), notAfter=soon(hours=2))["notAfter"]
    )
    assert "did you mean 'runAt'" in wrong(client, conn, runat=soon(hours=3))["runat"]


def test_null_is_left_out(client: TestClient, conn: Connection) -> None:
    job = ask(
        client, runAt=None, notAfter=None, maxAttempts=None, keepFilesSeconds=None, keepSeconds=None, fileName=None
    )
    assert row(conn, UUID(job["jobId"])).options is None


def test_the_least_urgent_job_is_not_one_without_a_priority(client: TestClient, conn: Connection) -> None:
    least, usual = ask(client, priority=0), ask(client)

    assert (least["priority"], row(conn, UUID(least["jobId"])).priority) == (0, 0)
    assert (usual["priority"], row(conn, UUID(usual["jobId"])).priority) == (None, None)


def test_a_key_stands_for_its_options_too(client: TestClient, conn: Connection) -> None:
    headers = {"Idempotency-Key": "k"}
    run_at = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0).isoformat()
    given: dict[str, Any] = {"reportType": "calendar", "runAt": run_at, "maxAttempts": 2}
    first = client.post("/v1/jobs", json=given, headers=headers)
    assert first.status_code == 202, first.text
    spelled = {**given, "runAt": run_at.replace("+00:00", "Z"), "maxAttempts": 2.0}
    again = client.post("/v1/jobs", json=spelled, headers=headers)
    assert (again.json()["jobId"], again.headers["idempotent-replayed"]) == (first.json()["jobId"], "true")
    problem(client.post("/v1/jobs", json={**given, "maxAttempts": 1}, headers=headers), 422, "idempotency_key_reused")


def ended(conn: Connection, job_id: str) -> None:
    found = row(conn, UUID(job_id))
    if found.scheduled_for is not None:
        cancel.cancel(conn, UUID(job_id), Viewer("default"))
    else:
        fail(conn, [Failure(started(conn, UUID(job_id)).lease, "boom", "", retryable=False, delay_s=0)])


def test_asking_again_keeps_the_options_that_are_still_possible(client: TestClient, conn: Connection) -> None:
    options = {"maxAttempts": 2, "keepFilesSeconds": 3600, "keepSeconds": 2 * DAY_S, "fileName": "mine"}
    first = ask(client, **options, notAfter=soon(seconds=3))
    ended(conn, first["jobId"])
    conn.execute(text("SET session_replication_role = replica"))  # time passes: what was asked never changes otherwise
    conn.execute(text("""UPDATE jobs SET options = options || '{"notAfter": "2001-01-01T00:00:00Z"}'"""))
    conn.execute(text("RESET session_replication_role"))

    def again(**given: Any) -> dict[str, Any]:
        answer = client.post(f"/v1/jobs/{first['jobId']}:retry", json=given)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = client.get(answer.json()["links"]["self"]).json()
        return job

    new = again()
    assert {name: new[name] for name in options} == options
    assert moment(new["deadlineAt"]) - moment(new["createdAt"]) > timedelta(hours=23)
    changed = again(maxAttempts=1, fileName=None)
    assert (changed["maxAttempts"], changed["fileName"], changed["keepSeconds"]) == (1, None, 2 * DAY_S)


def test_asking_again_keeps_a_moment_that_is_still_to_come(client: TestClient, conn: Connection) -> None:
    run_at = soon(hours=5)
    job_id = ask(client, runAt=run_at)["jobId"]
    ended(conn, job_id)
    new = client.post(f"/v1/jobs/{job_id}:retry").json()["links"]["self"]
    assert moment(client.get(new).json()["runAt"]) == moment(run_at)
    now = client.post(f"/v1/jobs/{job_id}:retry", json={"runAt": None}).json()["links"]["self"]
    assert client.get(now).json()["runAt"] is None
