"""The console's pages over a database, opened by a user of the tenant `acme` with all scopes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import OWN
from tests.support.api_app import an_app

PATHS: Mapping[str, str] = {
    "my reports": "/console",
    "jobs": "/console/jobs?size=100",
    "jobs, no match": "/console/jobs?status=CANCELLED&createdAfter=-30d",
    "jobs that took long, no match": "/console/jobs?tookAtLeast=30d",
    "newer jobs": "/console/part/newer?kind=jobs&than={job}",
    "one job": "/console/jobs/{job}",
    "one job, what webhooks were told": "/console/jobs/{job}/deliveries",
    "one job, who changed it": "/console/jobs/{job}/audit",
    "report types": "/console/report-types",
    "one report type": "/console/report-types/calendar",
    "overview": "/console/overview?period=7d",
    "queues": "/console/queues",
    "audit trail": "/console/audit",
    "bulk actions": "/console/bulk",
    "schedules": "/console/schedules",
    "webhooks": "/console/webhooks",
}
"""By name. `{job}` stands for a job in the middle."""


@contextmanager
def visitor(url: str, conn: Connection, folder: Path) -> Iterator[TestClient]:
    """A browser that is signed in."""
    settings = {"API_AUTH": "keys", "API_RATE_LIMIT": "1000000"}
    key = api_keys.create_key(conn, tenant="acme", name="bench", scopes=OWN)
    with TestClient(an_app(url, folder, **settings), base_url="http://localhost", follow_redirects=False) as client:
        assert client.post("/console/sign-in", data={"key": key}).status_code == 303
        yield client


def open_page(client: TestClient, path: str, job: object) -> None:
    """Open it. It must be there, and whole."""
    answer = client.get(path.format(job=job))
    assert answer.status_code == 200, (path, answer.text)
    assert "not-looked-at" not in answer.text, path
