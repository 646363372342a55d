"""Several API processes behind one port are one API: for limits, keys and commits."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks import api
from tests.support.eventually import eventually
from tests.support.processes.services import Services, api_processes

ROOT = Path(__file__).parents[2]


def start(services: Services, **settings: Any) -> int:
    """Three of them. Returns their supervisor's id."""
    supervisor = services.start("api", API_WORKERS="3", **settings).pid
    eventually(lambda: len(api_processes(supervisor)) == 3, what="three processes run")
    return supervisor


def ask(services: Services, times: int, **headers: str) -> list[Any]:
    """Each over a connection of its own, many at once, so that the kernel spreads them over the processes."""
    with ThreadPoolExecutor(20) as pool:
        url = f"{services.url}/generate-report"
        return list(pool.map(lambda n: httpx.post(url, headers=headers, timeout=60), range(times)))


def test_a_tenant_has_one_limit_for_all_of_them(services: Services) -> None:
    supervisor = start(services, API_RATE_LIMIT="0.001", API_RATE_BURST="50")

    answers = ask(services, 200)

    assert sorted(answer.status_code for answer in answers) == [202] * 50 + [429] * 150
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "rate_limited"
    assert 900 < int(refused.headers["retry-after"]) <= 1000
    assert httpx.get(f"{services.url}/readyz", timeout=60).status_code == 200
    killed = api_processes(supervisor)[0]
    os.kill(killed, signal.SIGKILL)
    eventually(
        lambda: len(left := api_processes(supervisor)) == 3 and killed not in left and services.ready("api"),
        what="it is replaced",
    )
    assert {answer.status_code for answer in ask(services, 40)} == {429}, "what the dead one counted is kept"


def test_a_key_makes_one_job_whoever_it_comes_to(services: Services) -> None:
    start(services)

    answers = ask(services, 60, **{"Idempotency-Key": "one"})

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1


def test_each_of_them_shares_its_commits(services: Services) -> None:
    start(services)
    api.load(f"{services.url}/generate-report", 48)

    scraped = text_string_to_metric_families(services.metrics("api"))
    batches = next(family for family in scraped if family.name == "todoke_submit_batch_submissions")
    sums = {sample.name.removeprefix("todoke_submit_batch_submissions_"): sample.value for sample in batches.samples}
    assert sums["sum"] > 200
    assert sums["count"] <= sums["sum"] / 2


ORPHAN = """
import multiprocessing, os, signal, sys
import orphan

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=orphan.live)
    child.start()
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
CHILD = """
import threading

def live():
    from services.api.processes import application
    application()
    threading.Event().wait(600)
"""


def test_a_process_whose_supervisor_died_before_it_had_begun_ends_too(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "orphan.py").write_text(CHILD)
    (tmp_path / "supervisor.py").write_text(ORPHAN)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "supervisor.py")], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "DATABASE_URL": database_url,
             "ARTIFACT_URL": tmp_path.as_uri()},
    )  # fmt: skip
    child = int(done.stdout)

    assert done.returncode == -signal.SIGKILL
    eventually(lambda: not psutil.pid_exists(child), within_s=120, what=f"process {child} ends")
