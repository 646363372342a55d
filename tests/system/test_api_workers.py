"""Several API processes behind one port are one API: for limits, keys and commits."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks import api
from tests.support.eventually import eventually
from tests.support.processes.services import Services, api_processes


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
