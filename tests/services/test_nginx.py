"""The shipped configuration of nginx, run by Debian's nginx before the API."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy.engine import Connection

from deploy.local.processes import free_port
from tests.services.test_api import finished
from tests.support.api_server import serving
from tests.support.certificates import self_signed
from tests.support.debian import tool
from tests.support.eventually import eventually
from todoke import Todoke

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_SHIPPED = Path(__file__).parents[2] / "deploy" / "proxy" / "nginx.conf"


def _here(configuration: str, folder: Path, api: int, port: int, certificate: Path, key: Path) -> str:
    """The configuration with the lines changed that say so, and with shorter times."""
    changes = {
        "pid /run/nginx.pid;": f"pid {folder}/nginx.pid; daemon off; master_process off;",
        "server api:8000;": f"server 127.0.0.1:{api};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/nginx/tls/fullchain.pem": str(certificate),
        "/etc/nginx/tls/privkey.pem": str(key),
        "client_body_timeout 10s": "client_body_timeout 1s",
        "client_header_timeout 10s": "client_header_timeout 1s",
        "server_tokens off;": "server_tokens off;" + "".join(f" {k}_temp_path {folder}/{k};" for k in _TEMPORARY),
    }
    for shipped, changed in changes.items():
        assert shipped in configuration, shipped
        configuration = configuration.replace(shipped, changed)
    return configuration


@pytest.fixture
def proxied(database_url: str, scratch: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of nginx, behind which the API is."""
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    with serving(database_url, scratch) as api:
        port = free_port()
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(_here(_SHIPPED.read_text(), tmp_path, api.port, port, certificate, key))
        log = (tmp_path / "nginx.log").open("wb")
        command: list[str | Path] = [tool("nginx"), "-e", "stderr", "-p", tmp_path, "-c", configuration]
        with subprocess.Popen(command, stdout=log, stderr=log) as nginx, log:
            trusted = ssl.create_default_context(cafile=str(certificate))
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusted, timeout=30) as client:
                try:
                    eventually(lambda: _answers(client), what=f"nginx answers: {(tmp_path / 'nginx.log').read_text()}")
                    yield client
                finally:
                    nginx.terminate()
                    nginx.wait(30)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_everything_works_through_the_shipped_proxy(proxied: httpx.Client, conn: Connection, scratch: Path) -> None:
    accepted = proxied.post("/v1/jobs", json={"reportType": "calendar"}, headers={"Idempotency-Key": '"k"'})
    assert accepted.status_code == 202
    job = accepted.headers["location"]
    assert job.startswith("/v1/jobs/")
    waited = proxied.get(job, headers={"Prefer": "wait=1"})
    assert waited.headers["preference-applied"] == "wait=1"
    assert proxied.get(job, headers={"If-None-Match": waited.headers["etag"]}).status_code == 304
    finished(conn, accepted.json()["jobId"], scratch)
    file = proxied.get(job).json()["result"]["artifacts"][0]["url"]
    assert proxied.get(file, headers={"Range": "bytes=0-2"}).content == b"day"
    head = proxied.head(file)
    assert (head.status_code, head.headers["content-length"]) == (200, "15")


def test_the_python_client_hears_of_a_job_at_once_through_the_shipped_proxy(
    proxied: httpx.Client, conn: Connection, scratch: Path, tmp_path: Path
) -> None:
    todoke = Todoke(str(proxied.base_url), http_client=proxied)
    made = todoke.jobs.create("calendar")
    states = iter(todoke.jobs.stream(made))
    assert next(states).status == "PENDING", "nginx keeps no event back"
    finished(conn, made.id, scratch)
    assert [one.status for one in states][-1] == "SUCCESS"
    [file] = todoke.jobs.download(todoke.jobs.wait(made, timeout=60), tmp_path / "out")
    assert file.path.read_bytes().startswith(b"day")


def test_clients_do_not_see_the_operators_pages(proxied: httpx.Client) -> None:
    assert [proxied.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]


def test_a_header_that_does_not_arrive_is_not_waited_for(proxied: httpx.Client, tmp_path: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    address = ("127.0.0.1", proxied.base_url.port or 443)
    with (
        socket.create_connection(address, timeout=30) as plain,
        trusted.wrap_socket(plain, server_hostname=address[0]) as client,
    ):
        client.sendall(b"GET /healthz HT")
        assert client.recv(1) == b"", "nginx closes"


def test_what_is_too_much_never_reaches_the_api(proxied: httpx.Client) -> None:
    assert proxied.get("/healthz", headers={"X-A": "a" * 40_000}).status_code == 400
    assert proxied.post("/v1/jobs", content=b" " * 300_000).status_code == 413

    answered = proxied.get("/metrics").headers
    assert not re.search(r"\d", answered["server"]), "no version of nginx"
