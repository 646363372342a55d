"""Report types in the console: what became of their jobs, what they took, and how they ask."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL, Scope
from tests.services.test_console import SAMPLE
from tests.support.api_app import an_app
from tests.support.postgres.roles import service_urls


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    app = an_app(service_urls(database_url)["api"], scratch, CATALOG_PATH=SAMPLE)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def test_report_types_tell_what_became_of_their_jobs_lately(client: TestClient, conn: Connection) -> None:
    counts = (
        "INSERT INTO job_minutes SELECT :tenant, 'flights-export', :outcome, {}, :jobs, 1, CAST(:buckets AS bigint[])"
    )
    now, old = "date_trunc('minute', now(), 'UTC')", "date_trunc('minute', now(), 'UTC') - interval '25 h'"
    of_a_minute = "{0,0,0,0,0,0,0,0,0,0,9,0,0,0,0,0}"
    for tenant, outcome, minute, jobs in (
        ("default", "SUCCESS", now, 9), ("default", "FAILED", now, 3), ("default", "FAILED", old, 50),
        ("globex", "FAILED", now, 70),
    ):  # fmt: skip
        told = {"tenant": tenant, "outcome": outcome, "jobs": jobs, "buckets": of_a_minute}
        conn.execute(text(counts.format(minute)), told)

    page = client.get("/console/report-types").text
    row = page.split('report-types/flights-export"')[1]
    assert re.findall(r'class="n">(?:<span class="some">)?([^<]+)<', row)[:4] == [
        "12", "25%", "≈ 1 min 30 s", "≈ 1 min 57 s",
    ]  # fmt: skip
    one = client.get("/console/report-types/flights-export").text
    assert "3 (25%)" in one
    assert "status=FAILED&amp;reportType=flights-export" in one
    assert texts("en")("types.lately_none") in client.get("/console/report-types/carrier-delays").text


def test_a_report_type_tells_what_its_jobs_took_each_day_of_a_month(client: TestClient, conn: Connection) -> None:
    row = "'flights-export', 'SUCCESS', date_trunc('{unit}', now(), 'UTC') - interval '{ago}', {jobs}, 9, "
    row += "CAST('{{0,0,0,0,0,0,0,0,0,0,9,0,0,0,0,0}}' AS bigint[])"
    for table, tenant, unit, ago, jobs in (
        ("job_minutes", "default", "minute", "0 min", 3), ("job_hours", "default", "hour", "20 d", 41),
        ("job_hours", "default", "hour", "45 d", 5), ("job_hours", "globex", "hour", "10 d", 7),
    ):  # fmt: skip
        conn.execute(text(f"INSERT INTO {table} SELECT '{tenant}', {row.format(unit=unit, ago=ago, jobs=jobs)}"))

    month = client.get("/console/report-types/flights-export").text.split('id="durations"')[1].split("</section>")[0]

    assert month.count('<th scope="row">') == 2
    assert month.count("M") >= 4, "two lines, each in two pieces"
    assert "1 min 30 s" in month
    assert "1 min 57 s" in month
    empty = client.get("/console/report-types/carrier-delays").text.split('id="durations"')[1].split("</section>")[0]
    assert texts("en")("chart.nothing") in empty


def test_the_query_is_shown_to_those_who_run_the_service_alone(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    app = an_app(database_url, scratch, API_AUTH="keys", CATALOG_PATH=SAMPLE)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        for scopes, shown in ((USUAL, False), (OWN - {Scope.ADMIN_READ}, False), (OWN, True)):
            client.cookies.clear()
            key = api_keys.create_key(conn, tenant="acme", name="ann", scopes=frozenset(map(str, scopes)))
            assert client.post("/console/sign-in", data={"key": key}).status_code == 303
            page = client.get("/console/report-types/carrier-delays").text
            assert ("SELECT" in page) is shown, scopes
            assert ("query.sql" in page) is shown, scopes
