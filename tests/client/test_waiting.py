"""Waiting for a job, with a server that is there, away for a while, or gone."""

from typing import Any

import httpx2
import pytest

from tests.client.conftest import Make
from tests.client.samples import JOB_ID, job
from tests.client.test_requests import problem
from todoke import errors
from todoke.models import Job

Step = dict[str, Any] | Exception | httpx2.Response


class Clock:
    """Stands still but for pauses and long polls."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Holds a job, whose state moves on with each answer, and honours `Prefer: wait` by letting time pass."""

    def __init__(
        self, clock: Clock, *steps: dict[str, Any] | Exception | httpx2.Response, honours: bool = True
    ) -> None:
        self.clock = clock
        self.steps = list(steps)
        self.honours = honours
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/stream"):
            return problem(404, "unknown_path")
        self.asked.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx2.Response):
            return httpx2.Response(step.status_code, headers=step.headers, content=step.content)
        tag = f'"{id(step)}"'
        prefer = request.headers.get("prefer")
        headers = {"ETag": tag, "Retry-After": "1"}
        if prefer and self.honours:
            headers["Preference-Applied"] = prefer
            if request.headers.get("if-none-match") == tag:
                self.clock.now += float(prefer.removeprefix("wait="))
        if request.headers.get("if-none-match") == tag:
            return httpx2.Response(304, headers=headers)
        return httpx2.Response(200, json=step, headers=headers)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def pause(seconds: float) -> None:
        clock.now += max(seconds, 0.01)

    async def sleep(seconds: float) -> None:
        pause(seconds)

    monkeypatch.setattr("todoke._core.config.monotonic", clock)
    monkeypatch.setattr("todoke._core.config.random", lambda: 0.5)
    monkeypatch.setattr("todoke.client.time.sleep", pause)
    monkeypatch.setattr("todoke.async_client.anyio.sleep", sleep)
    return clock


RUNNING = job("PROCESSING", progress={"phase": "query", "rows": 5})


def test_a_job_is_waited_for_by_long_polls_and_each_state_is_shown_once(make: Make, clock: Clock) -> None:
    server = Server(clock, job(), RUNNING, job("SUCCESS"))
    seen: list[Job] = []
    ended = make(handler=server).jobs.wait(JOB_ID, on_progress=seen.append)

    assert ended.status == "SUCCESS"
    assert [one.status for one in seen] == ["PENDING", "PROCESSING", "SUCCESS"]
    assert seen[1].progress is not None
    assert [r.headers.get("prefer") for r in server.asked] == [None, "wait=30", "wait=30"]
    assert clock.now < 1003


def test_an_api_that_does_not_wait_is_asked_every_second(make: Make, clock: Clock) -> None:
    server = Server(clock, job(), job(), job(), job("SUCCESS"), honours=False)
    make(handler=server).jobs.wait(JOB_ID)
    assert clock.now == pytest.approx(1002), "after one try to listen"


def test_other_ends_are_raised_with_the_job(make: Make, clock: Clock) -> None:
    error = {"code": "query_failed", "message": "no such table", "retryable": False, "hint": "Tell the author."}
    with pytest.raises(errors.JobFailed, match="failed: query_failed: no such table\nTell the author") as failed:
        make(handler=Server(clock, job("FAILED", error=error))).jobs.wait(JOB_ID)
    assert (failed.value.code, failed.value.retryable, failed.value.job.id) == ("query_failed", False, JOB_ID)
    with pytest.raises(errors.JobCancelled):
        make(handler=Server(clock, job("CANCELLED"))).jobs.wait(JOB_ID)


@pytest.mark.parametrize("timeout", [0, 0.5, 45])
def test_time_runs_out_and_the_job_goes_on(timeout: float, make: Make, clock: Clock) -> None:
    with pytest.raises(errors.WaitTimedOut, match=f"job {JOB_ID} is still PROCESSING") as caught:
        make(handler=Server(clock, RUNNING)).jobs.wait(JOB_ID, timeout=timeout)
    assert caught.value.job.status == "PROCESSING"
    assert timeout <= clock.now - 1000 <= timeout + 1


AWAY: list[Step] = [
    httpx2.ConnectError("refused"),
    httpx2.ReadError("reset"),
    problem(503),
    httpx2.Response(502, text="<html>"),
]


def test_a_server_that_dies_and_comes_back_is_waited_for(make: Make, clock: Clock) -> None:
    server = Server(clock, job(), *AWAY * 5, RUNNING, *AWAY, job("SUCCESS"))
    assert make(handler=server).jobs.wait(JOB_ID).status == "SUCCESS"
    assert len(server.asked) == 27


def test_a_server_that_does_not_come_back_is_given_up(make: Make, clock: Clock) -> None:
    with pytest.raises(errors.ConnectionFailed):
        make(handler=Server(clock, job(), httpx2.ConnectError("refused"))).jobs.wait(JOB_ID)
    assert 1300 < clock.now < 1320, "after five minutes"


def test_a_server_that_is_away_when_time_runs_out_leaves_the_job_as_it_was_seen(make: Make, clock: Clock) -> None:
    with pytest.raises(errors.WaitTimedOut) as caught:
        make(handler=Server(clock, RUNNING, httpx2.ConnectError("refused"))).jobs.wait(JOB_ID, timeout=20)
    assert caught.value.job.status == "PROCESSING"
    assert isinstance(caught.value.__cause__, errors.ConnectionFailed)
    with pytest.raises(errors.ConnectionFailed):
        make(handler=Server(clock, httpx2.ConnectError("refused"))).jobs.wait(JOB_ID, timeout=20)


def test_what_will_not_pass_ends_the_waiting(make: Make, clock: Clock) -> None:
    with pytest.raises(errors.NotFound):
        make(handler=Server(clock, job(), problem(404, "unknown_job"))).jobs.wait(JOB_ID)
    assert clock.now < 1002
