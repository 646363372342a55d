"""Changes by clients are recorded with the change: who, with which key and request, from where."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import audit
from tests.support.api_app import an_app
from tests.support.jobs import row, started


@pytest.fixture
def trail(conn: Connection) -> "Trail":
    return Trail(conn)


class Trail:
    """Everything in the table, oldest first."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def __call__(self) -> list[dict[str, Any]]:
        rows = self._conn.execute(text("SELECT * FROM audit ORDER BY id")).mappings()
        return [{name: value for name, value in found.items() if value is not None} for found in rows]


def _submit(client: TestClient) -> UUID:
    return UUID(client.post("/v1/jobs").json()["jobId"])


def test_a_cancellation_is_written_down_and_a_submission_is_not(
    database_url: str, conn: Connection, scratch: Path, trail: Trail
) -> None:
    with TestClient(an_app(database_url, scratch)) as client:
        waiting, running = _submit(client), _submit(client)
        started(conn, running)
        assert trail() == []
        for job_id, status in ((waiting, 200), (running, 202), (waiting, 200)):
            cancelled = client.post(f"/v1/jobs/{job_id}:cancel", headers={"X-Request-Id": f"r-{status}"})
            assert cancelled.status_code == status
        assert client.post(f"/v1/jobs/{uuid4()}:cancel").status_code == 404

    told = [(e["tenant"], e["action"], e["object"], e["after"], e["request_id"]) for e in trail()]
    assert told == [
        ("default", "jobs.cancel", f"jobs/{waiting}", {"outcome": "cancelled"}, "r-200"),
        ("default", "jobs.cancel", f"jobs/{running}", {"outcome": "requested"}, "r-202"),
    ]
    assert all("subject" not in entry and "key_id" not in entry for entry in trail())


def test_what_cannot_be_written_down_does_not_happen(
    database_url: str, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the trail is full")

    monkeypatch.setattr(audit, "record", refuse)
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        job_id = _submit(client)
        assert client.post(f"/v1/jobs/{job_id}:cancel").status_code == 500

    assert row(conn, job_id).status == "PENDING"
