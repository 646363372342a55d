"""The HEALTHCHECK of an image."""

import socket
import threading
from collections.abc import Iterator

import pytest

from shared.runtime import healthcheck
from shared.runtime.ops_server import OpsServer


@pytest.fixture
def ops() -> Iterator[OpsServer]:
    server = OpsServer("127.0.0.1", 0, {})
    yield server
    server.close()


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1"])  # noqa: S104 - looked up, not bound
def test_a_service_that_answers_is_healthy(ops: OpsServer, host: str) -> None:
    environment = {"METRICS_HOST": host, "METRICS_PORT": str(ops.port)}

    assert healthcheck.main(["METRICS", "9090"], environment) == 0


def test_without_a_variable_it_asks_the_default_port(ops: OpsServer) -> None:
    assert healthcheck.main(["METRICS", str(ops.port)], {}) == 0


def test_nobody_listening_is_unhealthy(ops: OpsServer) -> None:
    ops.close()

    assert healthcheck.main(["METRICS", str(ops.port)], {}) == 1


def test_a_service_that_accepts_and_says_nothing_is_unhealthy_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthcheck, "_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert healthcheck.main(["METRICS", str(silent.getsockname()[1])], {}) == 1


def test_something_else_on_the_port_is_unhealthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(10)

        def answer() -> None:
            conn, _ = other.accept()
            with conn:
                conn.recv(1000)
                conn.sendall(b"220 mail.example.org ESMTP\r\n")

        threading.Thread(target=answer).start()
        assert not healthcheck.is_healthy("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize("arguments", [[], ["METRICS"], ["METRICS", "port"]])
def test_a_wrong_call_is_told_from_an_unhealthy_service(arguments: list[str]) -> None:
    assert healthcheck.main(arguments, {}) == 2


@pytest.mark.parametrize("host", ["::1", "::"])
def test_a_service_that_listens_on_ipv6_is_healthy(host: str) -> None:
    server = OpsServer(host, 0, {})
    try:
        environment = {"METRICS_HOST": host, "METRICS_PORT": str(server.port)}
        assert healthcheck.main(["METRICS", "9090"], environment) == 0
    finally:
        server.close()
