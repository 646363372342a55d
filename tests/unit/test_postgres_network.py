"""What a connection string requires: sockets, ports, files; and its hosts with their addresses."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from shared.reports.process import postgres_network
from shared.reports.process.seccomp import Sockets

HOSTS = {"db": ["10.0.0.1", "fd00::1"], "other": ["10.0.0.2"]}


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        if host not in HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [(0, 0, 0, "", (address, 0)) for address in HOSTS[host] for _again in range(2)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    ("conninfo", "environment", "sockets", "ports", "hosts"),
    [
        ("postgresql://u:p@db/x", {}, Sockets.TCP, [5432], ("db,db", "10.0.0.1,fd00::1", "5432,5432")),
        ("postgresql://u@db:6000,other/x", {}, Sockets.TCP, [5432, 6000],
         ("db,db,other", "10.0.0.1,fd00::1,10.0.0.2", "6000,6000,5432")),
        ("host=db,other port=7000", {}, Sockets.TCP, [7000],
         ("db,db,other", "10.0.0.1,fd00::1,10.0.0.2", "7000,7000,7000")),
        ("postgresql://u@[::1]:1/x", {}, Sockets.TCP, [1], ("::1", None, "1")),
        ("host=db hostaddr=10.9.9.9", {}, Sockets.TCP, [5432], ("db", "10.9.9.9", None)),
        ("dbname=x", {"PGHOST": "other", "PGPORT": "8"}, Sockets.TCP, [8], ("other", "10.0.0.2", "8")),
        ("host=/run/postgresql", {}, Sockets.UNIX, [5432], ("/run/postgresql", None, None)),
        ("dbname=x", {}, Sockets.UNIX, [5432], (None, None, None)),
        ("host=/run,other", {}, Sockets.UNIX | Sockets.TCP, [5432], ("/run,other", ",10.0.0.2", "5432,5432")),
        ("host=unknown", {}, Sockets.TCP, [5432], ("unknown", None, None)),
        ("service=elsewhere", {}, Sockets.ANY, None, (None, None, None)),
        ("dbname=x", {"PGSERVICE": "elsewhere"}, Sockets.ANY, None, (None, None, None)),
    ],
)  # fmt: skip
def test_hosts_are_looked_up_before_the_lock_down(
    conninfo: str,
    environment: Mapping[str, str],
    sockets: Sockets,
    ports: list[int] | None,
    hosts: tuple[str | None, ...],
) -> None:
    reach = postgres_network.reach_of(conninfo, environment)

    assert (reach.sockets, reach.ports) == (sockets, ports)
    given = conninfo_to_dict(reach.conninfo)
    assert tuple(given.get(name) for name in ("host", "hostaddr", "port")) == hosts


def test_what_is_no_connection_string_is_left_for_libpq_to_name() -> None:
    assert postgres_network.reach_of("host=a nonsense", {}) == postgres_network.Reach(
        Sockets.NONE, [], [], "host=a nonsense"
    )


def test_certificates_and_password_files_may_be_read() -> None:
    reach = postgres_network.reach_of("host=db sslrootcert=/ca.pem sslcert=mine.pem", {"PGPASSFILE": "/pass"})

    assert {"/ca.pem", "/pass", str(Path.home() / ".postgresql")} <= set(reach.files)


def test_what_needs_no_look_up_is_told_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)

    for conninfo in ("postgresql://u:p@127.0.0.1:6000/x", "host=/run/postgresql", "host=db hostaddr=10.9.9.9"):
        assert postgres_network.told_by(conninfo, {}) == postgres_network.reach_of(conninfo, {})
    assert postgres_network.told_by("host=127.0.0.1,db", {}) is None
