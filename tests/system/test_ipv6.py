"""The whole system where there is only IPv6."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy.engine import Connection

from tests.support.faults.tcp_proxy import Proxy
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services
from tests.support.processes.zygote import Zygote
from tests.support.promises import broken
from tests.support.sqs.server import Door


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
def test_a_report_goes_through_over_ipv6_alone(
    database_url: str, conn: Connection, tmp_path: Path, zygote: Zygote
) -> None:
    database = urlsplit(database_url)
    with (
        Door() as door,
        Proxy(str(database.hostname), int(database.port or 5432), listen="::1") as to_database,
        Proxy("127.0.0.1", int(urlsplit(door.url).port or 0), listen="::1") as to_queue,
    ):
        door.queues.make("jobs", max_receive_count=20)
        urls = {name: to_database.url(url) for name, url in service_urls(database_url).items()}
        aws = {**door.environment(), "AWS_ENDPOINT_URL": to_queue.url(door.url)}
        source = {"REPORT_SOURCE_URL": to_database.url(database_url)}
        with Services(
            tmp_path,
            database_urls=urls,
            queue_url=to_queue.url(door.queue_url("jobs")),
            aws=aws,
            host="::1",
            zygote=zygote,
            **source,
        ) as services:
            for name in ("api", "relay", "worker"):
                services.start(name)
            job = services.until_final(services.submit("k", {"formats": ["csv", "xlsx"]}))

            assert job["status"] == "SUCCESS"
            files = services.todoke.jobs.download(job["jobId"], tmp_path / "files")
            assert len(files) == 2
            assert "todoke_outbox_published_total" in services.metrics("relay")
    assert broken(conn) == {}
