"""Schedules that are all due in the same minute: how long they take, who waits, and the effect on submissions."""

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.relay.schedules import Schedules
from shared.catalog.load import BUILTIN, load_catalog
from shared.database.engine import create_engine
from shared.jobs.submit import submit
from shared.schedules import due
from tests.benchmarks.parts import Figure, Stage
from tests.support.jobs import a_submission
from tests.support.postgres import fill

TITLE = "Schedules that are due in the same minute"
_ONE_TENANTS, _OTHERS, _EACH = 50_000, 50, 1_000
"""Half of the schedules are one tenant's."""
_EVERY_S = 0.05
"""A submission this often is a light load: what it waits is told where nobody is out of breath."""
_ALONE_S = 3.0
_WITHIN_S = 900.0


def run(stage: Stage) -> Iterator[Figure]:
    """One relay, a hundred thousand schedules, and submissions beside."""
    url = stage.database()
    engine = create_engine(url, application_name="bench", pool_size=2)
    try:
        with engine.connect() as conn:
            # Whoever has one schedule comes last in the alphabet, and was the last to be due.
            fill.schedules(conn, _ONE_TENANTS, tenant="a-crowd", due_in_s=-2)
            for n in range(_OTHERS):
                fill.schedules(conn, _EACH, tenant=f"tenant-{n:02}", due_in_s=-1)
            fill.schedules(conn, 1, tenant="z-alone", due_in_s=0)
            conn.execute(text("VACUUM ANALYZE schedules"))
            alone = _submissions(conn, for_s=_ALONE_S)
            with _relay(url):
                began = time.monotonic()
                beside = _submissions(conn, until_none_is_due=True)
                took_s = time.monotonic() - began
            yield from _figures(conn, took_s, alone, beside)
    finally:
        engine.dispose()


def _figures(conn: Connection, took_s: float, alone: list[float], beside: list[float]) -> Iterator[Figure]:
    many = _ONE_TENANTS + _OTHERS * _EACH + 1
    made = conn.execute(text("SELECT count(*) FROM jobs WHERE schedule_id IS NOT NULL")).scalar_one()
    assert made == many, f"{made} jobs of {many} ticks"
    waited = conn.execute(
        text("SELECT extract(epoch FROM t.at - (SELECT min(at) FROM schedule_ticks))::float8 "
             "FROM schedule_ticks t WHERE tenant = 'z-alone'")
    ).scalar_one()  # fmt: skip
    yield Figure(f"{many:,} schedules: until each has its job", took_s, "s", "≤ 300")
    yield Figure("ticks", many / took_s, "a second")
    yield Figure("the tenant with one schedule: after the first of all", waited, "s")
    yield Figure("a submission beside them, p50 with ÷ without", statistics.median(beside) / statistics.median(alone))


def _submissions(conn: Connection, *, for_s: float = _WITHIN_S, until_none_is_due: bool = False) -> list[float]:
    """How long each took."""
    took: list[float] = []
    began = time.monotonic()
    while time.monotonic() - began < for_s:
        asked_at = time.perf_counter()
        submit(conn, [a_submission()])
        took.append(time.perf_counter() - asked_at)
        if until_none_is_due and len(took) % 10 == 0 and not _any_due(conn):
            return took
        time.sleep(_EVERY_S)
    assert not until_none_is_due, f"not done within {_WITHIN_S:g} s"
    return took


def _any_due(conn: Connection) -> bool:
    return due.any_due(conn)


@contextmanager
def _relay(url: str) -> Iterator[None]:
    """A process of its own: what it shares with the submissions is PostgreSQL."""
    spawn = multiprocessing.get_context("spawn")
    stop = spawn.Event()
    process = spawn.Process(target=_fire, args=(url, stop), daemon=True)
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join(60)


def _fire(url: str, stop: Event) -> None:
    engine = create_engine(url, application_name="bench-relay", pool_size=1)
    relay = Schedules(engine, load_catalog(BUILTIN))
    while not stop.is_set():
        if not relay.run_once():
            stop.wait(0.1)
    engine.dispose()
