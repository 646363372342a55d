"""`Prefer: wait` on a real process and a real socket: the cost of a thousand clients, and what happens
when one leaves.
"""

import asyncio
import json
import resource
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from shared.jobs.cancel import cancel
from shared.jobs.submit import submit
from shared.jobs.viewer import Viewer
from tests.support.api_app import all_places_taken
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy
from tests.support.jobs import a_job, a_submission
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services

_MANY = 1_000


@pytest.fixture
def services(database_url: str, tmp_path: Path) -> Iterator[Services]:
    """An API that is on its own, with room for a thousand sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    urls = service_urls(database_url)
    with Services(tmp_path, database_urls=urls, queue_url="http://127.0.0.1:9/none", aws={}) as running:
        yield running


class Client:
    """One connection with one long poll."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def ask(cls, services: Services, job_id: UUID, wait_s: int = 30) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", services.port("api"))
        writer.write(f"GET /v1/jobs/{job_id} HTTP/1.1\r\nHost: x\r\nPrefer: wait={wait_s}\r\n\r\n".encode())
        await writer.drain()
        return cls(reader, writer)

    async def answer(self) -> tuple[str, dict[str, Any]]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        return head, json.loads(await self.reader.readexactly(size))

    def hang_up(self) -> None:
        self.writer.transport.abort()


def _sessions(conn: Connection) -> list[Any]:
    """What the API's connections did last, and when."""
    asked = "SELECT query, query_start FROM pg_stat_activity WHERE application_name = 'todoke-api'"
    return list(conn.execute(text(asked)))


def _looked_at(conn: Connection) -> Any:
    return [row.query_start for row in _sessions(conn) if "jobs.changed" in row.query]


def _hung_up(services: Services) -> float:
    """Requests that ended because their client had gone."""
    families = text_string_to_metric_families(services.metrics("api"))
    samples = [s for family in families for s in family.samples if s.labels.get("status") == "499"]
    return sum(sample.value for sample in samples if sample.name == "todoke_api_requests_total")


def _threads(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("Threads:")[1].split()[0])


def test_a_thousand_long_polls_hold_no_thread_and_no_connection_of_their_own(
    services: Services, conn: Connection
) -> None:
    jobs = [job.id for job in (a_submission(tenant="default") for _ in range(_MANY)) if submit(conn, [job])]
    api = services.start("api")

    async def act() -> None:
        clients = [await Client.ask(services, job) for job in jobs]
        answers = [asyncio.create_task(client.answer()) for client in clients]
        # One connection looks at those that wait by now.
        await asyncio.to_thread(eventually, lambda: len(_looked_at(conn)) == 1, what="somebody looks")
        assert (await asyncio.to_thread(httpx.get, f"{services.url}/readyz", timeout=20)).status_code == 200
        assert not [answer for answer in answers if answer.done()]
        assert _threads(api.pid) < 20, "jobs are read on the event loop"
        assert len(_sessions(conn)) <= 10

        assert cancel(conn, jobs[500], Viewer("default")) == "cancelled"
        began = time.monotonic()
        head, job = await asyncio.wait_for(answers[500], 10)
        assert time.monotonic() - began < 2
        assert (job["status"], "preference-applied: wait=30" in head) == ("CANCELLED", True)
        assert sum(answer.done() for answer in answers) == 1
        for answer, client in zip(answers, clients, strict=True):
            answer.cancel()
            client.hang_up()
        await asyncio.to_thread(eventually, lambda: _hung_up(services) == _MANY - 1, what="all are forgotten")

    asyncio.run(act())


def test_one_that_hangs_up_is_forgotten_at_once(services: Services, conn: Connection) -> None:
    job_id = a_job(conn, tenant="default")
    services.start("api")

    async def act() -> None:
        client = await Client.ask(services, job_id)
        await asyncio.to_thread(eventually, lambda: _looked_at(conn), what="somebody looks")
        before = _looked_at(conn)
        await asyncio.to_thread(eventually, lambda: _looked_at(conn) != before, what="again and again")
        client.hang_up()
        await asyncio.to_thread(eventually, lambda: _hung_up(services) == 1, within_s=5, what="it is forgotten")
        last = _looked_at(conn)
        await asyncio.sleep(1)
        assert _looked_at(conn) == last, "nobody waits, so nobody looks"

    asyncio.run(act())


def _app_settings(url: str, folder: Path) -> ApiSettings:
    return ApiSettings.from_environment({"DATABASE_URL": url, "ARTIFACT_URL": folder.as_uri()})


def test_more_than_may_wait_are_answered_at_once_and_told_so(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    job_id = a_job(conn, tenant="default")
    parts = assemble(_app_settings(database_url, scratch))
    with TestClient(create_app(replace(parts, jobs=None))) as client, all_places_taken(parts.watcher):
        began = time.monotonic()
        answer = client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=30"})
        known = {"Prefer": "wait=30", "If-None-Match": answer.headers["etag"]}
        unchanged = client.get(f"/jobs/{job_id}", headers=known)

        assert time.monotonic() - began < 20
        assert (answer.status_code, answer.json()["status"], unchanged.status_code) == (200, "PENDING", 304)
        for each in (answer, unchanged):
            assert "preference-applied" not in each.headers
            assert each.headers["retry-after"] == "1"


@pytest.mark.parametrize("known", [False, True])
def test_a_wait_that_nothing_ends_is_answered_in_time(
    database_url: str, conn: Connection, scratch: Path, known: bool
) -> None:
    job_id = a_job(conn, tenant="default")
    with TestClient(create_app(assemble(_app_settings(database_url, scratch)))) as client:
        etag = client.get(f"/jobs/{job_id}").headers["etag"]
        began = time.monotonic()
        answer = client.get(
            f"/jobs/{job_id}", headers={"Prefer": "wait=1", **({"If-None-Match": etag} if known else {})}
        )

        assert 1 <= time.monotonic() - began < 15
        assert answer.status_code == (304 if known else 200)
        assert answer.headers["preference-applied"] == "wait=1"
        assert answer.headers["etag"] == etag


def test_a_wait_that_outlives_the_database_ends_in_503_and_the_next_one_works(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    job_id = a_job(conn, tenant="default")
    at = urlsplit(database_url)
    with Proxy(str(at.hostname), int(at.port or 5432)) as proxy:
        app = create_app(assemble(_app_settings(proxy.url(database_url), scratch)))
        with TestClient(app, raise_server_exceptions=False) as client:

            def away() -> None:
                proxy.refusing = True
                proxy.cut()

            timer = threading.Timer(0.5, away)
            timer.start()
            answer = client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=4"})
            timer.join()
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")

            proxy.refusing = False
            assert client.get(f"/jobs/{job_id}", headers={"Prefer": "wait=1"}).status_code == 200


def test_at_a_stop_everybody_who_waits_is_answered_at_once_with_the_job_as_it_is(
    services: Services, conn: Connection
) -> None:
    job_id = a_job(conn, tenant="default")
    api = services.start("api")

    async def act() -> None:
        clients = [await Client.ask(services, job_id) for _ in range(20)]
        await asyncio.to_thread(eventually, lambda: _looked_at(conn), what="somebody waits")
        api.send_signal(signal.SIGTERM)
        for head, job in await asyncio.wait_for(asyncio.gather(*(client.answer() for client in clients)), 60):
            assert head.startswith("http/1.1 200")
            assert job["status"] == "PENDING"

    asyncio.run(act())
    assert api.wait(30) == 0
    log = (services.folder / "api.log").read_text()
    assert "api.stopped" in log
    assert "CancelledError" not in log
    assert "graceful" not in log, "nobody was waited for until the end of the grace"
