"""One query for all waiting clients: what it reads, whom it wakes, and how it survives an outage."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.processes import free_port
from services.api import watch
from services.api.watch import Watcher, pause_s
from shared.database.async_engine import create_async_engine
from shared.database.engine import transactional
from shared.jobs.finish import Failure, fail
from tests.support.faults.tcp_proxy import Proxy
from tests.support.jobs import a_job, started

_NAME = "watching"
_AT_ONCE_S = 2.0
"""Far above the shortest pause and far below every wait here, on a machine that does other things as well."""


@pytest.fixture
def watching(database_url: str) -> AsyncEngine:
    return create_async_engine(database_url, application_name=_NAME)


def run(engine: AsyncEngine, act: Callable[[Watcher], Awaitable[None]], **bounds: int) -> None:
    """Let `act` use a watcher, and close it."""

    async def whole() -> None:
        watcher = Watcher(engine, **bounds)
        try:
            await act(watcher)
        finally:
            await watcher.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def statements(engine: AsyncEngine) -> list[str]:
    """Grows with each statement."""
    seen: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda c, cur, sql, *_: seen.append(sql))
    return seen


def sessions(conn: Connection) -> int:
    asked = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
    return int(conn.execute(asked, {"name": _NAME}).scalar_one())


def change(conn: Connection, job_id: UUID, version: int) -> None:
    conn.execute(text("UPDATE jobs SET version = :version WHERE id = :id"), {"id": job_id, "version": version})


def waiting(
    watcher: Watcher, job_id: UUID, version: int = 1, *, until_end: bool = False, within_s: float = 30
) -> "asyncio.Task[bool]":
    return asyncio.create_task(watcher.changed(job_id, version, until_end=until_end, within_s=within_s))


@pytest.mark.parametrize(
    ("watched", "pause"), [(1, 0.02), (200, 0.02), (1_000, 0.1), (5_000, 0.5), (10_000, 1), (80_000, 1)]
)
def test_the_pause_grows_with_the_watched_jobs(watched: int, pause: float) -> None:
    assert pause_s(watched) == pytest.approx(pause)


def test_a_change_wakes_those_who_wait_for_it_and_nobody_else(watching: AsyncEngine, conn: Connection) -> None:
    jobs = [a_job(conn) for _ in range(20)]
    seen = statements(watching)

    async def act(watcher: Watcher) -> None:
        first, second, *others = [waiting(watcher, job) for job in (jobs[0], *jobs)]
        await asyncio.sleep(0.3)
        looked = len(seen)
        change(conn, jobs[0], 2)
        began = time.monotonic()
        assert await first
        assert await second
        assert time.monotonic() - began < _AT_ONCE_S
        await asyncio.sleep(0.1)
        assert not [task for task in others if task.done()]
        assert 2 <= looked <= 0.3 / 0.02 + 1, "one statement per look, whatever the number of jobs"

    run(watching, act)


def test_many_jobs_are_asked_about_in_pieces_and_each_is_seen(watching: AsyncEngine, conn: Connection) -> None:
    jobs = [UUID(int=n) for n in range(1, 500)] + [a_job(conn)]
    asked: list[int] = []

    def note(_conn: Any, _cursor: Any, _sql: str, given: Mapping[str, str], *_: Any) -> None:
        asked.append(given["ids"].count(",") + 1)

    event.listen(watching.sync_engine, "before_cursor_execute", note)

    async def act(watcher: Watcher) -> None:
        # Nobody knows the first ones, so that every look at them wakes.
        assert all(await asyncio.gather(*(waiting(watcher, job) for job in jobs[:-1])))
        last = waiting(watcher, jobs[-1])
        change(conn, jobs[-1], 2)
        assert await last

    run(watching, act)
    assert max(asked) == watch._PIECE
    assert sorted(asked[:3]) == [99, 200, 200]


def test_who_waits_for_the_end_sleeps_through_everything_before(watching: AsyncEngine, conn: Connection) -> None:
    job_id = a_job(conn)

    async def act(watcher: Watcher) -> None:
        any_change, the_end = waiting(watcher, job_id), waiting(watcher, job_id, until_end=True)
        short = waiting(watcher, job_id, until_end=True, within_s=1)
        await asyncio.sleep(0.1)
        lease = started(conn, job_id).lease
        assert await any_change
        assert await short, "it has changed meanwhile, so that it must be read again"
        assert not the_end.done()
        fail(conn, [Failure(lease, "boom", "it broke", retryable=False, delay_s=0)])
        assert await the_end

    run(watching, act)


def test_what_somebody_else_has_seen_by_now_is_no_wait(watching: AsyncEngine, conn: Connection) -> None:
    job_id = a_job(conn)

    async def act(watcher: Watcher) -> None:
        late = waiting(watcher, job_id, 1)
        await asyncio.sleep(0)
        newest = waiting(watcher, job_id, 5)  # read between two looks
        assert await late
        assert await watcher.changed(job_id, 4, until_end=False, within_s=30)
        newest.cancel()

    run(watching, act)


def test_a_job_that_is_gone_wakes(watching: AsyncEngine) -> None:
    async def act(watcher: Watcher) -> None:
        assert await watcher.changed(uuid4(), 1, until_end=True, within_s=30)

    run(watching, act)


def test_a_wait_without_a_change_ends_surely(watching: AsyncEngine, conn: Connection) -> None:
    job_id = a_job(conn)

    async def act(watcher: Watcher) -> None:
        assert await watcher.changed(job_id, 1, until_end=False, within_s=1) is False

    run(watching, act)


def test_nothing_is_asked_and_no_connection_kept_when_nobody_waits(
    watching: AsyncEngine, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LINGER_S", 0.3)
    job_id = a_job(conn)
    seen = statements(watching)

    async def act(watcher: Watcher) -> None:
        for _ in range(2):  # it also begins again
            before = len(seen)
            gone = waiting(watcher, job_id)
            await asyncio.sleep(0.2)
            assert len(seen) > before
            assert sessions(conn) == 1
            gone.cancel()
            await asyncio.sleep(0.05)
            idle = len(seen)
            await asyncio.sleep(0.2)
            assert len(seen) == idle, "no statement while nobody waits"
            await asyncio.sleep(0.5)
            assert sessions(conn) == 0

    run(watching, act)


def test_one_look_at_a_time_and_who_waits_meanwhile_is_told_that_nobody_knows(
    watching: AsyncEngine, engine: Engine, conn: Connection
) -> None:
    job_id = a_job(conn)

    async def act(watcher: Watcher) -> None:
        with transactional(engine).connect() as blocking:
            blocking.execute(text("LOCK TABLE jobs"))
            seen = statements(watching)
            assert await watcher.changed(job_id, 1, until_end=False, within_s=0.5) is True
            assert len(seen) == 1
            assert sessions(conn) == 1
            blocking.rollback()
        assert await watcher.changed(job_id, 1, until_end=False, within_s=1) is False

    run(watching, act)


def test_places_are_counted(watching: AsyncEngine) -> None:
    async def act(watcher: Watcher) -> None:
        with watcher.place() as first, watcher.place() as second, watcher.place() as third:
            assert (first, second, third) == (True, True, False)
        with watcher.place() as free:
            assert free

    run(watching, act, most=2)


@contextlib.contextmanager
def _through(database_url: str) -> Iterator[tuple[Proxy, AsyncEngine]]:
    parts = urlsplit(database_url)
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        yield proxy, create_async_engine(proxy.url(database_url), application_name=_NAME)


def test_an_outage_ends_nothing_spins_nothing_and_is_told_once(
    database_url: str, conn: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = a_job(conn)
    caplog.set_level(logging.INFO, logger="services.api.watch")
    tries: list[Any] = []

    with _through(database_url) as (proxy, engine):
        event.listen(engine.sync_engine, "do_connect", lambda *_: tries.append(1))

        async def act(watcher: Watcher) -> None:
            patient = waiting(watcher, job_id)
            await asyncio.sleep(0.2)
            proxy.refusing = True
            proxy.cut()
            assert await watcher.changed(job_id, 1, until_end=False, within_s=2.5) is True, "nobody knows"
            assert len(tries) < 20
            assert [record.msg for record in caplog.records] == ["watch.failed"]
            proxy.refusing = False
            change(conn, job_id, 2)
            assert await asyncio.wait_for(patient, 20)

        run(engine, act)


def test_a_database_that_is_not_there_is_asked_ever_more_rarely() -> None:
    nowhere = create_async_engine(f"postgresql://postgres:x@127.0.0.1:{free_port()}/none", application_name=_NAME)
    tries: list[Any] = []
    event.listen(nowhere.sync_engine, "do_connect", lambda *_: tries.append(1))

    async def act(watcher: Watcher) -> None:
        assert await watcher.changed(uuid4(), 1, until_end=False, within_s=2) is True
        assert 1 <= len(tries) < 20

    run(nowhere, act)
