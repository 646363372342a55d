"""Reports whose files open with a password: what may be requested, what is stored, and that no one is told."""

import base64
import hashlib
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from fastapi.testclient import TestClient
from msoffcrypto.format.ooxml import OOXMLFile
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.cli.__main__ import main
from shared.database.tables import metadata
from shared.jobs import passwords
from shared.reports.process import child
from tests.services.test_worker import Bench
from tests.support.api_app import an_app, problem
from tests.support.eventually import eventually
from tests.support.jobs import count, row, started
from tests.support.promises import broken, broken_files
from tests.support.webhooks import secret_keys

PASSWORD = "correct-horse 電池"
ASKED: dict[str, Any] = {"reportType": "calendar", "formats": ["xlsx"], "password": PASSWORD}
SOON = {"parameters": {"from": "2026-01-01", "to": "2026-01-31"}}


class _Bench(Bench):
    """A worker that makes its reports."""

    def _render(self, *request: Any, **how: Any) -> Any:
        return child.render(*request, **how)


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    secret_keys(tmp_path)
    keys = str(tmp_path / "secrets.keys")
    with TestClient(an_app(database_url, tmp_path / "artifacts", SECRETS_KEY_FILE=keys)) as client:
        yield client


@pytest.fixture
def bench(engine: Engine, conn: Connection, tmp_path: Path) -> Iterator[Bench]:
    bench = _Bench(engine, conn, tmp_path)
    yield bench
    bench.stop()
    assert broken(conn, at_rest=False) == {}
    assert broken_files(conn, bench.artifacts) == []


def wrong(client: TestClient, **asked: Any) -> dict[str, str]:
    told = problem(client.post("/v1/jobs", json={**ASKED, **asked}), 422, "invalid_request")
    return {v["field"]: v["message"] for v in told["violations"]}


def holders(conn: Connection, secret: str) -> list[str]:
    """The tables that hold it in some row, as text or as bytes."""
    found = []
    for table in sorted(metadata.tables):
        for [told] in conn.execute(text(f'SELECT one::text FROM "{table}" AS one')):
            if secret in told or secret.encode().hex() in told or base64.b64encode(secret.encode()).decode() in told:
                found.append(table)
    return found


def test_the_file_opens_with_its_password_and_nothing_else_ever_holds_it(
    client: TestClient, bench: Bench, conn: Connection, tmp_path: Path, database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    answer = client.post("/v1/jobs", json={**ASKED, **SOON}, headers={"Idempotency-Key": "k"})
    job_id = answer.json()["jobId"]
    assert answer.status_code == 202
    assert holders(conn, PASSWORD) == []
    assert count(conn, "job_passwords") == 1

    bench.start(
        REPORT_SOURCE_URL=database_url, SECRETS_KEY_FILE=tmp_path / "secrets.keys", WORKER_LEASE_S=30,
        ARTIFACT_URL=bench.artifacts.as_uri(),
    )  # fmt: skip
    bench.ring(f'{{"jobId": "{job_id}"}}')
    bench.until(job_id, "SUCCESS")

    assert count(conn, "job_passwords") == 0
    assert holders(conn, PASSWORD) == []
    own = f"/v1/jobs/{job_id}"
    told = [client.get(own), client.get(f"{own}/events"), client.get(f"{own}/why"), client.get("/v1/jobs"),
            client.get(f"{own}/artifacts/manifest.json"), client.get(f"/console/jobs/{job_id}"), answer]  # fmt: skip
    for one in told:
        assert one.is_success
        assert PASSWORD not in one.text
        assert "電池" not in one.text
    assert told[0].json()["encrypted"] is True
    assert told[4].json()["manifest"]["encrypted"] is True
    problem(client.get(f"{own}/rows"), 404, "no_rows")
    assert PASSWORD not in caplog.text
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        assert PASSWORD.encode() not in path.read_bytes()

    opened = io.BytesIO()
    book = OOXMLFile(io.BytesIO(client.get(f"{own}/artifacts/calendar.xlsx").content))
    book.load_key(password=PASSWORD, verify_password=True)
    book.decrypt(opened)
    assert len(list(openpyxl.load_workbook(opened).worksheets[-1])) >= 31


def test_what_cannot_have_a_password_is_told(
    client: TestClient, conn: Connection, database_url: str, tmp_path: Path
) -> None:
    for given in (
        "short",
        "x" * 128,
        "あ" * 43,
        "tab\tinside",
        "\uff21" * 9,
        123456,
        ["secret!"],
        {"a": "secret!"},
    ):
        told = wrong(client, password=given)
        assert set(told) == {"password"}
        assert str(given) not in str(told)
    assert "csv would be open to everybody" in wrong(client, formats=["csv", "xlsx"])["password"]
    assert "csv" in wrong(client, formats=["zip"])["password"]
    assert "reuse" in wrong(client, reuse={"maxAgeSeconds": 60})["password"]
    kept = {"name": "n", "reportType": "calendar", "cron": "0 7 * * *", "password": PASSWORD}
    refused = problem(client.post("/v1/schedules", json=kept), 422, "invalid_request")
    assert "one by one" in refused["violations"][0]["message"]
    with TestClient(an_app(database_url, tmp_path)) as without:
        told = wrong(without)
        assert "SECRETS_KEY_FILE" in told["password"]
        headers = {"Idempotency-Key": "k"}
        assert without.post("/v1/jobs", json=ASKED, headers=headers).status_code == 422
    assert count(conn, "jobs") == count(conn, "job_passwords") == 0

    assert client.post("/v1/jobs", json={**ASKED, "formats": ["xlsx", "zip"]}).is_success
    assert client.post("/v1/jobs:estimate", json=ASKED).is_success


def test_the_same_key_with_another_password_is_another_request(
    client: TestClient, conn: Connection, tmp_path: Path
) -> None:
    headers = {"Idempotency-Key": "k"}
    first = client.post("/v1/jobs", json=ASKED, headers=headers)

    again = client.post("/v1/jobs", json=ASKED, headers=headers)
    assert (again.json()["jobId"], again.headers["Idempotent-Replayed"]) == (first.json()["jobId"], "true")
    spaced = client.post("/v1/jobs", json={**ASKED, "formats": ["xlsx", "xlsx"]}, headers=headers)
    assert spaced.json()["jobId"] == first.json()["jobId"], "the same in another spelling"
    for other in ({**ASKED, "password": "another one"}, {k: v for k, v in ASKED.items() if k != "password"}):
        problem(client.post("/v1/jobs", json=other, headers=headers), 422, "idempotency_key_reused")

    # A newer key seals from now on; what was asked before is still the same request.
    file = tmp_path / "secrets.keys"
    file.write_text(f"{file.read_text()}newer {base64.b64encode(bytes([7]) * 32).decode()}\n")
    assert client.post("/v1/jobs", json=ASKED, headers=headers).json()["jobId"] == first.json()["jobId"]
    problem(client.post("/v1/jobs", json={**ASKED, "password": "another one"}, headers=headers), 422,
            "idempotency_key_reused")  # fmt: skip


def test_the_digest_of_a_request_tells_nobody_its_password(client: TestClient, conn: Connection) -> None:
    body = json.dumps(ASKED)
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    client.post("/v1/jobs", content=body, headers=headers)

    [stored] = conn.execute(text("SELECT body_digest, meaning_digest FROM idempotency_keys")).all()
    guessed = {hashlib.sha256(one.encode()).hexdigest() for one in (body, json.dumps(ASKED, separators=(",", ":")))}
    assert not guessed & {stored.body_digest, stored.meaning_digest}


def test_a_retry_needs_a_password_anew(client: TestClient, conn: Connection) -> None:
    job_id = client.post("/v1/jobs", json=ASKED).json()["jobId"]
    assert client.post(f"/v1/jobs/{job_id}:cancel").is_success
    assert count(conn, "job_passwords") == 0
    own = f"/v1/jobs/{job_id}:retry"

    refused = problem(client.post(own), 422, "invalid_request")["violations"]
    assert [(v["field"], v["code"]) for v in refused] == [("password", "required")]
    assert client.get(client.post(own, json={"password": "a new one"}).json()["links"]["self"]).json()["encrypted"]
    bare = client.post(own, json={"password": None, "formats": ["csv"]}).json()["links"]["self"]
    assert client.get(bare).json()["encrypted"] is False
    assert count(conn, "job_passwords") == 1


def test_a_deletion_and_an_expiry_blank_it_too(client: TestClient, conn: Connection) -> None:
    jobs = [client.post("/v1/jobs", json=ASKED).json()["jobId"] for _ in range(2)]
    started(conn, UUID(jobs[0]))
    assert client.delete(f"/v1/jobs/{jobs[0]}?cancel=true").is_success
    assert count(conn, "job_passwords") == 1
    assert passwords.read(conn, UUID(jobs[1])) is not None
    assert client.delete(f"/v1/jobs/{jobs[1]}?cancel=true").is_success
    assert count(conn, "job_passwords") == 0


def test_a_worker_without_the_key_gives_the_job_back_uncharged(
    client: TestClient, bench: Bench, conn: Connection, database_url: str
) -> None:
    job_id = client.post("/v1/jobs", json=ASKED).json()["jobId"]
    bench.start(REPORT_SOURCE_URL=database_url)
    bench.ring(f'{{"jobId": "{job_id}"}}')
    eventually(lambda: row(conn, UUID(job_id)).error is not None, what="given back")

    found = row(conn, UUID(job_id))
    assert (found.status, found.attempt, found.error["code"]) == ("PENDING", 0, "password_not_readable")
    assert count(conn, "job_passwords") == 1


def test_a_password_is_sealed_anew_with_the_newest_key(
    client: TestClient, conn: Connection, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    job_id = UUID(client.post("/v1/jobs", json=ASKED).json()["jobId"])
    file = tmp_path / "secrets.keys"
    before = file.read_text()
    file.write_text(f"{before}newer {base64.b64encode(bytes([7]) * 32).decode()}\n")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SECRETS_KEY_FILE", str(file))

    assert main(["secrets", "reseal"]) == 0
    assert main(["secrets", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == ["test\t0\tTrue\tFalse", "newer\t1\tTrue\tTrue"]
    file.write_text(file.read_text().splitlines()[-1] + "\n")
    sealed = passwords.read(conn, job_id)
    assert sealed is not None
    assert secret_keys(tmp_path).open(sealed, of=passwords.owner_of_password(job_id)).decode() == PASSWORD


def test_the_console_asks_for_a_password_and_shows_none(client: TestClient, conn: Connection) -> None:
    page = client.get("/console/new/calendar").text
    assert re.search(
        r'<input id="o.password" name="o.password" value="" autocomplete="new-password"[^>]* type="password"', page
    )
    form = {"p.from": "2026-01-01", "p.to": "2026-01-31", "format": "xlsx", "o.password": PASSWORD, "key": "k"}
    other_ways = client.post("/console/new/calendar/estimate", data=form).text
    assert "--password-file -" in other_ways
    assert "getpass" in other_ways
    wrong = client.post("/console/new/calendar", data={**form, "p.to": "never"})
    for told in (other_ways, wrong.text):
        assert "battery" not in told
        assert "電池" not in told

    made = client.post("/console/new/calendar", data=form, follow_redirects=False).headers["location"]
    assert count(conn, "job_passwords") == 1
    job_id = made.rsplit("/", 1)[-1]
    client.post(f"/v1/jobs/{job_id}:cancel")
    assert "Required to open the files" in client.get(made).text

    again = client.get(f"/console/new/calendar?from={job_id}").text
    assert 'name="o.protected" value="1"' in again
    assert "required" in re.search(r'<input id="o.password"[^>]*>', again)[0]  # type: ignore[index]
    bare = {**form, "o.password": "", "o.protected": "1", "key": "k2"}
    assert "was not stored" in client.post("/console/new/calendar", data=bare).text
    assert 'name="password" autocomplete="new-password"' in client.get(f"/console/jobs/{job_id}/retry").text
    client.post(f"/console/jobs/{job_id}/retry", data={"key": "r", "password": "a new one"})
    assert count(conn, "job_passwords") == 1
    assert count(conn, "jobs") == 2


def test_a_bulk_retry_leaves_them_to_whoever_knows_the_password(client: TestClient, conn: Connection) -> None:
    job_id = client.post("/v1/jobs", json=ASKED).json()["jobId"]
    client.post(f"/v1/jobs/{job_id}:cancel")
    asked = {"action": "retry", "filter": {"status": ["CANCELLED"]}, "reason": "again"}
    found = client.post("/v1/bulk", json=asked)
    assert found.is_success, found.text
    assert found.json()["matched"]["outcomes"] == {"refused": 1}
