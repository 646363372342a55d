"""Files arrive complete and right, or not at all: over broken connections, restarts, redirects, and
from lying servers.
"""

import hashlib
import io
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.engine import Connection

from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job, succeeded
from tests.client.test_requests import problem
from tests.support.api_app import finished
from tests.support.api_server import serving
from todoke import errors

CONTENT = bytes(range(256)) * 1024  # 256 kB
SHA = hashlib.sha256(CONTENT).hexdigest()


class Breaking(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, content: bytes, after: int | None) -> None:
        self.content = content
        self.after = after

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), 10_000):
            if self.after is not None and at >= self.after:
                raise httpx2.ReadError("reset")
            yield self.content[at : at + 10_000]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Store:
    """An API with one job and one file."""

    def __init__(self, content: bytes = CONTENT, name: str = "a.csv") -> None:
        self.content = content
        self.job = succeeded((name, CONTENT))
        self.breaks: list[int | None] = []
        """After how many bytes each answer breaks off; None for never."""
        self.ranges: list[str | None] = []
        self.extra: dict[str, str] = {}
        self.knows_ranges = True

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if "/artifacts/" not in request.url.path:
            return httpx2.Response(200, json=self.job)
        asked = request.headers.get("range")
        self.ranges.append(asked)
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.knows_ranges else 0
        if asked and self.knows_ranges:
            assert request.headers["if-range"] == f'"{SHA}"'
        if start > len(self.content):
            return problem(416, "range_not_satisfiable")
        headers = {"Content-Length": str(len(self.content) - start), **self.extra}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        stream = Breaking(self.content[start:], self.breaks.pop(0) if self.breaks else None)
        return httpx2.Response(206 if start else 200, headers=headers, stream=stream)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_gets_its_name_when_it_is_whole(make: Make, tmp_path: Path) -> None:
    [done] = make(handler=Store()).jobs.download(JOB_ID, tmp_path / "new" / "out")

    assert done.path == tmp_path / "new" / "out" / "a.csv"
    assert done.path.read_bytes() == CONTENT
    assert (done.size_bytes, done.sha256, done.was_there) == (len(CONTENT), SHA, False)
    assert left(done.path.parent) == ["a.csv"]


def test_a_download_goes_on_where_it_broke_off(make: Make, tmp_path: Path) -> None:
    store = Store()
    store.breaks = [50_000, 0, 0, 0, 100_000, None]
    make(handler=store).jobs.download(JOB_ID, tmp_path)

    assert store.ranges == [None, *["bytes=50000-"] * 4, "bytes=150000-"]
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


def test_a_server_that_stays_away_leaves_what_came_for_the_next_call(make: Make, tmp_path: Path) -> None:
    store = Store()
    store.breaks = [50_000, 0, 0, 0, 0, 0]
    with pytest.raises(errors.ConnectionFailed):
        make(handler=store).jobs.download(JOB_ID, tmp_path)
    assert left(tmp_path) == [f"a.csv.{SHA[:12]}.part"]
    assert (tmp_path / left(tmp_path)[0]).read_bytes() == CONTENT[:50_000]

    again = Store()
    make(handler=again).jobs.download(JOB_ID, tmp_path)
    assert again.ranges == ["bytes=50000-"]
    assert left(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [CONTENT, b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)], ids=len)
def test_a_rest_that_is_wrong_is_thrown_away(rest: bytes, make: Make, tmp_path: Path) -> None:
    (tmp_path / f"a.csv.{SHA[:12]}.part").write_bytes(rest)
    store = Store()
    make(handler=store).jobs.download(JOB_ID, tmp_path)

    assert (tmp_path / "a.csv").read_bytes() == CONTENT
    assert left(tmp_path) == ["a.csv"]
    assert (store.ranges == []) == (rest == CONTENT), "what is whole already is not fetched"


def test_a_server_without_ranges_sends_all_again(make: Make, tmp_path: Path) -> None:
    store = Store()
    store.knows_ranges = False
    store.breaks = [50_000, None]
    make(handler=store).jobs.download(JOB_ID, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content", [CONTENT[:-1] + b"x", CONTENT + b"x", CONTENT * 10], ids=["changed", "longer", "ten times"]
)
def test_a_file_that_is_not_what_the_job_made_is_not_kept(content: bytes, make: Make, tmp_path: Path) -> None:
    with pytest.raises(errors.CorruptDownload, match=r"a\.csv"):
        make(handler=Store(content)).jobs.download(JOB_ID, tmp_path)
    assert left(tmp_path) == []


def test_a_file_that_ends_early_is_asked_for_again_and_never_kept(make: Make, tmp_path: Path) -> None:
    store = Store(CONTENT[:100_000])
    with pytest.raises(errors.ConnectionFailed, match="interrupted after 100,000 of 262,144 bytes"):
        make(handler=store).jobs.download(JOB_ID, tmp_path)
    assert left(tmp_path) == [f"a.csv.{SHA[:12]}.part"]


def test_a_file_that_is_there_is_not_fetched_again_and_another_not_overwritten(make: Make, tmp_path: Path) -> None:
    store, target = Store(), tmp_path / "a.csv"
    client = make(handler=store)
    target.write_bytes(CONTENT)
    [done] = client.jobs.download(JOB_ID, tmp_path)
    assert (done.was_there, store.ranges) == (True, [])

    target.write_bytes(b"mine")
    with pytest.raises(errors.AlreadyThere, match=r"a\.csv exists and is another file"):
        client.jobs.download(JOB_ID, tmp_path)
    assert (target.read_bytes(), store.ranges) == (b"mine", [])
    client.jobs.download(JOB_ID, tmp_path, force=True)
    assert target.read_bytes() == CONTENT


def test_a_file_that_appears_meanwhile_is_not_overwritten(make: Make, tmp_path: Path) -> None:
    store = Store()

    def handler(request: httpx2.Request) -> httpx2.Response:
        if "/artifacts/" in request.url.path:
            (tmp_path / "a.csv").write_bytes(b"mine")
        return store(request)

    with pytest.raises(errors.AlreadyThere):
        make(handler=handler).jobs.download(JOB_ID, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == b"mine"


@pytest.mark.parametrize("links", [True, False])
def test_the_same_file_that_appears_meanwhile_is_the_one_that_was_wanted(
    links: bool, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()

    def handler(request: httpx2.Request) -> httpx2.Response:
        if "/artifacts/" in request.url.path:
            (tmp_path / "a.csv").write_bytes(CONTENT)
        return store(request)

    def none(*_: object) -> None:
        raise PermissionError("a file system without hard links")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", none)
    [done] = make(handler=handler).jobs.download(JOB_ID, tmp_path)
    assert (done.path.read_bytes(), done.was_there) == (CONTENT, False)
    assert left(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_of_the_name_is_told_as_one(force: bool, make: Make, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(IsADirectoryError):
        make(handler=Store()).jobs.download_as(JOB_ID, tmp_path / "out", force=force)


@pytest.mark.parametrize(
    "name", ["../a.csv", "/etc/a.csv", "..", "a\r\nSet-Cookie: x", "a\x1b[2J", "a\\b", "C:a", "", "a" * 300, "a\u202eb"]
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, make: Make, tmp_path: Path) -> None:
    store = Store(name=name)
    with pytest.raises(errors.UnexpectedAnswer, match="not safe to save under"):
        make(handler=store).jobs.download(JOB_ID, tmp_path / "out")
    assert left(tmp_path) == []
    assert store.ranges == []


def test_a_link_out_of_the_folder_is_not_followed(make: Make, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"a.csv.{SHA[:12]}.part").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic links"):
        make(handler=Store()).jobs.download(JOB_ID, tmp_path / "out")
    assert outside.read_bytes() == b"precious"


def redirecting(to: str, seen: list[httpx2.Request], hops: int = 1) -> Any:
    """An API whose files are elsewhere."""
    store = Store()

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if "/v1/jobs" in request.url.path and "/artifacts/" not in request.url.path:
            return store(request)
        if len(seen) - 2 < hops:
            return httpx2.Response(307, headers={"Location": to})
        store.knows_ranges = False
        return store(httpx2.Request("GET", "http://x/artifacts/a.csv"))

    return handler


def test_the_key_does_not_follow_to_another_address(make: Make, tmp_path: Path) -> None:
    seen: list[httpx2.Request] = []
    handler = redirecting("https://bucket.s3.test/reports/a.csv?X-Amz-Signature=abc", seen)
    make("https://api.test", handler=handler, api_key="canary").jobs.download(JOB_ID, tmp_path)

    assert [request.headers.get("authorization") for request in seen] == ["Bearer canary", "Bearer canary", None]
    assert str(seen[2].url) == "https://bucket.s3.test/reports/a.csv?X-Amz-Signature=abc"
    assert "canary" not in str(seen[2].headers)
    assert (tmp_path / "a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("/moved/artifacts/a.csv", True), ("https://api.test:443/artifacts/a.csv", True),
        ("https://api.test:8443/artifacts/a.csv", False), ("//other.test/artifacts/a.csv", False),
        ("https://api.test.evil.test/artifacts/a.csv", False),
    ],
)  # fmt: skip
def test_only_the_same_scheme_host_and_port_is_the_same_address(
    to: str, kept: bool, make: Make, tmp_path: Path
) -> None:
    seen: list[httpx2.Request] = []
    make("https://api.test", handler=redirecting(to, seen), api_key="canary").jobs.download(JOB_ID, tmp_path)
    assert (seen[2].headers.get("authorization") is not None) == kept


def test_what_a_given_http_client_adds_does_not_follow_either(tmp_path: Path) -> None:
    from todoke import Todoke

    seen: list[httpx2.Request] = []
    transport = httpx2.MockTransport(redirecting("https://evil.test/artifacts/a.csv", seen))
    with httpx2.Client(transport=transport, headers={"X-Secret": "canary"}, auth=("u", "canary")) as given:
        Todoke("https://api.test", http_client=given).jobs.download(JOB_ID, tmp_path)
    assert seen[0].headers["x-secret"] == "canary"
    assert "authorization" not in seen[2].headers
    assert "x-secret" not in seen[2].headers


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("/artifacts/a.csv", "more than 5 times"), ("http://api.test/a.csv", "is not allowed"),
        ("file:///etc/passwd", "is not allowed"), ("", "more than 5 times"),
        ("https://api.test@evil.test/a.csv", "is not allowed"),
    ],
)  # fmt: skip
def test_redirects_without_end_and_to_worse_places_are_not_followed(
    to: str, told: str, make: Make, tmp_path: Path
) -> None:
    seen: list[httpx2.Request] = []
    handler = redirecting(to, seen, hops=1000)
    with pytest.raises(errors.UnexpectedAnswer, match=told):
        make("https://api.test", handler=handler).jobs.download(JOB_ID, tmp_path)
    assert len(seen) <= 7


def test_a_proxy_that_encodes_files_is_told(make: Make, tmp_path: Path) -> None:
    store = Store()
    store.extra = {"Content-Encoding": "gzip"}
    with pytest.raises(errors.UnexpectedAnswer, match="encodes files as 'gzip'"):
        make(handler=store).jobs.download(JOB_ID, tmp_path)
    assert left(tmp_path) == []


def test_a_job_without_files_says_why(make: Make, tmp_path: Path) -> None:
    def tried(content: dict[str, Any], *names: str) -> Exception:
        with pytest.raises(errors.TodokeError) as caught:
            make(handler=lambda _: httpx2.Response(200, json=content)).jobs.download(JOB_ID, tmp_path, names or None)
        return caught.value

    assert isinstance(tried(job("PROCESSING")), errors.NotReady)
    assert isinstance(tried(job("FAILED")), errors.JobFailed)
    assert isinstance(tried(job("CANCELLED")), errors.JobCancelled)
    assert "require the scope wages" in str(tried(succeeded(requiredScopes=["wages"])))
    assert "`answer` in its result" in str(tried(succeeded(answer={"rows": 1})))
    assert "expired at" in str(tried(succeeded()))
    assert "has no file 'b'; it has a.csv" in str(tried(succeeded(("a.csv", b"")), "b"))


def test_a_file_passes_into_a_stream_and_is_checked_at_its_end(make: Make) -> None:
    store = Store()
    store.breaks = [50_000, None]
    into = io.BytesIO()
    done = make(handler=store).jobs.download_into(JOB_ID, into)
    assert (into.getvalue(), done.sha256) == (CONTENT, SHA)

    with pytest.raises(errors.CorruptDownload):
        make(handler=Store(CONTENT[:-1] + b"x")).jobs.download_into(JOB_ID, io.BytesIO(), "a.csv")
    two = Store()
    two.job = succeeded(("a.csv", b""), ("b.csv", b""))
    with pytest.raises(ValueError, match=r"several files; name one of a\.csv, b\.csv"):
        make(handler=two).jobs.download_into(JOB_ID, io.BytesIO())


def test_a_real_api_gives_a_file_in_pieces(
    database_url: str, conn: Connection, scratch: Path, tmp_path: Path, make: Make
) -> None:
    with serving(database_url, scratch) as server:
        client = make(server.url)
        made = client.jobs.create()
        assert client.jobs.get(made).status == "PENDING"
        finished(conn, made.id, scratch, CONTENT)
        job = client.jobs.wait(made, timeout=30)
        assert job.result is not None
        [wanted] = job.result.artifacts
        (tmp_path / f"{wanted.name}.{wanted.sha256[:12]}.part").write_bytes(CONTENT[:1000])
        [done] = client.jobs.download(job, tmp_path)

        assert done.path.read_bytes() == CONTENT
        assert [event.verb for event in client.jobs.events(job)] == ["submit", "start", "succeed"]
        assert [one.id for one in client.jobs.iter(status=["SUCCESS"])] == [made.id]
        assert client.jobs.list(page_size=1).jobs[0].id == made.id
        with pytest.raises(errors.Conflict):
            client.jobs.cancel(job)
        again = client.jobs.retry(job)
        assert again.retry_of == made.id
        assert client.jobs.cancel(again.id).status == "CANCELLED"
        assert client.types.get(client.types.list().types[0].name).formats
