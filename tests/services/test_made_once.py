"""A request whose Idempotency-Key is in use elsewhere is refused in the same way, whatever it creates."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import OWN
from shared.database.statements import statement_name
from tests.support.api_app import an_app, finished, problem
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls
from tests.support.webhooks import secret_keys

KEYED = {"Idempotency-Key": "k"}
_PATIENCE_S = 30


@pytest.fixture
def client(database_url: str, scratch: Path, tmp_path: Path, conn: Connection) -> Iterator[TestClient]:
    """An API that waits for a lock for a moment only."""
    secret_keys(tmp_path)
    url = service_urls(database_url)["api"] + "?options=-c%20lock_timeout%3D50ms"
    app = an_app(url, scratch, API_AUTH="keys", SECRETS_KEY_FILE=str(tmp_path / "secrets.keys"))
    with TestClient(app, raise_server_exceptions=False) as client:
        key = api_keys.create_key(conn, tenant="acme", name="admin", scopes=OWN)
        client.headers.update({"Authorization": f"Bearer {key}", **KEYED})
        yield client


def a_file(client: TestClient, conn: Connection, scratch: Path) -> str:
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch, b"a\n1\n")
    return f"/v1/jobs/{job_id}/artifacts/calendar.csv:share"


def a_key(client: TestClient, _conn: Connection, _scratch: Path) -> str:
    made = client.post("/v1/keys", json={"name": "old", "scopes": ["jobs:read"]}, headers={"Idempotency-Key": "other"})
    return f"/v1/keys/{made.json()['keyId']}:rotate"


def a_schedule(client: TestClient, _conn: Connection, _scratch: Path) -> str:
    asked = {"name": "s", "reportType": "calendar", "cron": "0 7 * * *"}
    made = client.post("/v1/schedules", json=asked, headers={"Idempotency-Key": "other"})
    return f"{made.json()['links']['self']}:run"


@pytest.mark.parametrize(
    ("path", "body", "table"),
    [
        ("/v1/keys", {"name": "ci", "scopes": ["jobs:read"]}, "api_keys"),
        (a_key, {}, "api_keys"),
        ("/v1/schedules", {"name": "s", "reportType": "calendar", "cron": "0 7 * * *"}, "schedules"),
        ("/v1/webhooks", {"url": "https://example.com/a"}, "webhooks"),
        (a_file, {}, "shares"),
        ("/v1/bulk", {"action": "cancel"}, "bulk_actions"),
        (a_schedule, None, "jobs"),
    ],
    ids=["key", "rotation", "schedule", "webhook", "link", "bulk action", "run of a schedule"],
)
def test_a_key_of_a_request_that_is_at_work_may_be_sent_again(
    client: TestClient, conn: Connection, scratch: Path, path: Any, body: dict[str, Any] | None, table: str
) -> None:
    path = path if isinstance(path, str) else path(client, conn, scratch)
    before = count(conn, table)
    inside, leave = threading.Event(), threading.Event()

    def waits(_conn: object, _cursor: object, sql: str, *_: object) -> None:
        """The first that writes down what it has done waits in its transaction."""
        if statement_name(sql) == "audit.record" and not inside.is_set():
            inside.set()
            assert leave.wait(_PATIENCE_S)

    event.listen(client.app.state.parts.engine, "before_cursor_execute", waits)  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, path, json=body)
        try:
            assert inside.wait(_PATIENCE_S)
            answer = client.post(path, json=body)
            told = problem(answer, 409, "idempotency_in_flight")
            assert told["retryable"]
            assert int(answer.headers["retry-after"]) > 0
        finally:
            leave.set()
        assert first.result(_PATIENCE_S).status_code == (202 if table == "jobs" else 201)
    again = client.post(path, json=body)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (first.result().status_code, "true")
    assert count(conn, table) == before + 1
