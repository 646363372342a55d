"""Server-sent events of a tenant's jobs: a snapshot, then each change of a job that the caller can see."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from services.api import tenant_feed
from services.api.actions import streams, tenant_streams
from services.api.tenant_feed import Slot
from shared.access import api_keys
from shared.ids import uuid7
from shared.jobs import lease, recent
from shared.jobs.finish import Failure, fail
from shared.jobs.lease import Beat
from shared.jobs.submit import submit
from tests.services.test_streams import mine, parts_of
from tests.support.api_server import ApiServer, serving
from tests.support.event_stream import Stream, listening
from tests.support.eventually import eventually
from tests.support.jobs import a_job, a_submission, started


@pytest.fixture
def api(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch) as server:
        yield server


def url_of(api: ApiServer) -> str:
    return f"{api.url}/v1/jobs:stream"


def told(stream: Stream, job_id: UUID, status: str) -> None:
    """Read on until the job is told in that state."""
    while True:
        data = stream.named("job").data
        if (data["jobId"], data["status"]) == (str(job_id), status):
            return


def test_a_stream_begins_with_the_newest_jobs_and_tells_new_and_changed_ones(api: ApiServer, conn: Connection) -> None:
    old = mine(conn)
    a_job(conn, tenant="other")
    with listening(url_of(api)) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream"
        [first] = stream.named("snapshot").data["jobs"]
        assert (first["jobId"], first["status"], first["version"]) == (str(old), "PENDING", 1)
        a_job(conn, tenant="other")
        new = mine(conn)
        told(stream, new, "PENDING")
        started(conn, old)
        told(stream, old, "PROCESSING")


def test_progress_is_told_as_everywhere_else(api: ApiServer, conn: Connection) -> None:
    job = started(conn, mine(conn))
    beat = Beat(job.lease, {"phase": "reading", "rows": 5, "percent": 50.0, "total_rows": 10, "eta_s": 3.0})
    lease.renew(conn, [beat], lease_s=60)
    with listening(url_of(api)) as stream:
        [first] = stream.named("snapshot").data["jobs"]
    with httpx2.Client() as client:
        whole = client.get(f"{api.url}/v1/jobs/{job.lease.job_id}").json()
    assert {name: whole[name] for name in first if name in whole} == {n: v for n, v in first.items() if n in whole}
    assert first["progress"] == {"phase": "reading", "rows": 5, "percent": 50.0, "totalRows": 10, "etaS": 3.0}


def test_a_job_that_newer_ones_have_pushed_out_of_sight_is_followed_to_its_end(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "_NEWEST", 3)
    with listening(url_of(api)) as stream:
        stream.named("snapshot")
        old = mine(conn)
        told(stream, old, "PENDING")
        for _ in range(4):
            told(stream, mine(conn), "PENDING")
        started(conn, old)
        told(stream, old, "PROCESSING")


def test_a_job_that_ran_long_before_the_stream_began_is_told_to_its_end(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "_NEWEST", 3)
    monkeypatch.setattr(tenant_streams, "SNAPSHOT", 3)
    running, done = mine(conn), mine(conn)
    job = started(conn, running)
    fail(conn, [Failure(started(conn, done).lease, "boom", "it broke", retryable=False, delay_s=0)])
    newer = [mine(conn) for _ in range(6)]
    with listening(url_of(api)) as stream:
        snapshot = stream.named("snapshot").data
        assert {one["jobId"] for one in snapshot["jobs"]} >= {str(one) for one in (running, *newer)}
        assert snapshot["complete"]
        fail(conn, [Failure(job.lease, "boom", "it broke", retryable=False, delay_s=0)])
        told(stream, running, "FAILED")


def test_a_snapshot_says_so_if_more_jobs_go_on_than_it_holds(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("SNAPSHOT", 2), ("_PAGE", 2), ("_PAGES", 2)):
        monkeypatch.setattr(tenant_streams, name, value)
    for _ in range(8):
        mine(conn)
    with listening(url_of(api)) as stream:
        snapshot = stream.named("snapshot").data
    assert (len(snapshot["jobs"]), snapshot["complete"]) == (6, False)


def test_more_than_a_look_can_see_is_told_as_missed(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "_NEWEST", 3)
    with listening(url_of(api)) as stream:
        stream.named("snapshot")
        told(stream, mine(conn), "PENDING")
        submit(conn, [a_submission(tenant="default", id=uuid7()) for _ in range(20)])
        stream.named("missed")


def test_a_stream_that_cannot_follow_all_says_so_once_and_is_whole_again_by_itself(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "MOST_FOLLOWED", 3)
    monkeypatch.setattr(tenant_streams, "_AGAIN_S", (0.2, 0.4))
    old = mine(conn)
    with listening(url_of(api)) as stream:
        assert stream.named("snapshot").data["complete"]
        newer = [mine(conn) for _ in range(5)]
        stream.named("missed")
        lease_of_old = started(conn, old).lease
        snapshot = snapshot_with(stream, old, "PROCESSING")
        assert not snapshot["complete"]
        for one in newer:
            fail(conn, [Failure(started(conn, one).lease, "boom", "it broke", retryable=False, delay_s=0)])
        while not snapshot["complete"]:
            found = stream.next()
            assert found is not None
            assert found.name != "missed"
            snapshot = found.data if found.name == "snapshot" else snapshot
        fail(conn, [Failure(lease_of_old, "boom", "it broke", retryable=False, delay_s=0)])
        told(stream, old, "FAILED")


def snapshot_with(stream: Stream, job_id: UUID, status: str) -> dict[str, Any]:
    """The next snapshot that has the job in that state."""
    while True:
        data: dict[str, Any] = stream.named("snapshot").data
        if (str(job_id), status) in {(one["jobId"], one["status"]) for one in data["jobs"]}:
            return data


def test_after_more_than_could_be_told_comes_a_snapshot(
    api: ApiServer, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "_NEWEST", 3)
    monkeypatch.setattr(tenant_streams, "_AGAIN_S", (0.2, 0.4))
    with listening(url_of(api)) as stream:
        stream.named("snapshot")
        told(stream, mine(conn), "PENDING")
        ids = [uuid7() for _ in range(20)]
        submit(conn, [a_submission(tenant="default", id=one) for one in ids])
        stream.named("missed")
        snapshot = snapshot_with(stream, ids[0], "PENDING")
        assert {one["jobId"] for one in snapshot["jobs"]} >= {str(one) for one in ids}
        assert snapshot["complete"]


def test_a_job_that_comes_behind_a_newer_one_is_told(api: ApiServer, conn: Connection) -> None:
    """Several hosts make ids, and one commits later than another: an older id may be seen after a newer one."""
    with listening(url_of(api)) as stream:
        stream.named("snapshot")
        older = uuid7()
        told(stream, mine(conn), "PENDING")
        submit(conn, [a_submission(tenant="default", id=older)])
        told(stream, older, "PENDING")


def test_one_sees_the_jobs_that_lists_show_and_no_others(database_url: str, conn: Connection, scratch: Path) -> None:
    own = api_keys.create_key(conn, tenant="acme", name="ann", scopes=["jobs:read"])
    blind = api_keys.create_key(conn, tenant="acme", name="eve", scopes=["jobs:create"])
    with serving(database_url, scratch, API_AUTH="keys") as api:
        with listening(url_of(api), Authorization=f"Bearer {blind}") as stream:
            assert stream.response.status_code == 403
        eventually(lambda: not parts_of(api).tenant_feed._tenants, what="it is forgotten")
        with listening(url_of(api), Authorization=f"Bearer {own}") as stream:
            assert stream.named("snapshot").data["jobs"] == []
            a_job(conn, requester="bob")
            a_job(conn, tenant="other", requester="ann")
            hers = a_job(conn, requester="ann")
            assert stream.named("job").data["jobId"] == str(hers)


def test_many_listeners_of_several_tenants_cost_one_statement_for_each_look(api: ApiServer, conn: Connection) -> None:
    seen: list[str] = []
    parts = parts_of(api)
    watching = parts.watcher._engine.sync_engine
    event.listen(watching, "after_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql))

    async def act() -> None:
        feed = tenant_feed.TenantFeed(parts.watcher)
        with feed.slot("a") as one, feed.slot("a") as two, feed.slot("b") as three:
            for slot in (one, two, three):
                await slot.ready(30)
            assert len([sql for sql in seen if "jobs.recent" in sql]) == 1
        await feed.close()
        await parts.watcher.close()

    parts.watcher._asking = asyncio.Lock()
    asyncio.run(act())


def test_silence_is_broken_and_a_stop_says_when_to_come_back(
    database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.3)
    with serving(database_url, scratch) as api, listening(url_of(api)) as stream:
        stream.named("snapshot")
        beat = stream.next()
        assert beat is not None
        assert beat.comments == ["beat"]
        api.server.should_exit = True
        last = stream.rest()[-1]
    assert last.retry_ms is not None


def test_a_slot_keeps_the_newest_of_each_job_and_no_more_than_it_may(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_feed, "_MOST_KEPT", 2)
    for _ in range(3):
        a_job(conn)
    [*jobs] = recent.look(conn, ["acme"], [], 10)["acme"]

    async def act() -> None:
        slot = Slot()
        assert await slot.take(0.01) == ((), False)
        slot.put(jobs[0])
        slot.put(jobs[0]._replace(version=2))
        changes, missed = await slot.take(1)
        assert ([change.version for change in changes], missed) == ([2], False)
        for job in jobs:
            slot.put(job)
        assert await slot.take(1) == ([], True)

    asyncio.run(act())


def test_nobody_looks_when_nobody_listens(api: ApiServer, conn: Connection) -> None:
    with listening(url_of(api)) as stream:
        stream.named("snapshot")
    eventually(lambda: parts_of(api).tenant_feed._looking is None, within_s=20, what="the looks have ended")
    assert conn.execute(text("SELECT 1")).scalar_one() == 1
