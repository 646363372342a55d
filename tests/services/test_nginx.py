"""The shipped configuration of nginx, run by Debian's nginx in front of the API."""

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import httpx2 as httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.processes import free_port
from shared.artifacts import disk
from tests.support.api_app import finished
from tests.support.api_server import serving
from tests.support.certificates import self_signed
from tests.support.debian import tool
from tests.support.eventually import eventually
from todoke import Todoke
from todoke.cli.app import run
from todoke.options import Submission

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


@contextlib.contextmanager
def _behind_nginx(
    database_url: str, scratch: Path, tmp_path: Path, more: Mapping[str, str] = MappingProxyType({}), **settings: str
) -> Iterator[httpx.Client]:
    """A client of nginx with these lines changed, too, behind which the API is with these settings."""
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    with serving(database_url, scratch, None, **settings) as api:
        port = free_port()
        lines = _here(_SHIPPED.read_text(), tmp_path, api.port, port, certificate, key)
        for shipped, changed in more.items():
            assert shipped in lines, shipped
            lines = lines.replace(shipped, changed)
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(lines)
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


@pytest.fixture
def proxied(database_url: str, scratch: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of nginx, behind which the API is."""
    with _behind_nginx(database_url, scratch, tmp_path) as client:
        yield client


@pytest.fixture
def accelerated(database_url: str, scratch: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """The same, where nginx itself sends the files."""
    more = {"alias /artifacts/;": f"alias {scratch}/;"}
    with _behind_nginx(database_url, scratch, tmp_path, more, API_ACCEL_REDIRECT="/_artifacts") as client:
        yield client


_ROOT = "/our/reports"


def _below_a_path(passed: str) -> Mapping[str, str]:
    """What to change where nginx shows the API below _ROOT; `passed` is where it sends requests to."""
    return {
        "location / {": f"location = /healthz {{ proxy_pass http://api/healthz; }} location {_ROOT}/ {{",
        "proxy_pass http://api;": f"proxy_pass {passed}",
        "(/reports)*": f"({_ROOT})*",
    }


_STRIPPED_OR_NOT = pytest.mark.parametrize(
    "passed", ["http://api/;", "http://api;"], ids=["nginx strips the path", "nginx leaves it"]
)


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


def test_a_batch_may_be_as_large_as_the_api_takes_it(proxied: httpx.Client) -> None:
    labels = {f"label-{n}": "x" * 255 for n in range(14)}
    wanted = [Submission(report_type="calendar", labels=labels)] * 1_000
    found = Todoke(str(proxied.base_url), http_client=proxied).jobs.create_many(wanted)
    assert len([one for one in found if one.job is not None]) == 1_000


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


@_STRIPPED_OR_NOT
def test_client_and_command_work_where_nginx_shows_the_api_below_a_path(
    passed: str, database_url: str, conn: Connection, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with _behind_nginx(database_url, scratch, tmp_path, _below_a_path(passed), API_ROOT_PATH=_ROOT) as proxied:
        url = str(proxied.base_url).rstrip("/") + _ROOT
        todoke = Todoke(url, http_client=proxied)
        changes = iter(todoke.jobs.changes())
        made = todoke.jobs.create("calendar")
        assert next(changes).id == made.id
        assert made.raw["links"]["self"].startswith(f"{_ROOT}/v1/jobs/")
        states = iter(todoke.jobs.stream(made))
        assert next(states).status == "PENDING"
        finished(conn, made.id, scratch)
        assert [one.status for one in states][-1] == "SUCCESS"
        assert [event.verb for event in todoke.jobs.events(made)] == ["submit", "start", "succeed"]

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        code = run(["download", made.id, "--url", f"{url}/", "-O", str(tmp_path / "out")])
        assert (code, capsys.readouterr().out) == (0, f"{tmp_path / 'out' / 'calendar.csv'}\n")
        assert (tmp_path / "out" / "calendar.csv").read_bytes().startswith(b"day")


def test_nginx_sends_the_files_that_the_api_names(
    accelerated: httpx.Client, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "HASH_FIRST_BYTES", 0)  # as if it were a large one
    accepted = accelerated.post("/v1/jobs", json={"reportType": "calendar"}).json()
    finished(conn, accepted["jobId"], scratch)
    file = accelerated.get(accepted["links"]["self"]).json()["result"]["artifacts"][0]["url"]

    first = accelerated.get(file)
    assert (first.status_code, first.text) == (200, "day\n2026-01-01\n")
    assert "last-modified" not in first.headers, "nobody has read it through: the API hashes it on its way"
    whole = accelerated.get(file)
    assert (whole.status_code, whole.text) == (200, "day\n2026-01-01\n")
    assert whole.headers["content-type"].startswith("text/csv")
    assert "calendar.csv" in whole.headers["content-disposition"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "x-accel-redirect" not in whole.headers
    assert whole.headers["server"].startswith("nginx")
    assert "last-modified" in whole.headers, "nginx itself looked at the file"
    etag = whole.headers["etag"]
    assert etag.strip('"') == hashlib.sha256(whole.content).hexdigest()

    assert accelerated.head(file).headers["content-length"] == "15"
    part = accelerated.get(file, headers={"Range": "bytes=4-7", "If-Range": etag})
    assert (part.status_code, part.text) == (206, "2026")
    other = accelerated.get(file, headers={"Range": "bytes=4-7", "If-Range": '"another"'})
    assert (other.status_code, other.text) == (200, whole.text)
    assert accelerated.get(file, headers={"If-None-Match": etag}).status_code == 304
    assert accelerated.get(file, headers={"If-Match": etag}).status_code == 200
    assert accelerated.get(file, headers={"If-Match": '"another"'}).status_code == 412
    [stored] = scratch.glob("reports/**/calendar.csv")
    assert accelerated.get(f"/_artifacts/{stored.relative_to(scratch)}").status_code == 404, "for nginx alone"

    assert whole.headers.get_list("accept-ranges") == ["bytes"]
    apart = accelerated.get(file, headers={"Range": "bytes=0-2,8-9"})
    assert (apart.status_code, apart.text) == (200, whole.text), "parts that do not touch are no multipart answer"
    beyond = accelerated.get(file, headers={"Range": "bytes=900-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == "bytes */15"

    stored.write_text("day\n2026-01-02\n")
    assert accelerated.get(file).status_code == 410


def test_clients_do_not_see_the_operators_pages(proxied: httpx.Client) -> None:
    assert [proxied.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404, 404, 200]


@_STRIPPED_OR_NOT
def test_clients_do_not_see_the_operators_pages_below_a_path(
    passed: str, database_url: str, scratch: Path, tmp_path: Path
) -> None:
    paths = [f"{_ROOT}{path}" for path in ("/metrics", "/readyz", f"{_ROOT}/metrics", "/%6detrics?x", "/healthz")]
    with _behind_nginx(database_url, scratch, tmp_path, _below_a_path(passed), API_ROOT_PATH=_ROOT) as proxied:
        assert [proxied.get(path).status_code for path in paths] == [404, 404, 404, 404, 200]


def test_nobody_chooses_the_address_that_is_written_down(
    database_url: str, conn: Connection, scratch: Path, tmp_path: Path
) -> None:
    with _behind_nginx(database_url, scratch, tmp_path, API_TRUSTED_PROXIES="127.0.0.1") as proxied:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        elsewhere = httpx.HTTPTransport(verify=trusted, local_address="127.0.0.2")
        with httpx.Client(base_url=proxied.base_url, transport=elsewhere, timeout=30) as client:
            job = client.post("/v1/jobs", json={"reportType": "calendar"}).json()
            client.post(job["links"]["cancel"], headers={"X-Forwarded-For": "6.6.6.6"})

    assert conn.execute(text("SELECT address FROM audit")).scalars().all() == ["127.0.0.2"]


def test_a_form_is_known_by_the_port_of_its_origin(proxied: httpx.Client) -> None:
    """Browsers that say no Sec-Fetch-Site are told from other sites by the host and port of their page."""
    origin = str(proxied.base_url).rstrip("/")
    sent = [proxied.post("/console/sign-in", data={"key": "k"}, headers={"Origin": o}) for o in (origin, "https://x")]
    assert [one.status_code for one in sent] == [303, 403]


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
