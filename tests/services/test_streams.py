"""Server-sent events of one job: on a real socket, by the rules of the HTML standard and of proxies."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from services.api.actions import streams
from services.api.actions.parts import Parts
from services.api.auth import keys
from services.api.v1.views import JobView
from shared.access import api_keys
from shared.jobs.cancel import cancel
from shared.jobs.lease import Beat, renew
from shared.jobs.viewer import Viewer
from tests.support.api_app import finished
from tests.support.api_server import ApiServer, serving
from tests.support.event_stream import listening
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy
from tests.support.jobs import a_job, started


@pytest.fixture
def api(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch) as server:
        yield server


def parts_of(api: ApiServer) -> Parts:
    parts: Parts = api.server.config.app.state.parts  # type: ignore[union-attr]
    return parts


def mine(conn: Connection, **changes: Any) -> UUID:
    return a_job(conn, **{"tenant": "default", **changes})


def url_of(api: ApiServer, job_id: UUID) -> str:
    return f"{api.url}/v1/jobs/{job_id}/stream"


def test_a_stream_begins_with_the_job_tells_each_change_and_ends_with_it(
    api: ApiServer, conn: Connection, scratch: Path
) -> None:
    job_id = mine(conn)
    with listening(url_of(api, job_id)) as stream:
        assert stream.response.status_code == 200
        told = {name: stream.response.headers[name] for name in ("content-type", "cache-control", "x-accel-buffering")}
        assert told == {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
        opening = stream.next()
        assert opening is not None
        assert (bool(opening.comments), opening.retry_ms) == (True, 2000)
        first = stream.named("job")
        assert (first.id, first.data["status"]) == ("1", "PENDING")

        lease = started(conn, job_id).lease
        assert stream.named("job").data["status"] == "PROCESSING"
        renew(conn, [Beat(lease, {"phase": "reading", "rows": 7})], lease_s=30)
        moved = stream.named("job")
        assert (moved.id, moved.data["progress"]["rows"]) == ("3", 7)
        assert cancel(conn, job_id, Viewer("default")) == "requested"
        conn.execute(
            text(
                "UPDATE jobs SET status = 'CANCELLED', verb = 'cancel', version = version + 1, lease_until = NULL, "
                "finished_at = clock_timestamp() WHERE id = :id"
            ),
            {"id": job_id},
        )
        names = [(e.name, e.data.get("status")) for e in stream.rest() if e.name]
        assert names[-2:] == [("job", "CANCELLED"), ("end", None)]


def test_what_a_stream_says_is_what_the_job_is(api: ApiServer, conn: Connection, scratch: Path) -> None:
    job_id = mine(conn)
    with listening(url_of(api, job_id)) as stream:
        stream.named("job")
        finished(conn, str(job_id), scratch)
        events = [e for e in stream.rest() if e.name == "job"]

    assert events[-1].data == httpx.get(f"{api.url}/v1/jobs/{job_id}").json()
    assert events[-1].data["result"]["artifacts"]
    JobView.model_validate(events[-1].data)


@pytest.mark.parametrize("how", ["header", "query"])
def test_who_comes_back_after_the_end_is_told_to_come_no_more(
    api: ApiServer, conn: Connection, scratch: Path, how: str
) -> None:
    job_id = mine(conn)
    finished(conn, str(job_id), scratch)
    with listening(url_of(api, job_id)) as stream:
        last = stream.named("job").id
        assert [e.name for e in stream.rest()] == ["end"]
    assert last == "3"

    def again(seen: str) -> httpx.Response:
        if how == "header":
            return httpx.get(url_of(api, job_id), headers={"Last-Event-ID": seen}, timeout=60)
        return httpx.get(url_of(api, job_id), params={"lastEventId": seen}, timeout=60)

    assert again(last).status_code == 204
    for other in ("2", "x"):  # an older state, or somebody else's: the snapshot
        answer = again(other)
        assert (answer.status_code, "event: end" in answer.text) == (200, True)


def test_who_comes_back_before_the_end_begins_with_the_job_again(api: ApiServer, conn: Connection) -> None:
    job_id = mine(conn)
    with listening(url_of(api, job_id), Last_Event_ID="1") as stream:
        assert stream.named("job").id == "1"


def test_a_head_does_not_wait(api: ApiServer, conn: Connection) -> None:
    answer = httpx.head(url_of(api, mine(conn)), timeout=60)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")


def test_silence_is_broken_by_comments(api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.2)
    with listening(url_of(api, mine(conn))) as stream:
        stream.named("job")
        beats = [stream.next() for _ in range(3)]

    assert [beat.comments for beat in beats if beat] == [["beat"]] * 3


def test_a_stream_has_a_longest_life(api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.2)
    monkeypatch.setattr(streams, "_LIFE_S", 0.5)
    with listening(url_of(api, mine(conn))) as stream:
        last = stream.rest()[-1]

    assert last.retry_ms is not None
    assert 1_000 <= last.retry_ms <= 10_000


def test_at_a_stop_every_stream_says_when_to_come_back_and_closes(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    job_id = mine(conn)
    with serving(database_url, scratch) as api, listening(url_of(api, job_id)) as stream:
        stream.named("job")
        api.server.should_exit = True
        last = stream.rest()[-1]

    assert last.retry_ms is not None
    assert 1_000 <= last.retry_ms <= 10_000


def test_a_revoked_key_ends_its_streams(
    database_url: str, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(streams, "_CHECK_S", 0.1)
    monkeypatch.setattr(keys, "_REMEMBER_S", 0.1)
    key = api_keys.create_key(conn, tenant="acme", name="ann")
    with (
        serving(database_url, scratch, API_AUTH="keys") as api,
        listening(url_of(api, a_job(conn)), Authorization=f"Bearer {key}") as stream,
    ):
        stream.named("job")
        assert stream.next() is not None
        api_keys.revoke_keys(conn, tenant="acme", name="ann")
        ends = [e.name for e in stream.rest() if e.name]

    assert ends == ["bye"]


def test_another_tenants_job_another_requesters_and_an_unknown_one_are_404(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="ann", scopes=["jobs:read"])
    blind = api_keys.create_key(conn, tenant="acme", name="ann", scopes=["jobs:create"])
    with serving(database_url, scratch, API_AUTH="keys") as api:
        for job_id in (a_job(conn, tenant="other"), a_job(conn, requester="bob"), uuid4()):
            answer = httpx.get(url_of(api, job_id), headers={"Authorization": f"Bearer {key}"}, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
        own = a_job(conn, requester="ann")
        answer = httpx.get(url_of(api, own), headers={"Authorization": f"Bearer {blind}"}, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
        assert httpx.get(url_of(api, own), timeout=60).status_code == 401


def test_one_key_has_so_many_streams_and_others_have_theirs(database_url: str, conn: Connection, scratch: Path) -> None:
    ann, bob = (api_keys.create_key(conn, tenant="acme", name=name) for name in ("ann", "bob"))
    job_id = a_job(conn)
    with serving(database_url, scratch, API_AUTH="keys", API_STREAMS_EACH="1") as api:
        as_ann = {"Authorization": f"Bearer {ann}"}
        with listening(url_of(api, job_id), **as_ann) as stream:
            stream.named("job")
            answer = httpx.get(url_of(api, job_id), headers=as_ann, timeout=60)
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
            assert answer.headers["retry-after"]
            with listening(url_of(api, job_id), Authorization=f"Bearer {bob}") as other:
                other.named("job")
        eventually(lambda: not parts_of(api).stream_places._taken, what="the places are free again")
        with listening(url_of(api, job_id), **as_ann) as stream:
            stream.named("job")


def test_a_full_process_says_so(api: ApiServer, conn: Connection) -> None:
    parts_of(api).watcher._most = 0

    answer = httpx.get(url_of(api, mine(conn)), timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_stream_left")
    assert answer.headers["retry-after"]


def test_a_listener_that_hangs_up_is_forgotten(api: ApiServer, conn: Connection) -> None:
    watcher = parts_of(api).watcher
    with listening(url_of(api, mine(conn))) as stream:
        stream.named("job")
        eventually(lambda: watcher._places == 1)

    eventually(lambda: not watcher._places and not watcher._versions, within_s=10, what="it is forgotten")


def test_many_listeners_of_one_job_cost_one_statement_for_each_change(api: ApiServer, conn: Connection) -> None:
    job_id = mine(conn)
    seen: list[str] = []
    event.listen(
        parts_of(api).watcher._engine.sync_engine, "after_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql)
    )
    url = urlsplit(url_of(api, job_id))
    sockets = []
    for _ in range(50):
        one = socket.create_connection((url.hostname, url.port), timeout=60)
        one.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sockets.append(one.makefile("rb"))
    for each in sockets:
        _until(each, b"PENDING")
    started(conn, job_id)
    for each in sockets:
        _until(each, b"PROCESSING")
    read = [sql for sql in seen if "jobs.of_ids" in sql]
    for each in sockets:
        each.close()

    assert 1 <= len(read) <= 5


def _until(file: Any, what: bytes) -> None:
    for line in file:
        if what in line:
            return
    raise AssertionError(f"{what!r} never came")


def test_a_reader_that_takes_nothing_makes_nothing_grow(api: ApiServer, conn: Connection) -> None:
    job_id = mine(conn, parameters={"from": "2026-01-01", "filler": "x" * 200_000})
    reads: list[str] = []
    event.listen(
        parts_of(api).watcher._engine.sync_engine,
        "after_cursor_execute",
        lambda _c, _cur, sql, *_: reads.append(sql) if "jobs.of_ids" in sql else None,
    )
    url = urlsplit(url_of(api, job_id))
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect((url.hostname, url.port))
    slow.settimeout(60)
    slow.sendall(f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def blocked() -> bool:
        before = len(reads)
        for _ in range(30):
            conn.execute(text("UPDATE jobs SET version = version + 1 WHERE id = :id"), {"id": job_id})
            eventually(lambda: True)
        return len(reads) == before

    eventually(blocked, within_s=60, what="nothing more is read for it")
    newest = conn.execute(text("SELECT version FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()
    told = slow.makefile("rb")
    seen = 0
    for line in told:
        if line.startswith(b"id: "):
            seen = int(line[4:])
        if seen == newest:
            break
    assert seen == newest, "then it is sent the newest state, and not those between"
    slow.close()


def test_a_stream_outlives_an_outage_of_the_database(
    database_url: str, conn: Connection, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.5)
    job_id = mine(conn)
    at = urlsplit(database_url)
    with (
        Proxy(str(at.hostname), int(at.port or 5432)) as proxy,
        serving(proxy.url(database_url), scratch) as api,
        listening(url_of(api, job_id)) as stream,
    ):
        stream.named("job")
        proxy.refusing = True
        proxy.cut()
        started(conn, job_id)
        beats = [stream.next() for _ in range(3)]
        assert [beat.comments for beat in beats if beat] == [["beat"]] * 3
        proxy.refusing = False
        assert stream.named("job").data["status"] == "PROCESSING"
