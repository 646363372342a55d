"""What a scrape of real services returns."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.tools.metrics_page import METRICS
from tests.support.eventually import eventually
from tests.support.processes.services import Services, api_processes


def submitted(services: Services) -> float:
    """Submissions that one scrape knows of."""
    families = text_string_to_metric_families(services.metrics("api"))
    return sum(s.value for f in families for s in f.samples if s.name == "todoke_jobs_submitted_total")


def test_two_api_processes_count_as_one(services: Services) -> None:
    supervisor = services.start("api", API_WORKERS="2")
    eventually(lambda: len(api_processes(supervisor.pid)) == 2, what="both processes run")
    with ThreadPoolExecutor(8) as pool:
        # A connection each, so that the kernel spreads them over both.
        list(pool.map(lambda n: services.submit(f"k{n}"), range(40)))

    scrapes = [submitted(services) for _ in range(6)]

    assert scrapes == [40] * 6
    os.kill(api_processes(supervisor.pid)[0], signal.SIGKILL)
    eventually(lambda: services.ready("api") and len(api_processes(supervisor.pid)) == 2, what="it is replaced")
    services.submit("one-more")
    assert submitted(services) == 41, "what the dead one counted is kept"
    assert services.stop("api") < 30


def test_every_label_stays_within_what_is_declared(services: Services) -> None:
    services.fork_none()
    for name in ("api", "relay", "worker"):
        services.start(name)
    asked: list[dict[str, Any]] = [{"formats": ["csv", "xlsx"]}, {"reportType": "broken"}]
    for n, body in enumerate(asked):
        services.until_final(services.submit(f"k{n}", body))
    httpx.request("BREW", f"{services.url}/jobs/x", timeout=20)
    httpx.get(f"{services.url}/no/such/path", timeout=20)
    declared = {metric.name: metric for metric in METRICS}

    for name in ("api", "relay", "worker"):
        for family in text_string_to_metric_families(services.metrics(name)):
            metric = declared.get(family.name) or declared.get(f"{family.name}_total")
            if not family.name.startswith("todoke_"):
                continue
            assert metric is not None, f"{family.name} is not declared"
            assert name in metric.shown_by, f"{name} shows {metric.name}"
            for sample in family.samples:
                for label, values in metric.labels.items():
                    if label in sample.labels and not isinstance(values, str):
                        assert sample.labels[label] in values, sample
                routes = sample.labels.get("route", "")
                assert "no/such" not in routes
                assert "/jobs/x" not in routes
