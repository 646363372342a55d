"""Downloads over a real socket: whole or broken off, parts by their RFC, and links as JSON."""

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx2 as httpx
import pytest
import uvicorn
from sqlalchemy.engine import Connection

from deploy.local.emulator import REGION
from deploy.local.processes import free_port
from services.api.http import stored_file
from services.api.v1.views import LinkView
from shared.artifacts.disk import DiskStore
from shared.artifacts.open import open_store
from shared.artifacts.opened_file import OpenedFile
from shared.jobs.artifacts import Artifact
from shared.jobs.succeed import Success, succeed
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from tests.support.api_app import an_app, finished, problem
from tests.support.eventually import eventually
from tests.support.jobs import a_job, started

CONTENT = bytes(range(256)) * 4096  # 1 MB: four pieces


@contextlib.contextmanager
def serving(url: str, folder: Path, **settings: str) -> Iterator[httpx.Client]:
    port = free_port()
    app = an_app(url, folder, **settings)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[httpx.Client]:
    with serving(database_url, scratch) as client:
        yield client


@pytest.fixture
def url(client: httpx.Client, conn: Connection, scratch: Path) -> str:
    """Of a finished file of CONTENT."""
    job_id = client.post("/v1/jobs").json()["jobId"]
    finished(conn, job_id, scratch, CONTENT)
    return f"/v1/jobs/{job_id}/artifacts/calendar.csv"


@pytest.fixture
def stored(url: str, scratch: Path) -> Path:
    (path,) = scratch.rglob("calendar.csv")
    return path


def damaged(operation: str) -> float:
    return float(ARTIFACT_REQUESTS.labels(operation, "damaged")._value.get())


def cut(path: Path) -> None:
    os.truncate(path, len(CONTENT) - 1)


def flip(path: Path) -> None:
    path.write_bytes(CONTENT[:-1] + b"x")


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Accept": "application/json"}], ids=repr)
@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.write_bytes(CONTENT + b"x")])
def test_a_damaged_file_is_a_problem_and_no_byte_of_it_is_sent(
    damage: Callable[[Path], None], headers: dict[str, str], client: httpx.Client, url: str, stored: Path
) -> None:
    damage(stored)
    before = damaged("locate")

    answer = client.get(url, headers=headers)
    assert problem(answer, 410, "artifact_damaged")["retryable"] is False
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert damaged("locate") == before + 1


def test_a_short_file_that_is_damaged_while_it_is_read_is_a_problem_too(
    client: httpx.Client, url: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.artifacts.disk.HASH_FIRST_BYTES", 1)
    monkeypatch.setattr(stored_file, "PIECE_BYTES", len(CONTENT))
    assert client.get(url).content == CONTENT
    assert client.head(url).headers["content-length"] == str(len(CONTENT))
    flip(stored)
    before = damaged("send")

    problem(client.get(url), 410, "artifact_damaged")
    assert damaged("send") == before + 1


def test_a_large_damaged_file_breaks_off_before_its_end(
    client: httpx.Client, url: str, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.artifacts.disk.HASH_FIRST_BYTES", 1)
    assert client.get(url).content == CONTENT
    flip(stored)
    before = damaged("send")
    received = bytearray()

    def download() -> None:
        with client.stream("GET", url) as answer:
            assert answer.headers["content-length"] == str(len(CONTENT))
            for piece in answer.iter_bytes():
                received.extend(piece)

    with pytest.raises(httpx.RemoteProtocolError):
        download()
    assert 0 < len(received) < len(CONTENT)
    assert damaged("send") == before + 1
    assert client.get("/healthz").status_code == 200


def test_a_link_in_a_files_place_is_a_file_that_is_gone(client: httpx.Client, url: str, stored: Path) -> None:
    elsewhere = stored.with_name("elsewhere")
    stored.rename(elsewhere)
    stored.symlink_to(elsewhere)

    problem(client.get(url), 410, "artifact_gone")


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=0-9", 0, 10), ("bytes=-5", len(CONTENT) - 5, len(CONTENT)), ("bytes=300000-700000", 300_000, 700_001),
     ("bytes=0-3,99999999-", 0, 4), ("BYTES=5-", 5, len(CONTENT))],
)  # fmt: skip
def test_a_part_that_is_asked_for(asked: str, begin: int, end: int, client: httpx.Client, url: str) -> None:
    answer = client.get(url, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (206, CONTENT[begin:end])
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - begin)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Range": "lines=0-3"}, {"Range": "bytes=abc"}, {"Range": "bytes=5-2"}, {"Range": "bytes=0-1,50-51"},
     {"Range": "bytes=0-3", "If-Range": '"another"'}, {"Range": "bytes=0-3", "If-Range": "W/x"}],
    ids=repr,
)  # fmt: skip
def test_everything_else_is_answered_with_the_whole(headers: dict[str, str], client: httpx.Client, url: str) -> None:
    answer = client.get(url, headers=headers)

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'


def test_a_part_on_the_condition_that_the_file_is_the_same(client: httpx.Client, url: str) -> None:
    whole = client.get(url)
    part = client.get(url, headers={"Range": "bytes=0-3", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, CONTENT[:4])
    assert client.head(url, headers={"Range": "bytes=0-3"}).content == b""


def test_a_part_that_is_not_there_is_a_problem(client: httpx.Client, url: str) -> None:
    answer = client.get(url, headers={"Range": "bytes=99999999-"})

    problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


def test_no_answer_keeps_the_file_open(client: httpx.Client, url: str, stored: Path) -> None:
    whole = client.get(url)
    for headers in ({"If-None-Match": whole.headers["etag"]}, {"Range": "bytes=99999999-"}, {"Range": "bytes=0-1"},
                    {"Accept": "application/json"}):  # fmt: skip
        client.get(url, headers=headers)
    with client.stream("GET", url) as left:
        next(left.iter_bytes())

    def still_open() -> bool:
        links = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]  # noqa: PTH208
        return str(stored.resolve()) in links

    eventually(lambda: not still_open())


def test_a_link_is_json_for_those_who_ask_for_it(client: httpx.Client, url: str) -> None:
    answer = client.get(url, headers={"Accept": "application/json"})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Accept")
    link = LinkView.model_validate(answer.json())
    assert link.url == url
    assert 29 <= (link.expires_at - datetime.now(UTC)).days <= 30
    assert client.get(url, headers={"Accept": "application/json, text/plain, */*"}).content == CONTENT


def test_a_name_in_a_url_is_quoted(client: httpx.Client, conn: Connection, scratch: Path) -> None:
    lease = started(conn, a_job(conn, tenant="default")).lease
    succeed(conn, [Success(lease, [Artifact("a#b 1%.csv", "csv", "text/csv", 4, "0" * 64, 1)], 0.1)])

    (file,) = client.get(f"/v1/jobs/{lease.job_id}").json()["result"]["artifacts"]
    assert file["url"].endswith("/artifacts/a%23b%201%25.csv")
    problem(client.get(file["url"]), 410, "artifact_gone")  # known by its name; nobody stored it


def test_on_s3_the_same_address_redirects_or_gives_the_link(
    database_url: str, conn: Connection, scratch: Path, bucket: str
) -> None:
    store = open_store(f"s3://{bucket}")
    with serving(database_url, scratch, ARTIFACT_URL=f"s3://{bucket}", AWS_REGION=REGION) as client:
        job_id = client.post("/v1/jobs").json()["jobId"]
        finished(conn, job_id, scratch, CONTENT, store=store)
        url = f"/v1/jobs/{job_id}/artifacts/calendar.csv"

        redirect = client.get(url)
        assert redirect.status_code == 307
        assert client.get(url, follow_redirects=True).content == CONTENT
        link = LinkView.model_validate(client.get(url, headers={"Accept": "application/json"}).json())
        assert httpx.get(link.url, timeout=20).content == CONTENT
        left = (link.expires_at - datetime.now(UTC)).total_seconds()
        assert 0 < left <= int(parse_qs(urlsplit(link.url).query)["X-Amz-Expires"][0]) == 300

        (key,) = [o.key for o in store.list("")]
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=CONTENT[:-1])
        problem(client.get(url), 410, "artifact_damaged")
        store.delete([key])
        problem(client.get(url), 410, "artifact_gone")


@pytest.mark.parametrize(("step", "piece_bytes"), [("locate", 1 << 20), ("read", 1 << 20), ("read", 1 << 10)])
def test_a_store_that_hangs_holds_up_downloads_and_nothing_else(
    step: str, piece_bytes: int, client: httpx.Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More downloads than a process has threads for everything: the probes and all other requests go on."""
    hanging, go_on = [], threading.Event()

    def hang(real: Callable[..., Any], *given: Any, **named: Any) -> Any:
        hanging.append(1)
        go_on.wait(60)
        return real(*given, **named)

    where, name = {"locate": (DiskStore, "locate"), "read": (OpenedFile, "_read")}[step]
    real = getattr(where, name)
    monkeypatch.setattr(where, name, lambda *given, **named: hang(real, *given, **named))
    monkeypatch.setattr(stored_file, "PIECE_BYTES", piece_bytes)
    with httpx.Client(base_url=client.base_url, timeout=60) as patient, ThreadPoolExecutor(60) as pool:
        downloads = [pool.submit(patient.get, url) for _ in range(60)]
        try:
            eventually(lambda: len(hanging) >= 32, what="many downloads hang")
            assert client.get("/readyz").status_code == 200
            assert client.post("/v1/jobs").status_code == 202
        finally:
            go_on.set()
    assert {one.result().content == CONTENT for one in downloads} == {True}
