"""The crash matrix: kill each process before and after each of its durable effects, restart it, and ask every promise.

The effects are recorded from a run of the same scenario, so a new one joins by itself.
"""

from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tests.support.eventually import eventually
from tests.support.processes import Services
from tests.support.promises import broken, broken_files

Scenario = dict[str, str]


def begin(services: Services, run: str, *, cancel_running: bool = False) -> Scenario:
    """A report that takes a while, one that fails for good, one that its client cancels."""
    jobs = {
        "SUCCESS": services.submit(f"{run}-slow", {"reportType": "slow", "formats": ["csv"]}),
        "FAILED": services.submit(f"{run}-broken", {"reportType": "broken"}),
        "CANCELLED": services.submit(f"{run}-cancelled", {"reportType": "slow", "parameters": {"seconds": 20}}),
    }
    if cancel_running:
        services.until(jobs["CANCELLED"], "PROCESSING")
    services.cancel(jobs["CANCELLED"])
    return jobs


def record(services: Services, victim: str, folder: Path) -> list[str]:
    """Every effect of `victim` in one undisturbed run, in order of first appearance."""
    file = folder / f"{victim}.effects"
    services.start(victim, launcher=True, EFFECTS_FILE=str(file))
    for status, job_id in begin(services, f"record-{victim}", cancel_running=victim == "worker").items():
        assert services.until_final(job_id)["status"] == status
    services.stop(victim)
    return list(dict.fromkeys(file.read_text().splitlines()))


def crash_and_recover(services: Services, victim: str, point: str, run: str) -> None:
    """Kill `victim` at `point` in the middle of a scenario, start it anew, and see every job end as it should."""
    doomed = services.start(victim, launcher=True, STOP_AT=point)
    if victim == "api":
        # The process that would answer dies: its successor must be there for the client to turn to.
        eventually(lambda: _provoke(services, doomed, run), what=f"{victim} dies at {point}")
        services.start(victim)
        jobs = begin(services, run)
    else:
        # Only a job that runs is cancelled by its worker.
        jobs = begin(services, run, cancel_running="cancel_held" in point)
        eventually(lambda: doomed.poll() is not None, what=f"{victim} dies at {point}")
        services.start(victim)
    for status, job_id in jobs.items():
        job = services.until_final(job_id)
        # Completion and failure may win against a cancellation, never the other way round.
        assert job["status"] == status, (point, job)


def _provoke(services: Services, doomed: object, run: str) -> bool:
    import subprocess

    import httpx

    assert isinstance(doomed, subprocess.Popen)
    try:
        answer = httpx.post(
            f"{services.url}/generate-report",
            json={"reportType": "slow", "formats": ["csv"]},
            headers={"Idempotency-Key": f"{run}-slow"},
            timeout=20,
        )
        httpx.post(f"{services.url}/jobs/{answer.json()['jobId']}:cancel", timeout=20)
    except httpx.TransportError:
        pass
    return doomed.poll() is not None


@pytest.mark.parametrize("victim", ["api", "relay", "worker"])
@pytest.mark.timeout(1200)
def test_a_kill_at_any_effect_loses_doubles_and_tears_nothing(
    services: Services, conn: Connection, tmp_path: Path, victim: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in {"api", "relay", "worker"} - {victim}:
        services.start(name)
    effects = record(services, victim, tmp_path)
    points = [f"{effect}|{phase}|1" for effect in effects for phase in ("before", "after")]
    for number, point in enumerate(points):
        if victim == "api" and "cancel" in point:
            continue  # a cancelled slow job would not succeed; the next test has it
        crash_and_recover(services, victim, point, run=f"{victim}-{number}")
        services.kill(victim)
        assert broken(conn, at_rest=False) == {}, point
    services.start(victim)
    eventually(lambda: broken(conn) == {}, what="the system comes to rest")
    assert broken_files(conn, services.artifacts) == []
    with capsys.disabled():
        print(f"\n  {victim}: {len(effects)} effects, {len(points)} kills: {', '.join(effects)}")


def test_the_matrix_reaches_what_it_must(services: Services, tmp_path: Path) -> None:
    """A matrix that records nothing would pass. These at least are there."""
    for name in ("api", "relay"):
        services.start(name)
    effects = set(record(services, "worker", tmp_path))

    assert {
        "sql jobs.start", "sql jobs.succeed", "sql jobs.fail", "sql jobs.renew", "sqs ReceiveMessage",
        "sqs DeleteMessageBatch", "store put", "store link", "sql jobs.cancel_held",
    } <= effects  # fmt: skip
