"""What killed workers and ended jobs left in the scratch folder is deleted, and counted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from services.worker import metrics
from services.worker.scratch import Scratch
from shared.database.statements import statement_name
from shared.jobs.finish import Failure, fail
from tests.support.jobs import a_job, started

_WORKER = """
import pathlib, sys
from sqlalchemy import create_engine
from services.worker.scratch import Scratch
scratch = Scratch(pathlib.Path(sys.argv[1]), create_engine("postgresql+psycopg://unused"))
with scratch.attempt_folder() as folder:
    pathlib.Path(folder, "extract.parquet").write_bytes(b"x" * 100_000)
    print(folder, flush=True)
    sys.stdin.read()
"""


def a_killed_worker(root: Path) -> Path:
    """The folder of an attempt whose worker was killed while it wrote."""
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    return folder


def kept(scratch: Scratch, *job_ids: UUID) -> None:
    for job_id in job_ids:
        folder = scratch.extracts.folder(job_id)
        folder.mkdir(parents=True)
        (folder / "extract.parquet").write_bytes(b"x" * 50_000)


def removed(kind: str) -> float:
    return float(metrics.SCRATCH_REMOVED.labels(kind)._value.get())


@pytest.fixture
def scratch_of_a_worker(scratch: Path, engine: Engine) -> Scratch:
    return Scratch(scratch, engine)


def test_what_killed_workers_left_goes_and_is_counted(scratch: Path, scratch_of_a_worker: Scratch) -> None:
    left = [a_killed_worker(scratch) for _ in range(2)]
    assert all((folder / "extract.parquet").exists() for folder in left)
    before = removed("abandoned")

    with scratch_of_a_worker.attempt_folder() as own:
        scratch_of_a_worker.run_once()
        assert Path(own).is_dir()
    assert not any(folder.parent.exists() for folder in left)
    assert removed("abandoned") == before + 2
    scratch_of_a_worker.close()
    assert list(scratch.iterdir()) == []


def test_extracts_of_jobs_that_ended_elsewhere_go_and_those_of_others_stay(
    conn: Connection, scratch_of_a_worker: Scratch
) -> None:
    """A job that this database does not know may be at work in another one, whose worker has the same folder."""
    waiting, running, failed, unknown, forgotten = a_job(conn), a_job(conn), a_job(conn), uuid4(), uuid4()
    started(conn, running)
    fail(conn, [Failure(started(conn, failed).lease, "boom", "", retryable=False, delay_s=0)])
    kept(scratch_of_a_worker, waiting, running, failed, unknown, forgotten)
    long_ago = time.time() - 90_000
    os.utime(scratch_of_a_worker.extracts.folder(forgotten), (long_ago, long_ago))
    before = removed("extract")

    scratch_of_a_worker.run_once()
    assert sorted(scratch_of_a_worker.extracts.job_ids()) == sorted([waiting, running, unknown])
    assert removed("extract") == before + 2


def test_nothing_is_asked_while_no_extract_is_kept(engine: Engine, conn: Connection, scratch: Path) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(statement_name(sql)))
    scratch_of_a_worker = Scratch(scratch, engine)
    scratch_of_a_worker.run_once()
    assert statements == []

    kept(scratch_of_a_worker, a_job(conn))
    statements.clear()
    scratch_of_a_worker.run_once()
    assert statements == ["jobs.ended_of"]


def test_the_gauges_tell_what_lies_in_the_scratch_folder(conn: Connection, scratch_of_a_worker: Scratch) -> None:
    kept(scratch_of_a_worker, a_job(conn))
    with scratch_of_a_worker.attempt_folder() as folder:
        (Path(folder) / "half.csv").write_bytes(b"x" * 200_000)
        scratch_of_a_worker.run_once()

    of = {kind: metrics.SCRATCH_BYTES.labels(kind)._value.get() for kind in ("attempts", "extracts")}
    assert 200_000 <= of["attempts"] < 300_000
    assert 50_000 <= of["extracts"] < 100_000
    assert metrics.SCRATCH_FREE_BYTES._value.get() > 0


@pytest.mark.parametrize("names", [["not-a-job"], [".hidden", "00000000-0000-0000-0000"]])
def test_other_folders_beside_extracts_stay(names: Sequence[str], scratch_of_a_worker: Scratch) -> None:
    for name in names:
        (scratch_of_a_worker.extracts.root / name).mkdir(parents=True)

    scratch_of_a_worker.run_once()
    assert sorted(f.name for f in scratch_of_a_worker.extracts.root.iterdir()) == sorted(names)
