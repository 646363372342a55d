"""The whole stack of deploy/compose.yaml: reports succeed, whatever is killed; then the promises are checked."""

import hashlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, ReadOnlySqlTransaction
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.images import engine
from tests.containers.stack import SERVICES, Stack
from tests.support.eventually import NotYet, eventually
from tests.support.promises import broken

_keys = (f"key-{n}" for n in itertools.count())
CSV = {"formats": ["csv"]}


def submit(stack: Stack, count: int, seconds: float) -> list[str]:
    body = {**CSV, "parameters": {"seconds": seconds}}
    keys = [next(_keys) for _ in range(count)]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda key: stack.submit(key, body), keys))


def all_is_well(stack: Stack, conn: Connection, jobs: list[str]) -> None:
    """Every job succeeded, every promise holds, every file is what its row says."""
    final = stack.until_final(jobs)
    assert [(job["status"], job["error"]) for job in final if job["status"] != "SUCCESS"] == []
    eventually(lambda: broken(conn) == {}, within_s=120, what="the promises hold at rest")
    for job in final:
        for artifact in job["result"]["artifacts"]:
            file = download(stack, artifact)
            assert (hashlib.sha256(file).hexdigest(), len(file)) == (artifact["sha256"], artifact["sizeBytes"])


def download(stack: Stack, artifact: dict[str, Any]) -> bytes:
    answer = httpx.get(stack.url + artifact["url"], timeout=30, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    assert answer.history, "the API sends clients to the store"
    return answer.content


def test_reports_go_through_whatever_was_started_first(stack: Stack, conn: Connection) -> None:
    all_is_well(stack, conn, submit(stack, 20, 0.1))


def test_every_format_can_be_made_in_a_read_only_container(stack: Stack, conn: Connection) -> None:
    job = stack.until(stack.submit(next(_keys), {"formats": ["csv", "xlsx"]}), "SUCCESS", "FAILED")

    assert {a["format"] for a in job["result"]["artifacts"]} == {"csv", "xlsx"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_container_loses_nothing(stack: Stack, conn: Connection, service: str) -> None:
    jobs = submit(stack, 6, 2)
    stack.until(jobs[0], "PROCESSING", "SUCCESS")
    killed = stack.containers(service)
    for container in killed:
        stack.kill(container)
    if service != "api":
        jobs += submit(stack, 2, 0.1)  # accepted all the same
    for container in killed:
        stack.start(container)

    all_is_well(stack, conn, jobs)


def test_one_of_two_workers_is_killed_and_the_other_takes_over(stack: Stack, conn: Connection) -> None:
    jobs = submit(stack, 6, 2)
    stack.until(jobs[0], "PROCESSING", "SUCCESS")
    first, *_ = stack.containers("worker")
    stack.kill(first)

    all_is_well(stack, conn, jobs)
    stack.start(first)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_stops_on_sigterm_within_its_grace(stack: Stack, conn: Connection, service: str) -> None:
    jobs = submit(stack, 4, 8 if service == "worker" else 1)
    stack.until(jobs[0], "PROCESSING", "SUCCESS")
    stopped = stack.containers(service)
    ends = [stack.stop(container) for container in stopped]
    for container in stopped:
        stack.start(container)

    assert [(code, seconds < 40) for seconds, code in ends] == [(0, True)] * len(stopped), ends
    all_is_well(stack, conn, jobs)
    assert {stack.until(job, "SUCCESS")["crashes"] for job in jobs} == {0}


@pytest.mark.parametrize("dependency", ["postgres", "queue", "store"])
def test_what_they_stand_on_is_killed_and_comes_back(stack: Stack, conn: Connection, dependency: str) -> None:
    jobs = submit(stack, 6, 1)
    (container,) = stack.containers(dependency)
    stack.kill(container)
    stack.start(container)
    if dependency == "queue":
        # An emulator without a disk comes back without its queues; this is what `setup` is for.
        stack.up("setup")
    conn.invalidate()

    all_is_well(stack, conn, jobs)


def test_the_services_run_hardened(stack: Stack) -> None:
    for service in SERVICES:
        for container in stack.containers(service):
            found = stack.inspect(container)
            host = found["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["Memory"] > 0, service
            assert host["PidsLimit"] > 0, service
            assert not host["Privileged"], service
            published = [p for binding in (host["PortBindings"] or {}).values() for p in binding or []]
            assert {p["HostIp"] for p in published} <= {"127.0.0.1"}, service
            status = engine.run("exec", container, "cat", "/proc/1/status")
            assert "CapBnd:\t0000000000000000" in status, service
            assert "Uid:\t10001\t10001\t10001\t10001" in status, service


def test_no_secret_is_in_an_environment_or_on_a_command_line(stack: Stack) -> None:
    passwords = {stack.service_url(service).split(":")[2].split("@")[0] for service in SERVICES}
    for service in (*SERVICES, "postgres", "migrate", "setup"):
        for container in stack.containers(service, running=False):
            shown = str(stack.inspect(container)["Config"])
            assert not [p for p in passwords if p in shown], service


def test_each_service_has_a_role_of_its_own(stack: Stack, conn: Connection) -> None:
    seen = conn.execute(
        text("SELECT DISTINCT usename, application_name FROM pg_stat_activity WHERE application_name LIKE 'todoke-%'")
    )
    roles = {(row.usename, row.application_name.split("-")[1]) for row in seen}

    assert {("todoke_api", "api"), ("todoke_relay", "relay"), ("todoke_worker", "worker")} <= roles
    assert {role for role, _ in roles} <= {"todoke_api", "todoke_relay", "todoke_worker", "todoke_reader"}
    refused = {
        "worker": "DELETE FROM jobs",
        "relay": "SELECT parameters FROM jobs",
        "api": "DELETE FROM jobs",
    }
    for service, statement in refused.items():
        with psycopg.connect(stack.service_url(service)) as own, pytest.raises(InsufficientPrivilege):
            own.execute(statement)


def test_the_report_source_is_read_only(stack: Stack) -> None:
    with psycopg.connect(stack.reader_url(), autocommit=True) as reader:
        with pytest.raises(ReadOnlySqlTransaction):
            reader.execute("CREATE TEMP TABLE t (n int)")
        with pytest.raises(InsufficientPrivilege):
            reader.execute("SELECT FROM jobs")


def test_prometheus_sees_every_container(stack: Stack) -> None:
    def up() -> bool:
        found = httpx.get(f"{stack.prometheus}/api/v1/query", params={"query": "up"}, timeout=20).json()
        counted = dict.fromkeys(SERVICES, 0)
        for sample in found["data"]["result"]:
            if (job := sample["metric"].get("job", "").removeprefix("todoke-")) in counted:
                counted[job] += int(sample["value"][1])
        if counted != {"api": 1, "relay": 2, "worker": 2}:
            raise NotYet(str(found["data"]["result"]))
        return True

    eventually(up, within_s=120, what="every container is scraped")
