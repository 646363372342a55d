"""`POST /v1/jobs:estimate`: what a report would be, without running it and without writing anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from deploy.local.processes import free_port
from services.api.v1.estimates import EstimateView
from shared.access import api_keys
from shared.database.engine import transactional
from tests.services.test_retry_after import took
from tests.support.api_app import an_app, problem
from tests.support.jobs import count

_TYPES = {
    "many": "SELECT n FROM generate_series(1, :rows) AS n",
    "slow": "SELECT pg_sleep(60), CAST(:rows AS text)",
    "own": "SELECT n FROM generate_series(1, 500) AS n WHERE :tenant = 'acme' AND :rows > 0",
    "broken": "SELECT * FROM no_such_table WHERE :rows > 0",
    "locked": "SELECT * FROM locked WHERE :rows > 0",
    "elsewhere": "SELECT :rows AS n",
    "as-a-role": "SELECT * FROM secret WHERE :rows > 0",
}
_HEAD = 'title = "T"\nshared = true\n[parameters.rows]\ntype = "integer"\ntitle = "Rows"\ndefault = 1000\n'


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    folder = tmp_path / "catalog"
    for name, query in _TYPES.items():
        (folder / name).mkdir(parents=True)
        source = 'source = "files"\n' if name == "elsewhere" else ""
        source += 'role = { acme = "acme_only" }\n' if name == "as-a-role" else ""
        (folder / name / "report.toml").write_text(source + _HEAD)
        (folder / name / "query.sql").write_text(query)
    return folder


@pytest.fixture
def client(database_url: str, scratch: Path, catalog: Path) -> Iterator[TestClient]:
    app = an_app(database_url, scratch, CATALOG_PATH=str(catalog), REPORT_SOURCE_URL=database_url)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, report_type: str, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs:estimate", json={"reportType": report_type, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    EstimateView.model_validate(body)
    return body


def codes(body: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in body["warnings"]]


def test_rows_come_from_the_planner_and_nothing_is_written(client: TestClient, conn: Connection) -> None:
    body = asked(client, "many", parameters={"rows": 2_500_000}, formats=["xlsx"])

    assert body["expected"]["rows"] == 2_500_000
    assert body["expected"]["bytes"] > 2_500_000
    assert (body["usual"], codes(body)) == (None, ["split_over_sheets"])
    assert "3 sheets" in body["warnings"][0]["message"]
    assert [count(conn, table) for table in ("jobs", "outbox", "idempotency_keys", "audit")] == [0, 0, 0, 0]


def test_what_would_fail_is_told(client: TestClient) -> None:
    assert codes(asked(client, "many", parameters={"rows": 6_000_000})) == ["too_many_rows"]
    assert codes(asked(client, "broken")) == ["query_refused"]


def test_the_query_is_not_run(client: TestClient) -> None:
    assert asked(client, "slow")["expected"]["rows"] == 1


def test_a_source_that_does_not_answer_is_told_within_seconds(
    client: TestClient, conn: Connection, engine: Engine
) -> None:
    conn.execute(text("CREATE TABLE locked ()"))
    with transactional(engine).connect() as locking:
        locking.execute(text("LOCK TABLE locked"))
        assert codes(asked(client, "locked")) == ["source_unavailable"]
        locking.rollback()
    assert codes(asked(client, "locked")) == []


def test_it_is_asked_as_the_caller_and_nobody_else(
    database_url: str, scratch: Path, catalog: Path, conn: Connection
) -> None:
    app = an_app(database_url, scratch, CATALOG_PATH=str(catalog), REPORT_SOURCE_URL=database_url, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        rows = {}
        for tenant in ("acme", "other"):
            key = api_keys.create_key(conn, tenant=tenant, name="ann")
            rows[tenant] = asked(client, "own", {"Authorization": f"Bearer {key}"})["expected"]["rows"]
        assert rows == {"acme": 500, "other": rows["other"]}
        assert rows["other"] <= 1
        role = {}
        for tenant in ("acme", "other"):
            key = api_keys.create_key(conn, tenant=tenant, name="bob")
            role[tenant] = codes(asked(client, "as-a-role", {"Authorization": f"Bearer {key}"}))
        assert role == {"acme": ["query_refused"], "other": ["role_refused"]}
        reader = api_keys.create_key(conn, tenant="acme", name="reader", scopes=["jobs:read"])
        answer = client.post("/v1/jobs:estimate", headers={"Authorization": f"Bearer {reader}"})
        problem(answer, 403, "insufficient_scope")


def test_a_setting_that_is_missing_is_named(database_url: str, scratch: Path, catalog: Path) -> None:
    with TestClient(an_app(database_url, scratch, CATALOG_PATH=str(catalog))) as client:
        [default] = asked(client, "many")["warnings"]
        [named] = asked(client, "elsewhere")["warnings"]

    assert (default["code"], "REPORT_SOURCE_URL" in default["message"]) == ("source_not_configured", True)
    assert "REPORT_SOURCES with files=URL" in named["message"]


def test_a_source_that_is_away_or_holds_files(database_url: str, scratch: Path, catalog: Path) -> None:
    away = f"postgresql://u:secret-canary@127.0.0.1:{free_port()}/x"
    settings = {"REPORT_SOURCE_URL": away, "REPORT_SOURCES": f"files={scratch.as_uri()}"}
    with TestClient(an_app(database_url, scratch, CATALOG_PATH=str(catalog), **settings)) as client:
        body = asked(client, "many")
        assert codes(body) == ["source_unavailable"]
        assert "secret-canary" not in str(body)
        assert codes(asked(client, "elsewhere")) == ["not_estimated"]


def test_time_comes_from_history(client: TestClient, conn: Connection) -> None:
    took(conn, 14)
    conn.execute(text("UPDATE job_minutes SET report_type = 'many'"))

    body = asked(client, "many")
    assert body["usual"] == {"jobs": 100, "p50Seconds": 2700, "p95Seconds": 3510}
    assert codes(body) == ["takes_long"]


def test_what_a_submission_would_refuse_is_refused_here(client: TestClient, conn: Connection) -> None:
    answer = client.post("/v1/jobs:estimate", json={"reportType": "many", "parameters": {"rows": "x"}, "nothing": 1})
    violations = problem(answer, 422, "invalid_request")["violations"]
    assert {violation["field"] for violation in violations} == {"parameters.rows", "nothing"}
    problem(client.post("/v1/jobs:estimate", json={"reportType": "unknown"}), 404, "unknown_report_type")


def test_an_estimate_counts_as_five_requests(database_url: str, scratch: Path, catalog: Path) -> None:
    limits = {"API_RATE_LIMIT": "0.001", "API_RATE_BURST": "6"}
    with TestClient(an_app(database_url, scratch, CATALOG_PATH=str(catalog), **limits)) as client:
        asked(client, "many")
        assert client.get("/v1/report-types").status_code == 200
        problem(client.get("/v1/report-types"), 429, "rate_limited")
