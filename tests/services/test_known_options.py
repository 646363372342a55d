"""A worker knows every option that an API of its release writes, and gives back jobs with unknown ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.actions import checks, schedule_request
from services.api.actions.options import MOMENTS
from shared.jobs.options import KNOWN, unknown, unknown_values
from shared.jobs.passwords import ENCRYPTED
from tests.support.api_app import an_app, problem
from tests.support.jobs import a_job
from tests.support.webhooks import secret_keys

LISTENER = "https://hooks.example.com/todoke"
ASKED: dict[str, Any] = {
    "priority": 3, "maxAttempts": 2, "keepFilesSeconds": 600, "keepSeconds": 90_000, "fileName": "days",
    "callbackUrl": LISTENER, "notifyWhen": ["failure"], "timeZone": "Asia/Tokyo", "locale": "en",
    "columns": ["day"], "sort": ["-day"], "limit": 5, "csv": {"delimiter": ";"},
}  # fmt: skip
"""Everything that both jobs and schedules may be asked for with, beside what is no option."""
NO_OPTIONS = {"reportType", "parameters", "formats", "labels", "reuse"}
OF_A_SCHEDULE = {"name", "cron", "everySeconds", "until", "jitterSeconds", "misfire", "misfireMost", "overlap"}


@pytest.fixture
def client(database_url: str, tmp_path: Path) -> Iterator[TestClient]:
    secret_keys(tmp_path)
    keys = str(tmp_path / "secrets.keys")
    with TestClient(an_app(database_url, tmp_path, SECRETS_KEY_FILE=keys)) as client:
        answer = client.post("/v1/webhooks", json={"url": LISTENER, "types": []})
        assert answer.status_code == 201, answer.text
        yield client


def written(client: TestClient, conn: Connection, to: str, asked: dict[str, Any]) -> set[str]:
    """The names of the options of the only job or schedule, which is made."""
    answer = client.post(f"/v1/{to}", json={"reportType": "calendar", "formats": ["xlsx"], **asked})
    assert answer.is_success, answer.text
    [options] = conn.execute(text(f"SELECT options FROM {to}")).scalars()
    return set(options)


def test_a_worker_knows_exactly_what_the_api_writes_into_jobs(client: TestClient, conn: Connection) -> None:
    asked = {**ASKED, "runAt": "tomorrow", "notAfter": "tomorrow+1d", "password": "correct horse",
             "parameters": {"to": "today"}}  # fmt: skip
    assert asked.keys() | NO_OPTIONS == set(checks._FIELDS)

    assert written(client, conn, "jobs", asked) == KNOWN


def test_a_worker_knows_what_the_api_writes_into_schedules(client: TestClient, conn: Connection) -> None:
    asked = {**ASKED, "name": "Days", "cron": "0 7 * * *"}
    assert asked.keys() | NO_OPTIONS - {"reuse"} | OF_A_SCHEDULE == set(schedule_request.FIELDS)

    # Those of a job that no schedule asks for; the time zone is the schedule's own.
    assert written(client, conn, "schedules", asked) == KNOWN - {ENCRYPTED, *MOMENTS, "timeZone", "relativeDates"}


def test_an_unknown_option_is_named() -> None:
    assert unknown(None) == unknown({}) == unknown({"encrypted": True, "csv": {"bom": True}, "limit": 5}) == []
    assert unknown({"limit": 5, "watermark": "draft", "csv": {"quote": "'"}, "aside": None}) == [
        "aside", "csv.quote", "watermark",
    ]  # fmt: skip


def test_a_value_that_no_api_of_this_release_writes_is_named() -> None:
    """Whoever took it would fail somewhere within, or make another file than was asked for."""
    written = {**ASKED, "encrypted": True, "relativeDates": {"to": "today"}}
    assert unknown_values(written) == unknown_values(dict.fromkeys(written)) == unknown_values(None) == []
    assert unknown_values({
        "csv": {"header": "both", "bom": 1, "quote": "'", "gzip": True}, "timeZone": "Mars/Olympus", "columns": "day",
        "sort": [["day", "desc"]], "limit": "5%", "locale": ["en", "ja"], "encrypted": "aes-512", "relativeDates": [],
        "watermark": "draft",
    }) == [
        "columns 'day'", "csv.bom 1", "csv.header 'both'", "encrypted 'aes-512'", "limit '5%'", "locale a list",
        "relativeDates a list", "sort a list", "timeZone 'Mars/Olympus'",
    ]  # fmt: skip
    assert unknown_values({"csv": "excel", "limit": True, "timeZone": 9}) == ["csv 'excel'", "limit true", "timeZone 9"]
    assert unknown({"csv": "excel"}) == []


def test_an_older_api_makes_no_retry_without_what_a_newer_one_has_taken(client: TestClient, conn: Connection) -> None:
    job_id = a_job(conn, tenant="default", options={"watermark": "draft", "limit": 5})
    assert client.post(f"/v1/jobs/{job_id}:cancel").is_success

    told = problem(client.post(f"/v1/jobs/{job_id}:retry"), 422, "invalid_request")

    assert [(one["field"], one["code"]) for one in told["violations"]] == [("watermark", "unknown_option")]
