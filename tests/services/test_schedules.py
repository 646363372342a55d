"""Schedules over HTTP: created, previewed, listed, changed, paused, run, backfilled, deleted, and who can see them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.console.texts import texts
from services.relay.schedules import Schedules
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL
from shared.catalog.load import BUILTIN, load_catalog
from shared.jobs.finish import Failure, fail
from tests.support.api_app import an_app, problem
from tests.support.jobs import count, started
from tests.support.promises import broken
from tests.support.schedules import hours_pass, jobs_of, schedule, ticks

WANTED: dict[str, Any] = {
    "name": "Calendar on Mondays", "reportType": "calendar", "cron": "0 7 * * MON", "timeZone": "Asia/Tokyo",
}  # fmt: skip


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch, API_SCHEDULES_EACH="5"), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def keyed(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def relay(engine: Engine) -> Schedules:
    return Schedules(engine, load_catalog(BUILTIN))


def made(client: TestClient, **changes: Any) -> dict[str, Any]:
    answer = client.post("/v1/schedules", json={**WANTED, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def violations(answer: Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["violations"]}


def test_a_schedule_tells_when_it_is_due_in_words_and_by_the_clocks_of_its_zone(client: TestClient) -> None:
    answer = client.post("/v1/schedules", json={**WANTED, "formats": ["xlsx"], "labels": {"team": "sales"}})
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["location"] == found["links"]["self"] == f"/v1/schedules/{found['scheduleId']}"
    assert answer.headers["etag"] == '"1"'
    assert found["words"] == {"en": "at 07:00 on Mondays", "ja": "毎週月曜日の07:00"}
    assert (found["state"], found["misfire"], found["overlap"]) == ("active", "run_once", "skip")
    assert len(found["coming"]) == 5
    for coming in found["coming"]:
        local = datetime.fromisoformat(coming["local"])
        assert (local.weekday(), local.hour, local.utcoffset()) == (0, 7, timedelta(hours=9))
        assert local == datetime.fromisoformat(coming["tick"])
    assert client.get(answer.headers["location"]).json() == found
    assert client.get("/v1/schedules").json()["schedules"] == [found]


def test_a_preview_writes_nothing_and_says_where_clocks_are_changed(client: TestClient, conn: Connection) -> None:
    asked = {**WANTED, "cron": "30 2 29 3 *", "timeZone": "Europe/Berlin"}
    answer = client.post("/v1/schedules:preview", json=asked)
    assert answer.status_code == 200
    remarks = {coming["local"][:10]: coming["remark"] for coming in answer.json()["coming"]}
    # The last Sunday of March, when 02:30 does not exist, is the 29th in some years only.
    assert {day for day, remark in remarks.items() if remark == "moved"} == {
        day for day in remarks if datetime.fromisoformat(day).weekday() == 6
    }
    assert count(conn, "schedules") == 0
    assert count(conn, "audit") == 0


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"name": None}, "name", "is required"),
        ({"name": " "}, "name", "1 to 100 characters"),
        ({"name": "a\nb"}, "name", "one line"),
        ({"cron": None}, "cron", "either cron"),
        ({"everySeconds": 600}, "cron", "either cron"),
        ({"cron": "0 7 * *"}, "cron", "five fields"),
        ({"cron": "0 0 30 2 *"}, "cron", "names a day that never comes"),
        ({"cron": "0 0 1--100000000 * *"}, "cron", "a wrong day of the month"),
        ({"cron": 7}, "cron", "must be a string"),
        ({"cron": None, "everySeconds": 59}, "everySeconds", "from 60 to"),
        ({"cron": None, "everySeconds": True}, "everySeconds", "whole number"),
        ({"timeZone": "Asia/Tokio"}, "timeZone", "did you mean 'Asia/Tokyo'"),
        ({"timeZone": "../etc/passwd"}, "timeZone", "not a time zone"),
        ({"until": "2020-01-01T00:00:00Z"}, "until", "later than the schedule's first time"),
        ({"until": "tomorrow"}, "until", ""),
        ({"jitterSeconds": 3601}, "jitterSeconds", "from 0 to 3600"),
        ({"misfire": "run_none"}, "misfire", "did you mean 'run_once'"),
        ({"misfireMost": 3}, "misfireMost", "run_all"),
        ({"misfire": "run_all", "misfireMost": 101}, "misfireMost", "from 1 to 100"),
        ({"overlap": "cancle"}, "overlap", "did you mean 'cancel'"),
        ({"runAt": "2030-01-01T00:00:00Z"}, "runAt", "is not a field of a schedule"),
        ({"crom": "0 7 * * *"}, "crom", "did you mean 'cron'"),
        ({"parameters": {"form": "2026-01-01"}}, "parameters.form", "did you mean 'from'"),
        ({"formats": ["docx"]}, "formats[0]", "no such format"),
        ({"labels": {"": "x"}}, "labels.", "cannot be a label's name"),
        ({"priority": 11}, "priority", "from 0 to 9"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy_and_nothing_is_written(
    client: TestClient, conn: Connection, changes: dict[str, Any], field: str, told: str
) -> None:
    for path in ("/v1/schedules", "/v1/schedules:preview"):
        assert told in violations(client.post(path, json={**WANTED, **changes}))[field]
    assert count(conn, "schedules") == 0


def test_everything_that_is_wrong_is_told_at_once(client: TestClient) -> None:
    wrong = violations(
        client.post("/v1/schedules", json={"cron": "x", "overlap": "y", "formats": [], "reportType": "calendar"})
    )
    assert set(wrong) == {"name", "cron", "overlap", "formats"}


def test_the_same_request_makes_one_schedule(client: TestClient, conn: Connection) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = client.post("/v1/schedules", json=WANTED, headers=headers)
    second = client.post("/v1/schedules", json=WANTED, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()
    problem(client.post("/v1/schedules", json={**WANTED, "name": "x"}, headers=headers), 422, "idempotency_key_reused")
    assert count(conn, "schedules") == 1


def test_a_tenant_has_a_bounded_number_of_schedules(client: TestClient) -> None:
    for _ in range(5):
        made(client)
    problem(client.post("/v1/schedules", json=WANTED), 409, "too_many_schedules")


def test_what_is_changed_is_changed_and_the_rest_stays(client: TestClient) -> None:
    old = made(client, formats=["csv"], labels={"team": "sales"})
    answer = client.patch(old["links"]["self"], json={"everySeconds": 7200.0, "labels": None})
    assert answer.status_code == 200
    new = answer.json()
    assert (new["cron"], new["everySeconds"], new["labels"], new["formats"]) == (None, 7200, None, ["csv"])
    assert (new["version"], answer.headers["etag"]) == (2, '"2"')
    assert new["words"]["en"] == "every 2 hours"
    stale = client.patch(old["links"]["self"], json={"name": "x"}, headers={"If-Match": '"1"'})
    problem(stale, 412, "precondition_failed")
    assert client.patch(old["links"]["self"], json={"name": "x"}, headers={"If-Match": '"2"'}).status_code == 200
    assert "cron" in violations(client.patch(old["links"]["self"], json={"cron": "never"}))


@pytest.mark.parametrize("timing", [{"cron": None, "everySeconds": 3600}, {}], ids=["every", "cron"])
def test_a_tick_that_is_due_already_survives_a_change_of_something_else(
    client: TestClient, conn: Connection, relay: Schedules, timing: dict[str, Any]
) -> None:
    found = made(client, **timing)
    schedule_id = UUID(found["scheduleId"])
    hours_pass(conn, schedule_id, 24 * 8)
    assert client.patch(found["links"]["self"], json={"name": "Another"}).status_code == 200
    relay.run_once()
    assert len(jobs_of(conn, schedule_id)) == 1


def test_a_paused_schedule_lets_its_ticks_go_by_until_it_is_resumed(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    found = made(client, cron=None, everySeconds=3600)
    schedule_id = UUID(found["scheduleId"])
    paused = client.post(f"{found['links']['self']}:pause", json={"note": "the warehouse moves"}).json()
    assert (paused["state"], paused["pauseNote"], paused["coming"]) == ("paused", "the warehouse moves", [])
    hours_pass(conn, schedule_id, 5)
    assert relay.run_once() == 0
    changed = client.patch(found["links"]["self"], json={"name": "Other"}).json()
    assert changed["state"] == "paused"
    resumed = client.post(f"{found['links']['self']}:resume").json()
    assert (resumed["state"], resumed["pauseNote"]) == ("active", None)
    assert datetime.fromisoformat(resumed["coming"][0]["tick"]) > datetime.now(UTC)
    assert relay.run_once() == 0
    assert jobs_of(conn, schedule_id) == []


def test_run_submits_a_job_now_beside_the_ticks(client: TestClient, conn: Connection) -> None:
    found = made(client, labels={"team": "sales"})
    answer = client.post(f"{found['links']['self']}:run")
    assert answer.status_code == 202
    job = client.get(answer.headers["location"]).json()
    assert (job["jobId"], job["labels"], job["scheduleId"]) == (
        answer.json()["jobId"], {"team": "sales"}, found["scheduleId"],
    )  # fmt: skip
    now = client.get(found["links"]["self"]).json()
    assert (now["lastJobId"], now["coming"], now["version"]) == (job["jobId"], found["coming"], 1)
    [tick] = client.get(found["links"]["ticks"]).json()["ticks"]
    assert (tick["cause"], tick["fate"], tick["jobId"]) == ("run", "submitted", job["jobId"])
    listed = client.get("/v1/jobs", params={"schedule": found["scheduleId"]}).json()["jobs"]
    assert [one["jobId"] for one in listed] == [job["jobId"]]
    assert broken(conn, at_rest=False) == {}


def test_backfill_asks_for_the_ticks_that_had_no_job_and_for_no_other(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    found = made(client, cron="0 0 * * *", timeZone="UTC")
    asked = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-06T00:00:00Z"}
    answer = client.post(f"{found['links']['self']}:backfill", json=asked)
    assert (answer.status_code, answer.json()["ticks"]) == (202, 5)
    while relay.run_once():
        pass
    schedule_id = UUID(found["scheduleId"])
    assert [tick.tick.day for tick in ticks(conn, schedule_id)] == [1, 2, 3, 4, 5]
    assert len(jobs_of(conn, schedule_id)) == 5
    # A tick that was skipped gets its job, and those that had one are left alone.
    conn.execute(
        text("UPDATE schedule_ticks SET fate = 'skipped', reason = 'missed', job_id = NULL WHERE tick = '2026-03-02Z'")
    )
    wider = {**asked, "to": "2026-03-07T00:00:00Z"}
    assert client.post(f"{found['links']['self']}:backfill", json=wider).json()["ticks"] == 2
    while relay.run_once():
        pass
    assert len(jobs_of(conn, schedule_id)) == 7
    pages = [client.get(found["links"]["ticks"], params={"pageSize": 4}).json()]
    pages.append(
        client.get(found["links"]["ticks"], params={"pageSize": 4, "pageToken": pages[0]["nextPageToken"]}).json()
    )
    assert [tick["tick"][8:10] for page in pages for tick in page["ticks"]] == ["06", "05", "04", "03", "02", "01"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "from"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "to"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2999-03-01T00:00:00Z"}, "to"),
        ({"from": "2020-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from"),
        ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z", "til": 1}, "til"),
    ],
)
def test_a_range_that_cannot_be_backfilled_is_told_why(
    client: TestClient, conn: Connection, asked: dict[str, Any], field: str
) -> None:
    found = made(client, cron="0 0 * * *")
    assert field in violations(client.post(f"{found['links']['self']}:backfill", json=asked))
    assert count(conn, "schedule_ticks") == 0


def test_a_deleted_schedule_is_gone_with_its_history_and_its_jobs_stay(client: TestClient, conn: Connection) -> None:
    found = made(client)
    job = client.post(f"{found['links']['self']}:run").json()
    assert client.delete(found["links"]["self"]).status_code == 204
    problem(client.get(found["links"]["self"]), 404, "unknown_schedule")
    problem(client.delete(found["links"]["self"]), 404, "unknown_schedule")
    assert count(conn, "schedule_ticks") == 0
    assert client.get(job["links"]["self"]).status_code == 200


def test_every_change_is_in_the_audit_trail_without_parameters(client: TestClient, conn: Connection) -> None:
    found = made(client, parameters={"from": "2026-01-01"})
    own = found["links"]["self"]
    client.patch(own, json={"cron": "0 8 * * *"})
    client.post(f"{own}:pause", json={"note": "n"})
    client.post(f"{own}:resume")
    client.post(f"{own}:run")
    client.post(f"{own}:backfill", json={"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"})
    client.delete(own)
    trail = conn.execute(
        text("SELECT action, object, before::text || after::text AS told FROM audit ORDER BY id")
    ).all()
    assert [entry.action.partition(".")[2] for entry in trail] == [
        "create", "update", "pause", "resume", "run", "backfill", "delete",
    ]  # fmt: skip
    assert {entry.object for entry in trail} == {f"schedules/{found['scheduleId']}"}
    assert not [entry for entry in trail if "2026-01-01" in (entry.told or "")]


def test_a_schedule_that_cannot_run_says_why_and_nothing_is_written(
    keyed: TestClient, conn: Connection, relay: Schedules
) -> None:
    admin = api_keys.create_key(conn, tenant="acme", name="admin", scopes=OWN)
    gone = api_keys.create_key(conn, tenant="acme", name="gone", scopes=USUAL)
    answer = keyed.post("/v1/schedules", json=WANTED, headers={"Authorization": f"Bearer {gone}"})
    api_keys.revoke_keys(conn, tenant="acme", name="gone")
    own, as_admin = answer.json()["links"]["self"], {"Authorization": f"Bearer {admin}", "Idempotency-Key": "k"}
    told = problem(keyed.post(f"{own}:run", headers=as_admin), 409, "schedule_cannot_run")
    assert "API key" in told["detail"]
    assert [count(conn, table) for table in ("schedule_ticks", "jobs", "idempotency_keys")] == [0, 0, 0]
    # Whoever resumes it is its owner from then on.
    assert keyed.post(f"{own}:resume", headers=as_admin).json()["owner"] == "admin"
    assert keyed.post(f"{own}:run", headers=as_admin).status_code == 202


def test_nobody_sees_a_schedule_of_another_tenant_or_of_another_person_without_the_scope(
    keyed: TestClient, conn: Connection
) -> None:
    def bearer(name: str, scopes: Any, tenant: str = "acme") -> dict[str, str]:
        return {"Authorization": f"Bearer {api_keys.create_key(conn, tenant=tenant, name=name, scopes=scopes)}"}

    own_only, again = USUAL - {"jobs:read_all"}, {"Idempotency-Key": "k"}
    ann, bob = bearer("ann", own_only), bearer("bob", own_only)
    chief, stranger = bearer("chief", USUAL), bearer("ann", OWN, "globex")
    found = keyed.post("/v1/schedules", json=WANTED, headers=ann).json()
    own = found["links"]["self"]
    assert keyed.post(f"{own}:run", headers={**ann, **again}).status_code == 202
    before = schedule(conn, UUID(found["scheduleId"]))
    for other in (bob, stranger):
        assert keyed.get("/v1/schedules", headers=other).json()["schedules"] == []
        for method, path, body in (
            ("GET", own, None), ("GET", f"{own}/ticks", None), ("PATCH", own, {"name": "x"}), ("DELETE", own, None),
            ("POST", f"{own}:pause", {}), ("POST", f"{own}:resume", None), ("POST", f"{own}:run", None),
            ("POST", f"{own}:backfill", {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}),
        ):  # fmt: skip
            problem(keyed.request(method, path, json=body, headers={**other, **again}), 404, "unknown_schedule")
    assert schedule(conn, UUID(found["scheduleId"])) == before
    assert keyed.get(own, headers=chief).json()["owner"] == "ann"
    reader = bearer("reader", {"schedules:read", "jobs:read_all"})
    assert keyed.get(own, headers=reader).status_code == 200
    problem(keyed.post(f"{own}:run", headers=reader), 403, "insufficient_scope")


def test_who_does_not_run_the_installation_may_not_ask_for_ticks_that_are_close_to_each_other(
    keyed: TestClient, conn: Connection
) -> None:
    usual = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='acme', name='ann', scopes=USUAL)}"}
    admin = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='acme', name='op', scopes=OWN)}"}
    for often in ({"cron": "* * * * *"}, {"cron": "0,1 7 * * *"}, {"cron": None, "everySeconds": 299}):
        wrong = violations(keyed.post("/v1/schedules", json={**WANTED, **often}, headers=usual))
        assert "more often than every 300 seconds" in " ".join(wrong.values())
    assert keyed.post("/v1/schedules", json={**WANTED, "cron": "* * * * *"}, headers=admin).status_code == 201


def test_a_stopped_schedule_says_why_and_goes_on_once_it_is_mended(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    found = made(client, cron=None, everySeconds=3600)
    schedule_id = UUID(found["scheduleId"])
    conn.execute(text("""UPDATE schedules SET parameters = '{"untill": "2026-01-31"}'"""))
    hours_pass(conn, schedule_id, 1)
    relay.run_once()
    stopped = client.get(found["links"]["self"]).json()
    assert (stopped["state"], stopped["stopReason"], stopped["coming"]) == ("stopped", "parameters_wrong", [])
    [tick] = client.get(found["links"]["ticks"]).json()["ticks"]
    assert "did you mean" in tick["detail"] or "no such parameter" in tick["detail"]
    assert "parameters.untill" in violations(client.post(f"{found['links']['self']}:resume"))
    mended = client.patch(found["links"]["self"], json={"parameters": {"to": "2026-01-31"}}).json()
    assert (mended["state"], mended["stopReason"]) == ("active", None)


def test_a_schedule_whose_zone_is_not_known_any_more_can_be_seen_and_mended(
    client: TestClient, conn: Connection
) -> None:
    found = made(client)
    own = found["links"]["self"]
    conn.execute(text("UPDATE schedules SET zone = 'Mars/Olympus', next_tick = now(), due_at = now()"))

    seen = client.get(own).json()
    assert (seen["state"], seen["timeZone"], seen["coming"]) == ("active", "Mars/Olympus", [])
    assert [one["coming"] for one in client.get("/v1/schedules").json()["schedules"]] == [[]]
    assert [client.get(f"/console/schedules{path}").status_code for path in ("", f"/{found['scheduleId']}")] == [
        200
    ] * 2
    assert "'Mars/Olympus' is not a time zone" in violations(client.patch(own, json={"name": "Other"}))["timeZone"]
    assert problem(client.post(f"{own}:run"), 409, "schedule_cannot_run")
    assert client.post(f"{own}:pause").status_code == 200
    assert client.patch(own, json={"timeZone": "Asia/Tokyo"}).status_code == 200
    assert len(client.post(f"{own}:resume").json()["coming"]) == 5


def test_a_scheduled_job_is_one_like_any_other(client: TestClient, conn: Connection, relay: Schedules) -> None:
    found = made(client, cron=None, everySeconds=3600, fileName="calendar-{date}", priority=7, keepSeconds=100_000)
    schedule_id = UUID(found["scheduleId"])
    hours_pass(conn, schedule_id, 1)
    relay.run_once()
    [job] = jobs_of(conn, schedule_id)
    [tick] = ticks(conn, schedule_id)
    assert (job.priority, job.keep_s, job.file_name) == (7, 100_000, f"calendar-{tick.tick:%Y-%m-%d}")
    asked = {"fileName": "calendar-{date}", "keepSeconds": 100_000, "priority": 7, "timeZone": "Asia/Tokyo"}
    assert job.options == asked
    fail(
        conn,
        [
            Failure(
                started(
                    conn,
                    job.id,
                ).lease,
                "boom",
                "it broke",
                retryable=False,
                delay_s=0,
            )
        ],
    )
    again = client.post(f"/v1/jobs/{job.id}:retry").json()
    assert client.get(again["links"]["self"]).json()["scheduleId"] is None
    assert broken(conn, at_rest=False) == {}


def test_dates_in_words_are_those_of_the_tick_in_the_schedules_zone(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    asked = {"parameters": {"from": "start_of_last_month", "to": "today-1d"}, "timeZone": "Pacific/Kiritimati"}
    found = made(client, **asked, cron=None, everySeconds=3600)
    assert found["parameters"] == asked["parameters"]
    schedule_id = UUID(found["scheduleId"])
    # Half a minute before the day begins in Kiritimati, 14 hours ahead, and half a minute after.
    for n, tick in enumerate(("2026-03-31T09:59:30Z", "2026-03-31T10:00:30Z")):
        conn.execute(
            text("UPDATE schedules SET begins_at = :t, next_tick = :t, due_at = now(), due_job_id = NULL, "
                 "until = CAST(:t AS timestamptz) + interval '1 s', stopped_at = NULL, stop_reason = NULL"),
            {"t": tick},
        )  # fmt: skip
        relay.run_once()
        assert len(jobs_of(conn, schedule_id)) == n + 1
    parameters = [job.parameters for job in jobs_of(conn, schedule_id)]
    assert parameters == [{"from": "2026-02-01", "to": "2026-03-30"}, {"from": "2026-03-01", "to": "2026-03-31"}]
    job = client.get(f"/v1/jobs/{jobs_of(conn, schedule_id)[1].id}").json()
    assert (job["timeZone"], job["relativeDates"]) == ("Pacific/Kiritimati", asked["parameters"])


def test_an_id_that_is_none_is_an_unknown_schedule(client: TestClient) -> None:
    for wrong in ("x", str(uuid4()).upper(), "0" * 400):
        problem(client.get(f"/v1/schedules/{wrong}"), 404, "unknown_schedule")


def test_an_owner_sees_that_the_service_meets_an_error_of_its_own(
    client: TestClient, conn: Connection, relay: Schedules
) -> None:
    schedule_id = made(client)["scheduleId"]
    hours_pass(conn, UUID(schedule_id), 24 * 8)
    with mock.patch("services.relay.schedules.submission_of", side_effect=KeyError("secret")):
        relay.run_once()

    told = client.get(f"/v1/schedules/{schedule_id}")
    assert told.json()["state"] == "failing"
    assert datetime.fromisoformat(told.json()["failingSince"]).tzinfo is not None
    assert "secret" not in told.text
    for language in ("en", "ja"):
        headers = {"Accept-Language": language}
        for page in ("/console/schedules", f"/console/schedules/{schedule_id}"):
            shown = client.get(page, headers=headers).text
            assert texts(language)("schedule_state.failing") in shown
            assert "secret" not in shown
        assert texts(language)("schedule.failing_since") in client.get(page, headers=headers).text

    mended = client.patch(f"/v1/schedules/{schedule_id}", json={"name": "Mended"}).json()
    assert (mended["state"], mended["failingSince"]) == ("active", None)
