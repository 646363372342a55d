"""Faults around the services: their database, queue, store and clock, and other services' versions."""

import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from sqlalchemy import text

import migrations
from deploy.local.emulator import REGION, Emulator
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.processes import spawn, stop
from shared.database.engine import create_engine
from tests.protocol.crash.actor import QUEUE
from tests.protocol.crash.play import Play
from tests.protocol.crash.scenarios import leaving, noise
from tests.protocol.crash.stage import Stage, opened
from tests.support.eventually import eventually
from tests.support.faults.plan import Fault, Hit
from tests.support.faults.tcp_proxy import Proxy
from tests.support.postgres import power
from tests.support.processes.zygote import ROOT, Zygote
from tests.support.promises import broken


def a_few(play: Play, count: int = 8, **request: object) -> None:
    for _ in range(count):
        play.submit(**request)  # type: ignore[arg-type]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, to be killed. Nothing is switched off in it that a crash would need."""
    with (
        tempfile.TemporaryDirectory(prefix="todoke-crash-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder)) as server,
    ):
        server.create_database("crash")
        migrations.upgrade(server.dsn("crash"))
        yield server


def test_a_database_that_is_killed_and_recovers_has_lost_no_accepted_job(
    zygote: Zygote, own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with opened(zygote, own_server.dsn("crash"), tmp_path) as stage:
        play = Play(stage)
        for _ in range(3):
            a_few(play, 3, seconds=0.2)
            power.cut(own_server)
            own_server.start()
        engine = create_engine(own_server.dsn("crash"), application_name="test")
        with engine.connect() as stage.conn:
            play.end()
        engine.dispose()


def test_a_database_without_connections_to_give_delays_and_loses_nothing(stage: Stage, database_url: str) -> None:
    play = Play(stage)
    a_few(play, 4, seconds=0.2)
    name = stage.conn.execute(text("SELECT current_database()")).scalar_one()
    stage.conn.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT 0"))
    stage.conn.execute(
        text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^todoke'")
    )
    body = {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 0}}
    eventually(lambda: stage.ask("/generate-report", body)[0] == 503, what="the API says that it cannot")
    stage.conn.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT -1"))

    a_few(play, 2)
    play.end()


def test_a_network_that_swallows_everything_for_a_while(stage: Stage) -> None:
    play = Play(stage)
    a_few(play, 4, seconds=0.2)
    proxies = [actor.proxy for actor in stage.actors.values()]
    for proxy in proxies:
        proxy.freeze()
    stage.pass_time()
    for proxy in proxies:
        proxy.cut()
        proxy.thaw()

    a_few(play, 2)
    play.end()


def test_a_store_on_s3_that_goes_away_and_breaks_uploads_off(
    zygote: Zygote, database_url: str, tmp_path: Path, emulator: Emulator, bucket: str
) -> None:
    with Proxy("127.0.0.1", emulator.port) as proxy:
        env = {
            "ARTIFACT_URL": f"s3://{bucket}/crash",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{proxy.port}",
            "WORKER_RETRY_BASE_S": "3",
            "WORKER_RETRY_CAP_S": "3",
        }
        with opened(zygote, database_url, tmp_path, **env) as stage:
            play = Play(stage)
            play.submit()
            play.until_ended()
            proxy.refusing = True
            proxy.cut()
            a_few(play, 4)
            log = tmp_path / "worker.log"
            eventually(lambda: "artifact_store_unavailable" in log.read_text(), what="the store is missed")
            proxy.refusing = False
            eventually(lambda: proxy.cut() > 0, what="an upload is broken off")

            play.until_ended()
            assert broken(stage.conn, at_rest=False) == {}
            stored = boto3.client("s3", region_name=REGION).list_objects_v2(Bucket=bucket, Prefix="crash/")["Contents"]
            visible = stage.conn.execute(text("SELECT lease_token, name, size_bytes FROM artifacts")).all()
            sizes = {tuple(o["Key"].split("/")[-2:]): o["Size"] for o in stored}
            assert all(sizes[str(row.lease_token), row.name] == row.size_bytes for row in visible)


def test_doorbells_that_come_late_double_and_in_any_order(stage: Stage) -> None:
    seed = 5
    stage.queues.named(QUEUE).shuffle = random.Random(seed)
    stage.actors["relay"].arm({Hit("sqs SendMessageBatch", n): Fault.DUPLICATE for n in range(1, 200)})
    stage.actors["worker"].arm({Hit("sqs ReceiveMessage", n): Fault.DUPLICATE for n in range(1, 200, 2)})
    play = Play(stage)
    a_few(play, 30)

    play.end()


def test_a_redriven_dead_letter_queue_changes_nothing_that_has_ended(stage: Stage) -> None:
    play = Play(stage)
    noise(play)
    queue, dead = stage.queues.named(QUEUE), stage.queues.named(f"{QUEUE}-dlq")
    play.until(lambda: len(dead.messages) >= 1, what="nonsense is put aside")
    play.until_ended()
    done = next(iter(play.expected))
    waiting = play.submit()
    dead.send(f'{{"jobId": "{done}"}}', {})
    dead.send(f'{{"jobId": "{waiting}"}}', {})
    before = stage.conn.execute(text("SELECT version FROM jobs WHERE id = :id"), {"id": done}).scalar_one()

    dead.redrive_to(queue)

    play.until(lambda: any(m.body == "not JSON" for m in dead.messages), what="it is put aside again")
    play.end()
    after = stage.conn.execute(text("SELECT version FROM jobs WHERE id = :id"), {"id": done}).scalar_one()
    assert after == before


@pytest.mark.parametrize("hours", [-30, 30])
def test_hosts_whose_clocks_are_hours_wrong(stage: Stage, hours: int) -> None:
    for name, factor in (("api", 1), ("relay", -1), ("worker", 1)):
        actor = stage.actors[name]
        assert actor.process is not None
        actor.process.kill()
        actor.process.wait(30)
        actor.start(CLOCK_OFFSET_S=str(factor * hours * 3600))
    play = Play(stage)
    a_few(play, 4, seconds=0.2)
    play.submit("FAILED", report="broken")
    worker = stage.actors["worker"].process
    assert worker is not None
    worker.kill()

    play.end()


def _older_source(folder: Path) -> tuple[Path, str]:
    """The oldest of the last commits that stands on this very schema, unpacked; and its name.

    Without the project's history it is this version, from a folder of its own.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()

    if shutil.which("git") is None or not (ROOT / ".git").exists():
        for part in ("services", "shared", "client", "migrations", "deploy"):
            shutil.copytree(ROOT / part, folder / "older" / part, ignore=shutil.ignore_patterns("__pycache__"))
        return folder / "older", "itself, because there is no history"

    names = git("log", "-40", "--format=%h").split()
    same = [name for name in names if not git("diff", "--name-only", name, "HEAD", "--", "migrations")]
    archive = folder / "older.tar"
    git("archive", "-o", str(archive), same[-1])
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "older", filter="data")
    return folder / "older", same[-1]


def test_two_versions_of_the_code_side_by_side(stage: Stage, tmp_path: Path, tell: Callable[[str], None]) -> None:
    """A rolling deployment: the older relay and worker share the work with today's, and stop in the middle of it."""
    source, commit = _older_source(tmp_path)
    tell(f"beside this version: {commit}")
    older = [
        spawn(
            [sys.executable, "-m", f"services.{name}"],
            env={**os.environ, **stage.env, **stage.actors[name].env, "PYTHONPATH": str(source)},
            log=tmp_path / f"older-{name}.log",
            cwd=source,
        )
        for name in ("relay", "worker")
    ]
    try:
        eventually(lambda: "worker.ready" in (tmp_path / "older-worker.log").read_text(), what="the older worker works")
        play = Play(stage)
        a_few(play, 12, seconds=0.2)
        with play.paused("worker"):
            a_few(play, 4, seconds=0.2)
            workers = text("SELECT count(*) FROM job_events WHERE verb = 'succeed' AND worker LIKE :pid")
            pid = {"pid": f"%:{older[1].pid}"}
            eventually(lambda: stage.conn.execute(workers, pid).scalar_one() > 0, what="the older worker ends a job")
        a_few(play, 4, seconds=0.2)
        assert all(stop(process, timeout_s=60) for process in older)
        leaving(play)
        play.end()
    finally:
        for process in older:
            process.kill()
            process.wait(30)
