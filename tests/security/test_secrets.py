"""Secrets are planted where a deployment has them; faults occur; no output that anyone can read shows one."""

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url

from shared.access import api_keys
from tests.support.eventually import eventually
from tests.support.faults.plan import Fault
from tests.support.otlp import Collector
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services
from tests.support.sqs.server import Door

PASSWORD = "role-canary"
"""What tests/support/postgres/roles.py gives each service's role."""
AWS, SOURCE, WRONG = "aws-canary-5b1f", "source-canary-93ad", "todoke_wrong-canary-77e0"
_KEPT = """
    SELECT concat_ws(' ', j.*::text) FROM jobs AS j UNION ALL SELECT concat_ws(' ', e.*::text) FROM job_events AS e
     UNION ALL SELECT concat_ws(' ', o.*::text) FROM outbox AS o
     UNION ALL SELECT concat_ws(' ', r.*::text) FROM outbox_retry AS r
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def _with_password(url: str, password: str, **changes: object) -> str:
    return make_url(url).set(password=password, **changes).render_as_string(hide_password=False)  # type: ignore[arg-type]


def _failures(services: Services, key: str) -> list[httpx.Response]:
    """Ask for everything, rightly and wrongly."""
    right = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=services.url, timeout=60) as client:
        answers = [
            client.post("/v1/jobs", json={}, headers={"Authorization": f"Bearer {WRONG}"}),
            client.post("/v1/jobs", json={}, headers={"Authorization": f"Basic {WRONG}"}),
            client.post("/v1/jobs", json={}, headers=right),
            client.post("/v1/jobs", content=b"{", headers={**right, "Content-Type": "application/json"}),
            client.post("/v1/jobs", json={"reportType": "nobody"}, headers=right),
            client.get("/v1/jobs/nobody", headers=right),
            client.get("/v1/jobs", headers=right),
        ]
        answers += [client.get(path, headers=right) for path in ("/openapi.json", "/livez", "/v1/report-types")]
        ports = (services.port(name) for name in ("api", "relay", "worker"))
        answers += [client.get(f"http://127.0.0.1:{port}/{at}") for port in ports for at in ("metrics", "readyz")]
    return answers


def _assert_hidden(secrets: dict[str, str], places: dict[str, str]) -> None:
    shown = [
        f"{what} in {where}" for where, content in places.items() for what, one in secrets.items() if one in content
    ]
    assert not shown


class _Away:
    """A queue that breaks every connection."""

    def at(self, effect: str) -> Fault:
        del effect
        return Fault.NOT_APPLIED


def test_no_secret_shows_when_everything_fails(
    database_url: str, conn: Connection, tmp_path: Path, collector: Collector
) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="canary")
    secrets = {"password": PASSWORD, "AWS": AWS, "key": key, "source": SOURCE, "wrong key": WRONG}
    settings = {
        "API_AUTH": "keys", "LOG_LEVEL": "DEBUG", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200", "WORKER_RETRY_BASE_S": "0.05", "WORKER_RETRY_CAP_S": "0.05",
        "REPORT_SOURCE_URL": _with_password(database_url, SOURCE, username="nobody", host="127.0.0.1"),
    }  # fmt: skip
    urls = service_urls(database_url)
    with Door() as door:
        door.queues.make("jobs", max_receive_count=20)
        aws = {**door.environment(), "AWS_SECRET_ACCESS_KEY": AWS}
        queue = door.queue_url("jobs")
        with Services(tmp_path, database_urls=urls, queue_url=queue, aws=aws, zygote=None, **settings) as services:
            for name in ("api", "relay", "worker"):
                services.start(name)
            answers = [_failed(services, key)]
            door.faults = _Away()
            answers += _failures(services, key)
            eventually(lambda: "relay.queue_away" in _log(services, "relay"), within_s=60, what="the relay complains")
            eventually(lambda: collector.spans, within_s=60, what="a trace arrives")
            answers += _failures(services, key)
    assert {400, 401, 404} <= {a.status_code for a in answers}
    places = {f"{n} {a.request.method} {a.request.url}": f"{a.headers} {a.text}" for n, a in enumerate(answers)}
    places |= {log.name: log.read_text() for log in tmp_path.glob("*.log")}
    places["tables"] = "\n".join(conn.execute(text(_KEPT)).scalars())
    places["traces"] = repr(collector.spans)
    assert "source_unavailable" in places["tables"]
    _assert_hidden(secrets, places)


def _failed(services: Services, key: str) -> httpx.Response:
    """The job of a report whose source refuses the password, after its last attempt."""
    with httpx.Client(base_url=services.url, timeout=60, headers={"Authorization": f"Bearer {key}"}) as client:
        job = client.post("/v1/jobs", json={})
        assert job.status_code == 202, job.text

        def ended() -> httpx.Response | None:
            answer = client.get(f"/v1/jobs/{job.json()['jobId']}")
            return answer if answer.json()["status"] == "FAILED" else None

        found = eventually(ended, within_s=90, what="the job fails")
    assert found is not None
    return found


def _log(services: Services, name: str) -> str:
    log = services.folder / f"{name}.log"
    return log.read_text() if log.exists() else ""


@pytest.mark.parametrize("name", ["api", "relay", "worker"])
def test_a_start_with_a_wrong_password_does_not_show_it(name: str, database_url: str, tmp_path: Path) -> None:
    wrong = _with_password(database_url, SOURCE, username="nobody", host="127.0.0.1")
    urls = dict.fromkeys(("api", "relay", "worker"), wrong)
    with Services(
        tmp_path, database_urls=urls, queue_url="http://127.0.0.1:9/none", aws={}, LOG_LEVEL="DEBUG"
    ) as services:
        process = services.start(name, wait=False)
        eventually(
            lambda: process.poll() is not None or "database" in _log(services, name), within_s=60, what="it complains"
        )
        _assert_hidden({"password": SOURCE}, {name: _log(services, name)})
