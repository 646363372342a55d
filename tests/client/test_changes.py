"""All jobs by server-sent events: changes over streams that break, and the command that shows them."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx2
import pytest
from sqlalchemy.engine import Connection

from services.api.v1.tenant_streams import InShortView
from services.api.v1.views import ProgressView
from tests.client.conftest import Clock, Make
from tests.client.samples import JOB_ID
from tests.client.test_contract import Noting, noting
from tests.client.test_requests import problem
from tests.client.test_streaming import BEAT, Streams
from tests.support.api_server import serving
from tests.support.http_server import LoopbackServer, QuietHandler
from todoke import errors
from todoke.changes import JobInShort
from todoke.cli.app import run

OTHER = JOB_ID.replace("019a", "019b")


pytestmark = pytest.mark.usefixtures("clock")


def told(version: int, status: str = "PENDING", job_id: str = JOB_ID) -> dict[str, Any]:
    ended = "2026-01-31T12:00:00+00:00" if status in {"SUCCESS", "FAILED", "CANCELLED"} else None
    return {"jobId": job_id, "version": version, "status": status, "reportType": "calendar", "finishedAt": ended}


def snapshot(*jobs: dict[str, Any]) -> bytes:
    return f"event: snapshot\ndata: {json.dumps({'jobs': jobs})}\n\n".encode()


def changed(job: dict[str, Any]) -> bytes:
    return f"event: job\ndata: {json.dumps(job)}\n\n".encode()


MISSED = b"event: missed\ndata: {}\n\n"
BYE = b'event: bye\ndata: {"message": "You may not see this any more."}\n\n'


def seen(found: Iterator[JobInShort], most: int) -> list[tuple[str, int]]:
    return [(job.id, job.version) for job in islice(found, most)]


def test_the_newest_come_first_and_then_each_version_once(make: Make) -> None:
    streams = Streams(
        [b"retry: 2000\n\n", snapshot(told(1, job_id=OTHER), told(1)), BEAT, changed(told(2, "PROCESSING"))],
        [snapshot(told(3, "SUCCESS", OTHER), told(2, "PROCESSING")), changed(told(3, "SUCCESS"))],
        problem(403),
    )
    missed: list[int] = []
    found = iter(make(handler=streams).jobs.changes(on_missed=lambda: missed.append(1)))

    assert seen(found, 5) == [(JOB_ID, 1), (OTHER, 1), (JOB_ID, 2), (OTHER, 3), (JOB_ID, 3)]
    assert {request.url.path for request in streams.asked} == {"/v1/jobs:stream"}
    assert streams.asked[0].headers["accept"] == "text/event-stream"
    assert missed == []
    with pytest.raises(errors.Forbidden):
        next(found)


@pytest.mark.parametrize(
    "streams",
    [
        [[snapshot(told(1)), MISSED, changed(told(2))]],
        [[snapshot(told(1))], [snapshot(told(1, job_id=OTHER))]],
        [[snapshot(told(1, "SUCCESS"))], [snapshot(told(2, job_id=OTHER))]],
        [[snapshot(told(1))], [snapshot(), changed(told(2))]],
    ],
    ids=["the server says so", "one went on and is out of sight", "all are new", "none is left"],
)
def test_what_was_missed_is_said(streams: list[list[bytes | Exception]], make: Make) -> None:
    missed: list[int] = []
    client = make(handler=Streams(*streams))
    list(islice(client.jobs.changes(on_missed=lambda: missed.append(1)), 2))
    assert missed == [1]


def test_snapshots_in_the_middle_of_a_stream_tell_what_is_new_and_each_loss_once(make: Make) -> None:
    def whole(*jobs: dict[str, Any], complete: bool = True) -> bytes:
        return f"event: snapshot\ndata: {json.dumps({'jobs': jobs, 'complete': complete})}\n\n".encode()

    stream: list[bytes | Exception] = [
        whole(told(1, job_id=OTHER), told(1)), MISSED, whole(told(2, job_id=OTHER)),
        whole(told(3, job_id=OTHER)), whole(told(4, job_id=OTHER), complete=False), changed(told(5, job_id=OTHER)),
    ]  # fmt: skip
    missed: list[int] = []
    found = iter(make(handler=Streams(stream)).jobs.changes(on_missed=lambda: missed.append(len(missed))))

    assert seen(found, 2) == [(JOB_ID, 1), (OTHER, 1)]
    assert (seen(found, 1), len(missed)) == ([(OTHER, 2)], 2)  # the server says so; and JOB_ID is out of sight
    assert (seen(found, 1), len(missed)) == ([(OTHER, 3)], 2)
    assert (seen(found, 2), len(missed)) == ([(OTHER, 4), (OTHER, 5)], 3)


def test_a_stream_is_opened_again_for_five_minutes(make: Make, clock: Clock) -> None:
    streams = Streams(
        problem(503, retryable=True), [httpx2.ReadError("reset")], [],
        [b"retry: 4000\n\n", snapshot(told(1)), httpx2.ReadTimeout("a proxy that keeps what comes")],
        [b"retry: 4000\n\n", snapshot(told(1))],
        [httpx2.ConnectError("refused")],
    )  # fmt: skip
    found = iter(make(handler=streams).jobs.changes())
    assert next(found).version == 1
    with pytest.raises(errors.ConnectionFailed):
        next(found)
    assert 4.0 in clock.pauses
    assert 300 < clock.now < 400
    assert len(streams.asked) > 20


def test_a_server_that_only_ends_streams_is_not_asked_for_ever(make: Make, clock: Clock) -> None:
    with pytest.raises(errors.ConnectionFailed, match="before it began"):
        next(iter(make(handler=Streams([])).jobs.changes()))
    assert clock.now > 300


def test_whoever_may_not_look_any_more_is_told_after_the_goodbye(make: Make) -> None:
    streams = Streams([snapshot(told(1)), BYE], problem(401))
    found = iter(make(handler=streams).jobs.changes())
    next(found)
    with pytest.raises(errors.Unauthorized):
        next(found)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(404, "unknown_path"), errors.NotFound),
        (httpx2.Response(200, json={"jobs": []}), errors.UnexpectedAnswer),
        ([b"event: snapshot\ndata: [\n\n"], errors.UnexpectedAnswer),
        ([b"event: snapshot\ndata: []\n\n"], errors.UnexpectedAnswer),
        ([b'event: job\ndata: {"jobId": 7}\n\n'], errors.UnexpectedAnswer),
    ],
    ids=range(5),
)
def test_what_is_no_stream_of_jobs_is_told(answer: Any, kind: type[Exception], make: Make) -> None:
    with pytest.raises(kind):
        next(iter(make(handler=Streams(answer)).jobs.changes()))


def test_what_is_remembered_is_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("todoke._core.changes._MOST_KNOWN", 2)
    ids = [JOB_ID.replace("019a", f"019{digit}") for digit in "bcde"]
    streams = Streams([snapshot(), *(changed(told(1, job_id=one)) for one in [*ids, ids[0], ids[3]])], problem(401))
    found = iter(make(handler=streams).jobs.changes())
    assert [job.id for job in islice(found, 5)] == [*ids, ids[0]]


def test_the_model_reads_every_field_and_no_other() -> None:
    now = datetime.now(UTC)
    view = InShortView(
        job_id=JOB_ID, version=2, status="PROCESSING", report_type="calendar", requested_by="ci", attempt=1,
        progress=ProgressView(phase="reading", rows=5, percent=50.0, total_rows=10, eta_s=1.0), error_code="boom",
        created_at=now, updated_at=now, finished_at=now, url="/v1/jobs/x",
    )  # fmt: skip
    parts: list[tuple[str, Noting]] = []
    whole = noting(json.loads(view.model_dump_json(by_alias=True)), parts, "job")
    read = JobInShort.from_json(whole)

    assert (read.ended, read.progress and read.progress.total_rows, read.updated_at) == (True, 10, now)
    for where, part in parts:
        assert set(part) - part.read - {"url"} == set(), where
        assert part.read - set(part) == set(), where


def test_a_real_api_tells_what_happens(database_url: str, conn: Connection, scratch: Any, make: Make) -> None:
    with serving(database_url, scratch) as server:
        client = make(server.url)
        first = client.jobs.create()
        found = iter(client.jobs.changes())
        assert next(found).id == first.id
        second = client.jobs.create()
        assert next(found).id == second.id
        client.jobs.cancel(second)
        last = next(found)
        assert (last.id, last.status, last.ended) == (second.id, "CANCELLED", True)


class Short(QuietHandler):
    """Tells two changes, and lets nobody in again."""

    streams = 0

    def do_GET(self) -> None:
        type(self).streams += 1
        if self.streams > 1:
            self.answer(401, b'{"status": 401, "code": "unauthorized", "detail": "No."}')
            return
        body = snapshot(told(1)) + MISSED + changed(told(2, "FAILED"))
        self.answer(200, body, {"Content-Type": "text/event-stream"})


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("id", [JOB_ID, JOB_ID]),
        ("table", [f"\t{JOB_ID}\tPENDING\tcalendar\t\t\t", f"\t{JOB_ID}\tFAILED\tcalendar\t\t\t"]),
        ("jsonl", [json.dumps(told(1)), json.dumps(told(2, "FAILED"))]),
    ],
)
def test_the_command_writes_each_change_as_it_comes(
    form: str, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackServer(type("Served", (Short,), {"streams": 0})) as server:
        code = run(["watch", "--url", server.url, "-o", form])
    out, err = capsys.readouterr()

    assert (code, out.splitlines()) == (4, shown)
    assert "Some changes were not shown" in err


def test_on_a_terminal_the_table_grows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TODOKE_FORCE_TTY", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with LoopbackServer(type("Served", (Short,), {"streams": 0})) as server:
        run(["watch", "--url", server.url])
    out = capsys.readouterr().out.splitlines()

    assert [line.split() for line in out] == [
        ["UPDATED", "ID", "STATUS", "TYPE", "BY", "ROWS", "ERROR"], [JOB_ID, "PENDING", "calendar"],
        [JOB_ID, "FAILED", "calendar"],
    ]  # fmt: skip
    assert len({line.index(JOB_ID) for line in out[1:]} | {out[0].index("ID")}) == 1


def test_options_of_jobs_that_are_named_need_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["watch", "--timeout", "5m"]) == 2
    assert "need job ids" in capsys.readouterr().err
