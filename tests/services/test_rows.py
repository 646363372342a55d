"""The first rows of a report, and the picture of a page: pages, formats, problems, and who can see them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import REGION
from services.relay.erasures import Erasures
from services.relay.orphans import OrphanSweep
from services.relay.retention import Retention
from shared.access.scopes import USUAL, Scope
from shared.artifacts.disk import DiskStore
from shared.artifacts.open import open_store
from shared.database.engine import create_engine
from tests.services.test_scopes import Clients, clients
from tests.support.api_app import an_app, problem
from tests.support.jobs import a_job, row
from tests.support.kept_rows import COLUMNS, kept, png, rows_file
from tests.support.promises import broken

__all__ = ["clients"]  # a fixture

MANY = [[n, f"{n}.00"] for n in range(1, 251)]
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def job(conn: Connection) -> UUID:
    made: UUID = a_job(conn, tenant="default", formats=["csv"])
    return made


def test_rows_come_a_page_at_a_time_and_each_page_leads_to_the_next(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY, of=9_000))
    place, seen = f"/v1/jobs/{job}/rows", []
    after: int | None = 0
    while after is not None:
        answer = client.get(place, params={"after": after, "pageSize": 120})
        page = answer.json()
        seen += [[one["n"], one["paid"]] for one in page["rows"]]
        assert (page["columns"], page["storedRows"], page["totalRows"], page["truncated"]) == (COLUMNS, 250, 9000, True)
        after = page["nextAfter"]
        assert (f'<{place}?pageSize=120&after={after}>; rel="next"' in answer.headers["link"]) == (after is not None)

    assert seen == MANY
    assert len(client.get(place).json()["rows"]) == 100
    assert len(client.get(place, params={"pageSize": 100_000}).json()["rows"]) == 250
    assert client.get(place, params={"after": 10**30}).json()["rows"] == []


def test_lines_hold_one_object_each_and_the_link_leads_on(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY))

    answer = client.get(f"/v1/jobs/{job}/rows?pageSize=2", headers=LINES)

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"n": 1, "paid": "1.00"}, {"n": 2, "paid": "2.00"},
    ]  # fmt: skip
    assert "after=2" in answer.headers["link"]
    assert answer.headers["vary"] == "Accept"
    preferred = {"Accept": "application/x-ndjson;q=0.1, application/json"}
    assert client.get(f"/v1/jobs/{job}/rows", headers=preferred).json()["storedRows"] == 250


def test_the_job_says_what_is_kept_and_lists_none_of_it_as_a_file(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png())

    result = client.get(f"/v1/jobs/{job}").json()["result"]

    own = f"/v1/jobs/{job}"
    assert result["preview"] == {"rows": 250, "rowsUrl": f"{own}/rows", "pageUrl": f"{own}/page.png"}
    assert [file["name"] for file in result["artifacts"]] == ["calendar.csv"]
    problem(client.get(f"{own}/artifacts/.rows.jsonl"), 404, "unknown_artifact")


@pytest.mark.parametrize("place", ["rows", "page.png"])
def test_what_a_client_has_already_is_not_sent_again(
    client: TestClient, conn: Connection, job: UUID, scratch: Path, place: str
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png())
    url = f"/v1/jobs/{job}/{place}"
    etag = client.get(url).headers["etag"]

    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    problem(client.get(url, headers={"If-Match": '"another"'}), 412, "precondition_failed")
    assert client.head(url).headers["etag"] == etag
    if place == "rows":
        others = {client.get(url, params={"after": 1}).headers["etag"], client.get(url, headers=LINES).headers["etag"]}
        assert len(others | {etag}) == 3


def test_a_picture_is_a_picture_and_nothing_else(
    client: TestClient, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, picture=png())

    answer = client.get(f"/v1/jobs/{job}/page.png")

    assert answer.content == png()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize("place", ["rows", "page.png"])
def test_each_way_of_having_none_has_its_problem(
    client: TestClient, conn: Connection, job: UUID, scratch: Path, place: str
) -> None:
    url, nothing = f"/v1/jobs/{job}/{place}", "no_rows" if place == "rows" else "no_picture"
    assert problem(client.get(url), 409, "not_ready")["retryable"]
    kept(conn, job, scratch)
    problem(client.get(url), 404, nothing)
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0"))
    problem(client.get(url), 410, "artifact_expired")
    client.delete(f"/v1/jobs/{job}")
    problem(client.get(url), 410, "job_deleted")
    problem(client.get(url.replace(str(job), "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10")), 404, "unknown_job")


def test_a_report_type_without_files_says_that_it_has_no_rows(client: TestClient, conn: Connection) -> None:
    job = a_job(conn, tenant="default", formats=[])
    conn.execute(
        text("UPDATE jobs SET status = 'PROCESSING', verb = 'start', attempt = 1, lease_token = gen_random_uuid(), "
             "lease_until = now(), started_at = now(), version = version + 1 WHERE id = :id"), {"id": job})  # fmt: skip
    conn.execute(
        text("UPDATE jobs SET status = 'SUCCESS', verb = 'succeed', lease_until = NULL, finished_at = now(), "
             """result = '{"answer": {}}', version = version + 1 WHERE id = :id"""), {"id": job})  # fmt: skip

    assert "makes no files" in problem(client.get(f"/v1/jobs/{job}/rows"), 404, "no_rows")["detail"]


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=", "pageSize=-1", "pageSize=x", "page=1", "after=1&after=2"]
)
def test_a_wrong_question_is_refused_with_the_remedy(client: TestClient, job: UUID, query: str) -> None:
    problem(client.get(f"/v1/jobs/{job}/rows?{query}"), 422, "invalid_request")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not json\n", b"[]\n", b'{"columns": 1, "of": 1}\n', b'{"columns": [], "of": "x"}\n',
     rows_file([[1]]), rows_file([[1, {"a": 1}]]), rows_file([[1, 1.5]]), b"\xff\n"],
)  # fmt: skip
def test_rows_that_a_report_forged_are_told_as_damaged(
    client: TestClient, conn: Connection, job: UUID, scratch: Path, content: bytes
) -> None:
    kept(conn, job, scratch, rows=content)

    problem(client.get(f"/v1/jobs/{job}/rows"), 410, "artifact_damaged")


@pytest.mark.parametrize("place", ["rows", "page.png"])
def test_what_was_changed_or_removed_in_the_store_is_never_shown(
    client: TestClient, conn: Connection, job: UUID, scratch: Path, place: str
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png())
    (path,) = scratch.rglob(".rows.jsonl" if place == "rows" else ".page.png")
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b"x")
    problem(client.get(f"/v1/jobs/{job}/{place}"), 410, "artifact_damaged")
    path.unlink()
    problem(client.get(f"/v1/jobs/{job}/{place}"), 410, "artifact_gone")


def test_rows_on_s3_are_shown_by_the_api_itself(
    database_url: str, conn: Connection, job: UUID, scratch: Path, aws: Any
) -> None:
    bucket = f"rows-{job}"
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=bucket)
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png(), store=open_store(f"s3://{bucket}", region=REGION))
    with TestClient(an_app(database_url, scratch, ARTIFACT_URL=f"s3://{bucket}", AWS_REGION=REGION)) as client:
        assert client.get(f"/v1/jobs/{job}/rows").json()["storedRows"] == 250
        assert client.get(f"/v1/jobs/{job}/page.png").content == png()


def test_nobody_else_sees_them_in_or_outside_the_tenant(clients: Clients, conn: Connection, scratch: Path) -> None:
    own = clients.submit("ann")
    kept(conn, own, scratch, rows=rows_file([[1, "anns"]]), picture=png())
    clients.add("blind", USUAL - {Scope.ROWS_READ})
    clients.add("only rows", frozenset({Scope.ROWS_READ}))
    for place in ("rows", "page.png"):
        url = f"/v1/jobs/{own}/{place}"
        assert clients.ask("ann", "GET", url).status_code == 200
        assert clients.ask("chief", "GET", url).status_code == 200
        for stranger in ("ben", "eve"):
            answer = clients.ask(stranger, "GET", url)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
        for lacking, scope in (("blind", Scope.ROWS_READ), ("only rows", Scope.JOBS_READ)):
            answer = clients.ask(lacking, "GET", url)
            assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
            assert scope in answer.json()["detail"]


def test_they_ask_for_the_scopes_of_their_columns_again(clients: Clients, conn: Connection, scratch: Path) -> None:
    with_salary = clients.submit("payroll", "pay")
    assert row(conn, with_salary).scopes == ["payroll:read"]
    kept(conn, with_salary, scratch, rows=rows_file([[1, "424242"]]), picture=png(), file="pay.csv")
    for place in ("rows", "page.png"):
        url = f"/v1/jobs/{with_salary}/{place}"
        refused = clients.ask("chief", "GET", url)
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        assert "424242" not in refused.text
        assert clients.ask("payroll", "GET", url).status_code == 200
    assert clients.ask("chief", "GET", f"/v1/jobs/{with_salary}").json()["result"]["preview"] is None


@pytest.mark.parametrize("how", ["deleted", "expired"])
def test_they_leave_with_the_files(
    client: TestClient, database_url: str, conn: Connection, job: UUID, scratch: Path, how: str
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png())
    engine = create_engine(database_url, application_name="relay", pool_size=2)
    try:
        if how == "deleted":
            assert client.delete(f"/v1/jobs/{job}").status_code == 204
            assert Erasures(engine, DiskStore(scratch)).run_once() == 1
        else:
            conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0"))
            assert Retention(engine, DiskStore(scratch), keep_keys_s=86_400).run_once() == 3
    finally:
        engine.dispose()

    assert [path for path in (scratch / "reports").rglob("*") if path.is_file()] == []
    assert conn.execute(text("SELECT count(*) FROM artifacts")).scalar_one() == 0
    assert broken(conn, at_rest=False) == {}


def test_what_a_lost_attempt_kept_leaves_as_an_orphan(
    database_url: str, conn: Connection, job: UUID, scratch: Path
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY), picture=png())
    (own,) = scratch.rglob(".rows.jsonl")
    lost = own.parent.parent / "019acb2e-7c41-4e02-9a51-0e5b1a6c7f10"
    lost.mkdir()
    for path in own.parent.iterdir():
        (lost / path.name).write_bytes(path.read_bytes())
    for path in lost.iterdir():
        os.utime(path, (0, 0))
    engine = create_engine(database_url, application_name="relay", pool_size=2)
    try:
        OrphanSweep(engine, DiskStore(scratch)).run_once()
    finally:
        engine.dispose()

    assert not lost.exists()
    assert {path.name for path in own.parent.iterdir()} == {"calendar.csv", ".rows.jsonl", ".page.png"}


@pytest.mark.parametrize("change", ["format = 'page'", "lease_token = gen_random_uuid()"])
def test_a_promise_sees_what_stands_beside_no_files_of_its_own(
    conn: Connection, job: UUID, scratch: Path, change: str
) -> None:
    kept(conn, job, scratch, rows=rows_file(MANY))
    assert broken(conn, at_rest=False) == {}

    conn.execute(text(f"UPDATE artifacts SET {change} WHERE format = 'rows'"))

    assert "4: a preview has its files beside it" in broken(conn, at_rest=False)
