"""Faults that are no job's, around real processes: a locked row, a read-only database, an older catalog."""

import shutil
from pathlib import Path

from sqlalchemy import text

from tests.protocol.crash.play import Play
from tests.protocol.crash.scenarios import waiting
from tests.protocol.crash.stage import Stage
from tests.support.eventually import eventually
from tests.support.jobs import expire_lease, started
from tests.support.processes.services import CATALOG


def _says(stage: Stage, service: str, *words: str) -> bool:
    """Whether one line of its log has all of these."""
    lines = (stage.folder / f"{service}.log").read_text().splitlines()
    return any(all(word in line for word in words) for line in lines)


def test_a_row_that_somebody_has_locked_delays_its_own_job_only(stage: Stage) -> None:
    play = Play(stage)
    job_id = play.submit(seconds=0.5)
    play.until(lambda: stage.statuses([job_id])[job_id] != "PENDING", what="a worker has started it")
    with stage.locked(job_id):
        eventually(lambda: _says(stage, "worker", "attempt.row_locked", str(job_id)), what="its end is put off")
        others = [play.submit(seconds=0.2), play.submit("FAILED", report="broken")]
        eventually(lambda: stage.ended(others), what="the others end")
        assert stage.statuses([job_id]) == {job_id: "PROCESSING"}

    play.end()
    # On a slow machine the lock outlasts the lease, and then the locked job itself may be taken over.
    crashes = text("SELECT sum(crashes) FROM jobs WHERE id = ANY (:others)")
    assert stage.conn.execute(crashes, {"others": others}).scalar_one() == 0


def test_a_database_that_takes_no_writes_for_a_moment_delays_and_loses_nothing(stage: Stage) -> None:
    """As on a primary whose disk is full, or a standby: the sessions that begin now may only read."""
    play = Play(stage)
    ending = play.submit(seconds=0.5)
    play.until(lambda: stage.statuses([ending])[ending] != "PENDING", what="a worker has started it")
    name = stage.conn.execute(text("SELECT current_database()")).scalar_one()
    with stage.locked(ending), play.paused("relay"):  # so that all three have something to write
        eventually(lambda: _says(stage, "worker", "attempt.row_locked"), what="its end waits")
        play.submit()
        silent = waiting(play)
        started(stage.conn, silent, worker="a ghost")
        expire_lease(stage.conn, silent)
        stage.conn.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        stage.conn.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^todoke'")
        )
    refused = {("worker", "Finisher.run_once"), ("relay", "Publisher.run_once"), ("relay", "Sweeper.run_once")}
    eventually(
        lambda: all(_says(stage, service, loop, "read-only transaction") for service, loop in refused),
        what="all three are refused",
    )
    body = {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 0}}
    eventually(lambda: stage.ask("/generate-report", body)[0] == 503, what="the API says that it cannot")
    stage.conn.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only"))

    play.submit()
    play.end()


def test_a_rollout_with_two_catalogs_fails_no_job(stage: Stage, tmp_path: Path) -> None:
    """API and one worker have today's catalog. Another worker's lacks one type and allows less of the other."""
    catalog = tmp_path / "older-catalog"
    shutil.copytree(CATALOG, catalog, ignore=shutil.ignore_patterns("broken"))
    report = catalog / "slow" / "report.toml"
    report.write_text(report.read_text().replace("max = 300", "max = 1"))
    stage.another_worker("older worker", CATALOG_PATH=str(catalog))
    play = Play(stage)
    found = text("SELECT id, status, attempt, crashes, error ->> 'code' AS code FROM jobs")

    def seen() -> set[tuple[object, ...]]:
        return {tuple(row) for row in stage.conn.execute(found)}

    with play.alone("older worker"):
        differs, missing = play.submit(seconds=2), play.submit("FAILED", report="broken")
        takes = play.submit(seconds=0.1)
        expected = {
            (differs, "PENDING", 0, 0, "report_type_differs"),
            (missing, "PENDING", 0, 0, "report_type_missing"),
            (takes, "SUCCESS", 1, 0, None),
        }
        eventually(lambda: seen() == expected, what="it gives back what its catalog does not have")

    play.end()
    assert {row[:4] for row in seen()} == {
        (differs, "SUCCESS", 1, 0), (missing, "FAILED", 1, 0), (takes, "SUCCESS", 1, 0)
    }  # fmt: skip
