"""Traces and logs of real services."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.eventually import eventually
from tests.support.otlp import Collector, Seen
from tests.support.processes.services import Services

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def start_traced(services: Services, collector: Collector, **env: Any) -> None:
    for name in ("api", "relay", "worker"):
        services.start(
            name, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="200",
            LOG_LEVEL="DEBUG", **env,
        )  # fmt: skip


def submit(services: Services, headers: dict[str, str]) -> str:
    answer = httpx.post(
        f"{services.url}/generate-report", json={"parameters": {"seconds": 0}}, headers=headers, timeout=60
    )
    assert answer.status_code == 202
    return str(answer.json()["jobId"])


def lines(services: Services, service: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (services.folder / f"{service}.log").read_text().splitlines()]


def one(collector: Collector, name: str) -> Seen:
    (span,) = eventually(lambda: collector.named(name, TRACE), what=f"{name} arrives")
    return span


def test_one_trace_leads_from_the_request_to_the_artifact(services: Services, collector: Collector) -> None:
    start_traced(services, collector)
    job_id = submit(services, TRACEPARENT)
    services.until_final(job_id)
    finish = one(collector, "jobs succeed")
    request, sent, attempt = (one(collector, name) for name in ("POST /generate-report", "jobs send", "attempt"))

    assert [span.parent_id for span in (request, sent, attempt, finish)] == [
        CLIENT, request.span_id, sent.span_id, attempt.span_id,
    ]  # fmt: skip
    assert [span.service for span in (request, sent, attempt)] == ["todoke-api", "todoke-relay", "todoke-worker"]
    assert request.attributes["todoke.job_id"] == attempt.attributes["todoke.job_id"] == job_id
    assert request.attributes["http.response.status_code"] == 202
    phases = {span.name for span in collector.spans if span.parent_id == attempt.span_id}
    assert {"writing csv", "verifying csv", "storing", "jobs succeed"} <= phases
    told = [line for line in lines(services, "worker") if line.get("job_id") == job_id]
    assert {line["event"] for line in told} >= {"attempt.started", "attempt.ended"}
    assert {(line["trace_id"], line["attempt"]) for line in told} == {(TRACE, 1)}
    assert TRACE in {line.get("trace_id") for line in lines(services, "api")}


def test_a_retry_stays_in_its_trace_and_is_linked_to_what_failed(services: Services, collector: Collector) -> None:
    # The sweeper's doorbell knows the job only: it must not come before the attempt's own.
    start_traced(services, collector, WORKER_RETRY_BASE_S="0.3", JOB_RING_AFTER_S="120")
    (services.artifacts / "reports").write_text("in the way of the folder that the store wants")
    job_id = submit(services, TRACEPARENT)
    eventually(lambda: collector.named("attempt", TRACE), what="the first attempt fails")
    (services.artifacts / "reports").unlink()
    assert services.until_final(job_id)["status"] == "SUCCESS"
    eventually(lambda: one(collector, "jobs succeed"), what="the last span arrives")

    attempts = collector.named("attempt", TRACE)
    assert [span.failed for span in attempts] == [True] * (len(attempts) - 1) + [False]
    assert len(attempts) > 1
    assert [span.links for span in attempts] == [(), *((earlier.span_id,) for earlier in attempts[:-1])]
    assert attempts[0].attributes["error.type"] == "artifact_store_unavailable"


def test_without_a_collector_the_clients_trace_still_reaches_the_log(services: Services) -> None:
    for name in ("api", "relay", "worker"):
        services.start(name)
    traced, broken, plain = (
        submit(services, headers) for headers in (TRACEPARENT, {"traceparent": f"00-{'0' * 32}-{CLIENT}-01"}, {})
    )
    for job_id in (traced, broken, plain):
        services.until_final(job_id)

    ended = {line["job_id"]: line for line in lines(services, "worker") if line["event"] == "attempt.ended"}
    assert ended[traced]["trace_id"] == TRACE
    assert "trace_id" not in ended[broken]
    assert "trace_id" not in ended[plain]


def test_a_collector_that_is_away_holds_nobody_up_and_no_secret_is_in_any_log(services: Services) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=otlp-canary",
        "OTEL_BSP_SCHEDULE_DELAY": "200", "AWS_SECRET_ACCESS_KEY": "aws-canary", "LOG_LEVEL": "DEBUG",
        "REPORT_SOURCES": "x=postgresql://u:source-canary@h/d",
    }  # fmt: skip
    for name in ("api", "relay", "worker"):
        services.start(name, wait=True, launcher=False, port=0, **env)
    httpx.get(f"{services.url}/jobs", headers={"Authorization": "Bearer key-canary", **TRACEPARENT}, timeout=20)
    assert services.until_final(submit(services, TRACEPARENT))["status"] == "SUCCESS"
    services.until_final(services.submit("k", {"reportType": "broken"}))

    assert all(services.stop(name) < 40 for name in ("worker", "relay", "api"))
    for log in services.folder.glob("*.log"):
        text = log.read_text()
        assert "127.0.0.1', port=9" in text or '"level": "debug"' in text, "the log has something to hide it in"
        assert "canary" not in text, log.name
