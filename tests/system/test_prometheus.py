"""A real Prometheus scrapes real services under load: every query of rules, alerts and dashboard has an answer."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deploy.grafana.dashboard import ROWS
from deploy.local.processes import free_port
from tests.support.eventually import eventually
from tests.support.processes.services import Services
from tests.support.prometheus import Prometheus, rules, shorter

CONFIGURED = ("todoke_api_issuer_key_fetches_total",)
"""Metrics of something that these services have not: issuers of tokens."""


def questions() -> dict[str, list[str]]:
    """What is asked → the expressions that must each return data. A comparison is asked without its threshold."""
    asked = {}
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        # `x > 5` answers nothing while all is well; `x > bool 5` answers whether it is.
        asked[name] = [re.sub(r"(==|>|<)(?= )", r"\1 bool", side) for side in rule["expr"].split(" unless on () ")]
        if "record" in rule:
            asked[name] = [rule["expr"]]
    for title, row in ROWS:
        for panel in row:
            asked[f"{title}: {panel.title}"] = [expression for expression, _ in panel.series]
    asked = {name: [e for e in many if not any(metric in e for metric in CONFIGURED)] for name, many in asked.items()}
    return {name: [shorter(e.replace("$__rate_interval", "5m")) for e in many] for name, many in asked.items()}


def load(services: Services, n: int) -> None:
    """A client's round: reports that succeed, one that fails, one that is cancelled, a list, a download."""
    bodies: list[dict[str, Any]] = [
        {"formats": ["csv", "xlsx"], "parameters": {"seconds": 0}},
        {"reportType": "broken"},
        {"parameters": {"seconds": 300}},
    ]
    done, _, cancelled = (services.submit(f"{n}-{k}", body) for k, body in enumerate(bodies))
    services.cancel(cancelled)
    job = services.until_final(done, within_s=240)
    services.file(done, job["result"]["artifacts"][0]["name"])
    services.todoke.jobs.list()


@pytest.mark.timeout(900)
def test_every_expression_has_an_answer_under_load(services: Services) -> None:
    services.fork_none()
    services.start("api", API_WORKERS="2")
    ports = {"todoke-api": [services.port("api")], "todoke-worker": [services.port("worker")],
             "todoke-relay": [services.port("relay"), free_port()]}  # fmt: skip
    for port in ports["todoke-relay"]:
        services.start("relay", port=port)
    services.start("worker")
    with Prometheus(services.folder / "prometheus", ports) as prometheus, ThreadPoolExecutor(2) as clients:
        eventually(lambda: len(prometheus.query("up == 1")) == 4, within_s=120, what="four processes are scraped")
        left = questions()
        rounds = itertools.count()

        def answered() -> bool:
            list(clients.map(lambda n: load(services, n), itertools.islice(rounds, 2)))
            for name, expressions in list(left.items()):
                if all(prometheus.query(expression) for expression in expressions):
                    del left[name]
            return not left

        try:
            eventually(answered, within_s=400, what="every expression returns data")
        finally:
            assert not left, f"no answer: {left}"
        same = prometheus.query("todoke_jobs_waiting")
        assert len(same) == 2, "both relays show what they see"
        assert len(prometheus.query("max(todoke_jobs_waiting)")) == 1
