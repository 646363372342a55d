"""Servers on a real socket that redirect in circles, misname files, and hide lines in their texts."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID
from tests.support.http_server import LoopbackServer, QuietHandler
from todoke import errors

CONTENT = b"day\n2026-01-31\n"


class Hostile(QuietHandler):
    """Has one job, whose file it calls and keeps as the test says."""

    name: ClassVar[str] = "a.csv"
    leads_to: ClassVar[str | None] = None
    more: ClassVar[bytes] = b""
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        type(self).asked.append((self.path, self.headers.get("Authorization")))
        if self.path == f"/v1/jobs/{JOB_ID}":
            self.answer(200, json.dumps(self._job()).encode(), {"Content-Type": "application/json"})
        elif self.leads_to is not None:
            self.wfile.write(b"HTTP/1.1 307 Elsewhere\r\nContent-Length: 0\r\nLocation: ")
            self.wfile.write(self.leads_to.encode() + b"\r\n" + self.more + b"\r\n")
        else:
            self.answer(200, CONTENT, {"Content-Disposition": 'attachment; filename="../../../evil.csv"'})

    def _job(self) -> dict[str, Any]:
        file = {
            "name": self.name, "format": "csv", "mediaType": "text/csv", "sizeBytes": len(CONTENT), "rows": 1,
            "sha256": hashlib.sha256(CONTENT).hexdigest(), "url": "/elsewhere",
        }  # fmt: skip
        result = {"artifacts": [file], "requiredScopes": [], "warnings": [], "seconds": 1.0}
        return {"jobId": JOB_ID, "status": "SUCCESS", "reportType": "calendar", "result": result}


def hostile(**changes: Any) -> type[Hostile]:
    """A server of its own."""
    return type("Served", (Hostile,), {"asked": [], **changes})


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder in a folder, in which nothing else is left at the end."""
    into = tmp_path / "a" / "b"
    into.mkdir(parents=True)
    yield into
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", into, *sorted(into.iterdir())]


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "/etc/evil.csv", "..", ".", "", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv", "evil\n.csv",
     "evil\x00.csv", "e\x1b[31mvil.csv", ".bashrc", "con", "e" * 300],
    ids=repr,
)  # fmt: skip
def test_a_file_keeps_a_plain_name_or_is_not_kept(name: str, make: Make, home: Path) -> None:
    with LoopbackServer(hostile(name=name)) as server:
        try:
            [done] = make(server.url).jobs.download(JOB_ID, home)
        except (errors.TodokeError, ValueError, OSError):
            assert list(home.iterdir()) == []
        else:
            assert done.path.parent == home
            assert done.path.name.isprintable()
            assert not set(done.path.name) & set("/\\:")
            assert list(home.iterdir()) == [done.path]


def test_what_the_server_calls_a_file_in_a_header_counts_for_nothing(make: Make, home: Path) -> None:
    with LoopbackServer(hostile()) as server:
        [done] = make(server.url).jobs.download(JOB_ID, home)
    assert done.path == home / "a.csv"


def test_a_server_that_leads_in_circles_is_left(make: Make, home: Path) -> None:
    served = hostile(leads_to="/around")
    with LoopbackServer(served) as server, pytest.raises(errors.UnexpectedAnswer, match="more than 5 times"):
        make(server.url).jobs.download(JOB_ID, home)
    assert len(served.asked) <= 7
    assert list(home.iterdir()) == []


def test_two_servers_that_lead_to_each_other_are_left_and_only_one_sees_the_key(make: Make, home: Path) -> None:
    here, there = hostile(), hostile()
    with LoopbackServer(here) as first, LoopbackServer(there) as second:
        here.leads_to, there.leads_to = f"{second.url}/x", f"{first.url}/y"
        with pytest.raises(errors.UnexpectedAnswer, match="more than 5 times"):
            make(first.url, api_key="canary").jobs.download(JOB_ID, home)
    assert {key for _, key in there.asked} == {None}
    assert {key for path, key in here.asked if path == "/y"} == {None}, "once away, the key does not come back"
    assert here.asked[0][1] == "Bearer canary"
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[::1", "ftp://127.0.0.1/a.csv"])
def test_a_place_that_is_none_is_not_gone_to(to: str, make: Make, home: Path) -> None:
    with LoopbackServer(hostile(leads_to=to)) as server, pytest.raises(errors.TodokeError):
        make(server.url, max_retries=0).jobs.download(JOB_ID, home)
    assert list(home.iterdir()) == []


def test_a_header_without_end_is_given_up(make: Make, home: Path) -> None:
    endless = b"X-More: " + b"x" * 2_000_000 + b"\r\n"
    with LoopbackServer(hostile(leads_to="/around", more=endless)) as server, pytest.raises(errors.TodokeError):
        make(server.url, max_retries=0).jobs.download(JOB_ID, home)
    assert list(home.iterdir()) == []
