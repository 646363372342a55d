"""The API over a real database: what it answers, and that it always answers."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from starlette.types import Message, Receive, Scope, Send

from deploy.local.emulator import REGION
from deploy.local.processes import free_port
from services.api.http.middleware import RequestContext
from services.api.shared_look import SharedLook
from services.api.v1.event_views import EventView
from services.api.v1.views import AcceptedView, JobsView, JobView
from services.api.watch import Watcher
from shared.artifacts.open import open_store
from shared.database.statements import statement_name
from shared.jobs.finish import Failure, fail
from tests.support.api_app import JSON, an_app, finished, problem
from tests.support.jobs import a_job, count, row, started


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def heard(app: Any) -> list[str]:
    """The names of the statements that the application sends from now on, in their order."""
    names: list[str] = []
    parts = app.state.parts
    for engine in (parts.engine, parts.watcher._engine.sync_engine):
        event.listen(engine, "before_cursor_execute", lambda _c, _cur, sql, *_: names.append(statement_name(sql)))
    return names


def ask_at_once(app: Any, link: str, *headers: dict[str, str]) -> tuple[list[httpx2.Response], list[str]]:
    """The answers to requests that come at the same time, and the statements that they cost."""

    async def ask() -> tuple[list[httpx2.Response], list[str]]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://todoke") as client:
            names = heard(app)
            answers = await asyncio.gather(*(client.get(link, headers=each) for each in headers))
            await app.state.parts.close()
            return answers, names

    return asyncio.run(ask())


def test_a_job_that_has_not_changed_costs_no_look_for_its_files(client: TestClient) -> None:
    link = client.post("/v1/jobs", json={"reportType": "calendar"}).json()["links"]["self"]
    etag = client.get(link).headers["etag"]
    names = heard(client.app)

    assert client.get(link, headers={"If-None-Match": etag}).status_code == 304
    assert "jobs.seen" not in names
    assert client.get(link, headers={"If-None-Match": '"0"'}).status_code == 200
    assert "jobs.seen" in names


@pytest.mark.parametrize("path", ["", "/artifacts/calendar.csv"])
def test_those_who_ask_at_once_share_statements(path: str, database_url: str, conn: Connection, scratch: Path) -> None:
    job_id = str(a_job(conn, tenant="default"))
    finished(conn, job_id, scratch)

    answers, names = ask_at_once(an_app(database_url, scratch), f"/v1/jobs/{job_id}{path}", *[{}] * 32)

    assert [answer.status_code for answer in answers] == [200] * 32
    assert 1 <= names.count("jobs.seen") <= 12
    assert set(names) == {"jobs.seen"}


def test_those_who_ask_at_once_whether_a_job_has_changed_share_statements(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    link = f"/v1/jobs/{a_job(conn, tenant='default')}"
    with TestClient(an_app(database_url, scratch)) as client:
        known = {"If-None-Match": client.get(link).headers["etag"]}

    answers, names = ask_at_once(an_app(database_url, scratch), link, *[known] * 32)

    assert [answer.status_code for answer in answers] == [304] * 32
    assert 1 <= names.count("jobs.glance") <= 12


def test_who_asks_is_told_when_the_shared_look_fails(
    client: TestClient, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = client.post("/v1/jobs").json()["links"]["self"]
    finished(conn, link.rpartition("/")[2], scratch)
    etag = client.get(link).headers["etag"]

    async def fail_to_ask(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Watcher, "ask", fail_to_ask)

    assert client.get(link, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(link, headers={"If-None-Match": '"0"'}).status_code == 200
    assert client.get(f"{link}/artifacts/calendar.csv").content == b"day\n2026-01-01\n"
    problem(client.get(f"{link}/artifacts/other.csv"), 404, "unknown_artifact")


def test_the_consoles_pages_read_over_connections_of_their_own(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    job_id = str(a_job(conn, tenant="default"))
    finished(conn, job_id, scratch)
    names = heard(client.app)

    for page in (f"/console/jobs/{job_id}", f"/console/jobs/{job_id}/files/calendar.csv"):
        assert client.get(page).status_code == 200
    assert "jobs.get" not in names
    assert "jobs.seen" not in names


@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_a_request_without_a_body_runs_the_default_report(client: TestClient, conn: Connection, body: Any) -> None:
    answer = client.post("/generate-report", content=body, headers=JSON if body == b"{}" else {})

    assert answer.status_code == 202
    AcceptedView.model_validate(answer.json())
    job = row(conn, UUID(answer.json()["jobId"]))
    assert (job.status, job.report_type, job.formats) == ("PENDING", "calendar", ["csv"])
    assert job.parameters == {"from": "2026-01-01", "to": "2026-12-31"}
    assert answer.headers["location"] == f"/v1/jobs/{job.id}"
    assert "retry-after" in answer.headers


@pytest.mark.parametrize(
    ("asked", "made"),
    [(["csv", "zip"], ["csv", "zip"]), (["zip", "zip"], ["csv", "xlsx", "zip"]), (["xlsx", "xlsx"], ["xlsx"])],
)
def test_an_archive_can_be_asked_for_beside_files_or_for_all(
    asked: list[str], made: list[str], client: TestClient, conn: Connection
) -> None:
    answer = client.post("/v1/jobs", json={"formats": asked})

    assert row(conn, UUID(answer.json()["jobId"])).formats == made


def test_a_job_shows_each_of_its_states(client: TestClient, conn: Connection, scratch: Path) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    waiting = client.get(f"/jobs/{job_id}").json()
    finished(conn, job_id, scratch)
    done = client.get(f"/v1/jobs/{job_id}").json()

    assert (waiting["status"], waiting["result"], done["status"]) == ("PENDING", None, "SUCCESS")
    assert done["result"]["artifacts"][0]["rows"] == 1
    for view in (waiting, done):
        JobView.model_validate(view)


def test_a_failed_job_says_why(client: TestClient, conn: Connection) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    fail(
        conn, [Failure(started(conn, UUID(job_id)).lease, "boom", "it broke", retryable=False, delay_s=0, hint="mend")]
    )

    job = client.get(f"/jobs/{job_id}").json()
    JobView.model_validate(job)
    assert job["error"] == {"code": "boom", "message": "it broke", "retryable": False, "hint": "mend"}


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "malformed_json"),
        (b"\r", JSON, 400, "malformed_json"),
        (b'{"parameters": NaN}', JSON, 400, "malformed_json"),
        (b"\xff\xfe", JSON, 400, "malformed_json"),
        (b'{"a":' * 50_000, JSON, 400, "malformed_json"),
        (b"[]", JSON, 422, "invalid_request"),
        (b'"x"', JSON, 422, "invalid_request"),
        (b'{"reportType": 5}', JSON, 422, "invalid_request"),
        (b'{"reportType": "calender"}', JSON, 404, "unknown_report_type"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b"{}", {}, 415, "unsupported_media_type"),
        (b'{"x": "' + b"y" * 300_000 + b'"}', JSON, 413, "body_too_large"),
        (b"{}", {**JSON, "Idempotency-Key": "not visible"}, 422, "invalid_request"),
        (b'{"parameters": {"from": "2026-13-01"}}', JSON, 422, "invalid_request"),
        (b'{"parameters": {"from": "\\u0000"}}', JSON, 422, "invalid_request"),
        (b'{"parameters": {"from": "\\ud800"}}', JSON, 400, "malformed_json"),
        (b'{"\\ud800": 1}', JSON, 400, "malformed_json"),
        (b'{"parameters": {"from": ' + b"[" * 200 + b"]" * 200 + b"}}", JSON, 400, "malformed_json"),
        (b'{"parameters": {"from": ' + b"[" * 198 + b"]" * 198 + b"}}", JSON, 422, "invalid_request"),
        (b'{"parameters": []}', JSON, 422, "invalid_request"),
        (b'{"formats": []}', JSON, 422, "invalid_request"),
        (b'{"formats": [["csv"]]}', JSON, 422, "invalid_request"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_bad_input_gets_a_problem_and_leaves_nothing(
    client: TestClient, conn: Connection, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    problem(client.post("/generate-report", content=content, headers=headers), status, code)
    assert count(conn, "jobs") == 0


def test_every_violation_is_named_at_once(client: TestClient) -> None:
    body = {"reportTyp": "x", "parameters": {"from": 5, "tu": 1}, "formats": ["cvs"]}

    violations = problem(client.post("/v1/jobs", json=body), 422, "invalid_request")["violations"]

    assert {v["field"] for v in violations} == {"reportTyp", "parameters.from", "parameters.tu", "formats[0]"}
    assert "did you mean 'reportType'?" in str(violations)


def test_an_unknown_report_type_is_told_the_nearest(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={"reportType": "calender"})

    assert "did you mean 'calendar'?" in problem(answer, 404, "unknown_report_type")["detail"]


NOBODYS = "01a20af6-4b02-7e60-8370-4b6929daa337"


@pytest.mark.parametrize("path", ["/jobs/x", f"/jobs/{NOBODYS}", "/v1/jobs/%00", f"/jobs/{NOBODYS}/events"])
def test_what_names_no_job_is_not_found(client: TestClient, path: str) -> None:
    problem(client.get(path), 404, "unknown_job")


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    problem(client.get("/nowhere"), 404, "unknown_path")
    problem(client.delete("/generate-report"), 405, "method_not_allowed")


def test_the_same_key_is_one_job_however_many_ask_at_once(client: TestClient, conn: Connection) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/jobs", headers={"Idempotency-Key": "k"}), range(50)))

    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["jobId"] for a in answers}) == 1
    assert sum("idempotent-replayed" not in a.headers for a in answers) == 1
    assert count(conn, "jobs") == count(conn, "outbox") == 1


def test_the_same_key_for_another_request_is_refused(client: TestClient) -> None:
    client.post("/v1/jobs", headers={"Idempotency-Key": "k"})
    answer = client.post("/v1/jobs", json={"formats": ["xlsx"]}, headers={"Idempotency-Key": "k"})

    problem(answer, 422, "idempotency_key_reused")


def test_a_commit_that_the_standby_did_not_confirm_is_no_202(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL reports it as a WARNING only; one like it is raised here inside the submitting statement."""
    from services.api.actions import submitter

    def unconfirmed(conn: Connection, submissions: Any, **_: Any) -> Any:
        conn.execute(text("DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; END $$"))
        return []

    monkeypatch.setattr(submitter, "submit", unconfirmed)
    problem(client.post("/generate-report"), 503, "database_unavailable")


def test_without_a_database_nothing_is_accepted_and_the_client_is_told_to_come_back(
    scratch: Path,
) -> None:
    nowhere = f"postgresql://postgres:secret-canary@127.0.0.1:{free_port()}/none"
    with TestClient(an_app(nowhere, scratch), raise_server_exceptions=False) as client:
        for answer in (client.post("/generate-report"), client.get(f"/jobs/{uuid4()}"), client.get("/v1/jobs")):
            problem(answer, 503, "database_unavailable")
            assert answer.headers["retry-after"]
            assert "secret-canary" not in answer.text
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert "secret-canary" not in client.get("/readyz").text


def test_cancelling(client: TestClient, conn: Connection, scratch: Path) -> None:
    waiting, running, done = (client.post("/v1/jobs").json()["jobId"] for _ in range(3))
    started(conn, UUID(running))
    finished(conn, done, scratch)

    assert client.post(f"/v1/jobs/{waiting}:cancel").json()["status"] == "CANCELLED"
    assert client.post(f"/v1/jobs/{waiting}:cancel").status_code == 200
    asked = client.post(f"/jobs/{running}:cancel")
    assert (asked.status_code, asked.json()["status"]) == (202, "PROCESSING")
    assert asked.json()["cancelRequestedAt"]
    problem(client.post(f"/v1/jobs/{done}:cancel"), 409, "job_already_ended")
    problem(client.post(f"/v1/jobs/{uuid4()}:cancel"), 404, "unknown_job")


def test_a_job_that_did_not_change_is_304(client: TestClient, conn: Connection) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    etag = client.get(f"/jobs/{job_id}").headers["etag"]

    assert client.get(f"/jobs/{job_id}", headers={"If-None-Match": etag}).status_code == 304
    started(conn, UUID(job_id))
    assert client.get(f"/jobs/{job_id}", headers={"If-None-Match": etag}).status_code == 200


def test_a_long_poll_answers_as_soon_as_the_job_has_ended(client: TestClient, conn: Connection, scratch: Path) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, f"/jobs/{job_id}", headers={"Prefer": "wait=30"})
        finished(conn, job_id, scratch)
        answer = asked.result(60)

    assert answer.json()["status"] == "SUCCESS"
    assert answer.headers["preference-applied"] == "wait=30"


def test_the_list_pages_and_filters(client: TestClient, conn: Connection, scratch: Path) -> None:
    jobs = [client.post("/v1/jobs").json()["jobId"] for _ in range(5)]
    finished(conn, jobs[0], scratch)
    seen: list[str] = []
    token: str | None = None
    while True:
        page = client.get("/v1/jobs", params={"pageSize": 2, **({"pageToken": token} if token else {})}).json()
        JobsView.model_validate(page)
        seen += [j["jobId"] for j in page["jobs"]]
        token = page["nextPageToken"]
        if token is None:
            break

    assert seen == jobs[::-1]
    done = client.get("/v1/jobs", params={"status": "SUCCESS"}).json()["jobs"]
    assert [j["jobId"] for j in done] == jobs[:1]


@pytest.mark.parametrize(
    "query", ["pageSize=-1", "pageSize=x", "pageSize=1.5", "status=DONE", "reportType=%00", "pageSize=%C2%B2",
              "requester=%00", "errorCode=" + 101 * "x", "label=team", "label=:x", "label=team:a&label=team:b",
              "label=team:%01", "label=team:" + 256 * "x", "createdAfter=yesterday", "createdAfter=2026-01-31",
              "createdBefore=2026-02-30T00:00:00Z", "createdBefore=2026-01-31T00:00:00", "createdAfter=-24",
              "createdAfter=-999999w", "retryOf=x"],
)  # fmt: skip
def test_a_bad_query_is_a_problem(client: TestClient, query: str) -> None:
    assert problem(client.get(f"/v1/jobs?{query}"), 422, "invalid_request")["violations"]


def test_no_page_holds_megabytes_and_none_leaves_a_job_out(client: TestClient, conn: Connection) -> None:
    large = {"l": ["x" * 1000] * 240}
    sizes = [large, {}, large, large, large, {}, large, large, {}, {"l": "y" * 2_000_000}, large, {}]
    # Two that are made within a millisecond have either order.
    made = sorted(str(a_job(conn, tenant="default", parameters=parameters)) for parameters in sizes)
    seen: list[str] = []
    token = ""
    for _ in range(20):
        answer = client.get(f"/v1/jobs?pageSize=100{token}")
        page = answer.json()
        seen += [job["jobId"] for job in page["jobs"]]
        assert page["jobs"], "a page without a filter goes on"
        assert sum(len(json.dumps(job)) for job in page["jobs"][:-1]) < 1_100_000, "one job more, at most"
        if page["nextPageToken"] is None:
            break
        token = f"&pageToken={page['nextPageToken']}"
    assert seen == made[::-1]
    few = client.get("/v1/jobs?pageSize=2").json()
    assert [job["jobId"] for job in few["jobs"]] == made[:-3:-1]


def test_a_query_with_thousands_of_mistakes_is_told_a_hundred(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained: list[str] = []

    def explain(name: str, _: object) -> str:
        explained.append(name)
        return ""

    monkeypatch.setattr("services.api.v1.job_filters.did_you_mean", explain)
    answer = client.get("/v1/jobs?" + "&".join(f"status=FAILD{n}" for n in range(3_000)))
    assert len(problem(answer, 422, "invalid_request")["violations"]) == 100
    assert len(explained) == 100


def test_the_history_is_told_in_order(client: TestClient, conn: Connection, scratch: Path) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch)

    events = client.get(f"/jobs/{job_id}/events").json()
    assert [EventView.model_validate(e).verb for e in events] == ["submit", "start", "succeed"]


def test_a_download_has_ranges_a_checksum_and_a_harmless_name(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch, b"0123456789")
    path = f"/jobs/{job_id}/artifacts/calendar.csv"

    whole = client.get(path)
    part = client.get(path, headers={"Range": "bytes=2-4", "If-Range": whole.headers["etag"]})

    assert (whole.content, part.status_code, part.content) == (b"0123456789", 206, b"234")
    assert whole.headers["content-disposition"] == 'attachment; filename="calendar.csv"'
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert client.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


def test_downloads_that_cannot_be(client: TestClient, conn: Connection, scratch: Path) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    problem(client.get(f"/jobs/{job_id}/artifacts/calendar.csv"), 409, "not_ready")
    finished(conn, job_id, scratch)
    for name in ("calender.csv", "made", "%00", "*"):
        problem(client.get(f"/jobs/{job_id}/artifacts/{name}"), 404, "unknown_artifact")
    for name in ("..%2Fmade", "%2e%2e", "..%5cmade", "%2Fetc%2Fpasswd"):
        assert client.get(f"/jobs/{job_id}/artifacts/{name}").status_code == 404
    for file in scratch.rglob("calendar.csv"):
        file.unlink()
    problem(client.get(f"/jobs/{job_id}/artifacts/calendar.csv"), 410, "artifact_gone")


def test_report_types_describe_themselves(client: TestClient) -> None:
    listed = client.get("/v1/report-types").json()

    assert listed["default"] == "calendar"
    assert client.get("/v1/report-types/calendar").json() == listed["reportTypes"][0]
    assert listed["reportTypes"][0]["parameters"]["properties"]["from"]["anyOf"][0]["format"] == "date"
    problem(client.get("/v1/report-types/calender"), 404, "unknown_report_type")


def test_the_trace_travels_with_the_job(client: TestClient, conn: Connection) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    kept = client.post("/v1/jobs", headers={"traceparent": trace}).json()["jobId"]
    dropped = client.post("/v1/jobs", headers={"traceparent": "nonsense"}).json()["jobId"]

    assert json.loads(row(conn, UUID(kept)).trace_context) == {"traceparent": trace}
    assert row(conn, UUID(dropped)).trace_context is None


def test_an_error_that_nobody_foresaw_is_told_once_under_its_id(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(SharedLook, "of", broken)
    answer = client.get(f"/v1/jobs/{uuid4()}")

    told = problem(answer, 500, "internal_error")
    assert told["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"]
    assert "nobody foresaw" not in answer.text
    assert [record.message for record in caplog.records if record.exc_info] == ["request.broken"]


def test_the_request_id_is_the_callers_if_it_is_harmless(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"


def test_metrics_know_routes_and_not_paths(client: TestClient) -> None:
    client.get(f"/jobs/{uuid4()}")
    client.get("/a-path-nobody-knows")
    text = client.get("/metrics").text

    assert "a-path-nobody-knows" not in text
    assert "todoke_jobs_submitted_total" in text


def test_a_job_says_until_when_its_files_and_it_itself_are_kept(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    app = an_app(database_url, scratch, ARTIFACT_KEEP_DAYS="2", JOB_KEEP_DAYS="3.5")
    with TestClient(app) as client:
        job_id = client.post("/v1/jobs").json()["jobId"]
        waiting = client.get(f"/jobs/{job_id}").json()
        finished(conn, job_id, scratch)
        done = client.get(f"/jobs/{job_id}").json()

    assert (waiting["expiresAt"], waiting["keptUntil"]) == (None, None)
    ended, expires, kept = (datetime.fromisoformat(done[name]) for name in ("finishedAt", "expiresAt", "keptUntil"))
    assert (expires - ended, kept - ended) == (timedelta(days=2), timedelta(days=3.5))


def test_expired_files_answer_410_at_once_and_the_job_stays(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch)
    url = f"/jobs/{job_id}/artifacts/calendar.csv"
    before = client.get(f"/jobs/{job_id}")
    assert client.get(url).status_code == 200
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0"))

    gone = problem(client.get(url), 410, "artifact_expired")
    after = client.get(f"/jobs/{job_id}", headers={"If-None-Match": before.headers["etag"]})
    assert after.json()["expiresAt"][:16].replace("T", " ") in gone["detail"]
    assert after.status_code == 200  # what the client knew is no longer true
    assert (after.json()["status"], after.json()["result"]["artifacts"]) == ("SUCCESS", [])
    assert client.get("/v1/jobs").json()["jobs"][0]["result"]["artifacts"] == []


def test_a_signed_link_does_not_outlive_its_file(
    database_url: str, conn: Connection, scratch: Path, bucket: str
) -> None:
    on_s3 = {"ARTIFACT_URL": f"s3://{bucket}", "AWS_REGION": REGION}
    app = an_app(database_url, scratch, DOWNLOAD_LINK_EXPIRES_S="300", **on_s3)
    with TestClient(app, follow_redirects=False) as client:
        job_id = client.post("/v1/jobs").json()["jobId"]
        finished(conn, job_id, scratch, store=open_store(f"s3://{bucket}"))
        far = client.get(f"/jobs/{job_id}/artifacts/calendar.csv").headers["location"]
        conn.execute(text("UPDATE jobs SET keep_artifacts_s = 60"))
        near = client.get(f"/jobs/{job_id}/artifacts/calendar.csv").headers["location"]

    assert "X-Amz-Expires=300" in far
    assert 1 <= int(parse_qs(urlsplit(near).query)["X-Amz-Expires"][0]) <= 60


def test_a_request_that_a_stop_cuts_off_is_told_so() -> None:
    """uvicorn cancels what is under way when its grace is over."""
    sent: list[Message] = []

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async def cut_off() -> None:
        scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": [], "query_string": b""}
        serving = asyncio.create_task(RequestContext(never, root_path="")(scope, receive, send))
        await asyncio.sleep(0)
        serving.cancel()
        await serving

    asyncio.run(cut_off())
    start, body = sent
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert json.loads(body["body"])["code"] == "stopping"
