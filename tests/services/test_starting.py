"""Starting services: their messages while something is missing, and a stop signal meanwhile."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.emulator import Emulator
from deploy.local.processes import free_port
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.unavailable import DatabaseUnavailable
from shared.queues.interface import QueueUnavailable
from shared.queues.sqs import SqsQueue
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]


class Started:
    """A service, and the lines it writes."""

    def __init__(self, service: str, **settings: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PG"))}
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"services.{service}"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, env={**kept, **keys, **settings},
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines += self.process.stderr

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines)]

    def event(self, name: str) -> dict[str, Any]:
        return (
            eventually(
                lambda: next((line for line in self.events() if line["event"] == name), None), what=f"it logs {name}"
            )
            or {}
        )

    def end(self) -> int:
        code = self.process.wait(60)
        self._reader.join(10)
        return code


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of a service whose database and queue are not there."""
    return {
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        "SQS_QUEUE_URL": f"http://127.0.0.1:{free_port()}/1/missing",
        "ARTIFACT_URL": tmp_path.as_uri(), "WORKER_SCRATCH": str(tmp_path),
        "METRICS_HOST": "127.0.0.1", "METRICS_PORT": "0", "API_HOST": "127.0.0.1", "API_PORT": str(free_port()),
    }  # fmt: skip


@pytest.fixture
def running() -> Iterator[list[Started]]:
    """Ended at the end, whatever happened."""
    services: list[Started] = []
    yield services
    for service in services:
        service.process.kill()
        service.process.wait(10)


@pytest.mark.parametrize(("name", "prefix"), [("api", "API"), ("relay", "METRICS"), ("worker", "METRICS")])
def test_a_port_that_another_service_has_is_told_with_its_setting(
    name: str, prefix: str, settings: dict[str, str], running: list[Started]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = Started(name, **{**settings, f"{prefix}_PORT": str(port)})
        running.append(service)
        code = service.end()

    assert code == 1
    assert service.lines[-1].startswith(
        f"{name}: {prefix}_PORT={port} at {prefix}_HOST=127.0.0.1 cannot be used (Address already in use): "
    )
    assert service.lines[-1].endswith(f"set {prefix}_PORT to another one\n")
    assert not [line for line in service.lines[:-1] if json.loads(line)["event"] in {f"{name}.ready", "process.broken"}]


@pytest.mark.parametrize("name", ["api", "relay", "worker"])
def test_a_service_that_is_stopped_while_it_waits_never_says_that_it_is_ready(
    name: str, settings: dict[str, str], running: list[Started]
) -> None:
    service = Started(name, **settings)
    running.append(service)
    service.event("service.waiting")

    service.process.send_signal(signal.SIGTERM)

    assert service.end() == 0
    events = [line["event"] for line in service.events()]  # all of them JSON
    assert events[-1] == "service.stopped"
    assert not [event for event in events if "ready" in event or event in {"pass.failed", f"{name}.stopped"}]


@pytest.mark.parametrize("name", ["relay", "worker"])
def test_a_service_says_where_its_queue_is_and_in_which_region(
    name: str, settings: dict[str, str], running: list[Started]
) -> None:
    queue = "https://sqs.eu-west-1.amazonaws.com/1/q"
    service = Started(name, **{**settings, "SQS_QUEUE_URL": queue})
    running.append(service)

    line = service.event("queue.opened")

    assert (line["queue_url"], line["region"]) == (queue, "eu-west-1")
    assert line["endpoint"] == "https://sqs.eu-west-1.amazonaws.com"


def test_a_queue_somewhere_else_than_requests_go_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody, elsewhere = free_port(), free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody}")
    queue = SqsQueue(f"http://127.0.0.1:{elsewhere}/1/q", region="eu-west-1")

    with pytest.raises(QueueUnavailable, match=rf"set AWS_ENDPOINT_URL=http://127\.0\.0\.1:{elsewhere}$"):
        queue.check()


def test_a_missing_queue_at_the_right_address_needs_no_such_hint(aws: Emulator) -> None:
    with pytest.raises(QueueUnavailable) as refused:
        SqsQueue(f"{aws.endpoint_url}/000000000000/missing", region="us-east-1").check()
    assert "AWS_ENDPOINT_URL" not in str(refused.value)


def test_a_wrong_password_and_a_missing_database_are_not_called_silence(database_url: str) -> None:
    address, _, database = database_url.rpartition("/")
    wrong = f"postgresql://postgres:wrong@{address.rpartition('@')[2]}/{database}"

    with pytest.raises(DatabaseUnavailable, match=r"refuses the login: .* check user and password in DATABASE_URL"):
        check_database(create_engine(wrong, application_name="test"))
    with pytest.raises(DatabaseUnavailable, match=r"refuses the connection: .*does not exist"):
        check_database(create_engine(f"{address}/no_such_database", application_name="test"))
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        check_database(create_engine(f"postgresql://u@127.0.0.1:{free_port()}/d", application_name="test"))
