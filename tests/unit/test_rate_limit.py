"""The token bucket of a tenant: what passes, what waits, and that several processes share one."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.api.auth import rate_limit
from services.api.auth.rate_limit import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def passed(limit: RateLimit, times: int, tenant: str = "acme") -> int:
    return sum(limit.take(tenant).wait_s == 0 for _ in range(times))


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(4, 10, clock)

    assert passed(limit, 30) == 10
    for _ in range(3):
        clock.now += 0.25
        assert passed(limit, 30) == 1
    clock.now += 1
    assert passed(limit, 30) == 4
    clock.now += 3600
    assert passed(limit, 30) == 10


@pytest.mark.parametrize("per_s", [0.01, 3, 70, 1_000_000])
def test_whoever_waits_as_long_as_told_passes_and_nobody_sooner(per_s: float) -> None:
    clock = Clock()
    limit = RateLimit(per_s, 1, clock)
    for _ in range(100):
        while (wait_s := limit.take("acme").wait_s) == 0:
            pass
        assert wait_s == pytest.approx(1 / per_s, rel=0.01)
        clock.now += wait_s * 0.99
        assert limit.take("acme").wait_s > 0
        clock.now += wait_s * 0.01 + 1e-9  # what is lost in adding
        assert limit.take("acme").wait_s == 0


def test_what_is_left_is_told_and_when_there_is_more() -> None:
    clock = Clock()
    limit = RateLimit(2, 10, clock)

    def taken(weight: int = 1) -> list[float]:
        return [round(float(number), 2) for number in limit.take("acme", weight)]

    assert taken() == [0, 9, 0.5]
    assert taken(5) == [0, 4, 3]
    assert taken(5) == [0.5, 4, 3]
    assert taken(4) == [0, 0, 5]
    clock.now += 1
    assert taken() == [0, 1, 4.5]
    assert taken(0) == [0, 1, 4.5]


def test_what_weighs_more_than_all_passes_after_a_pause() -> None:
    clock = Clock()
    limit = RateLimit(1, 3, clock)

    assert limit.take("acme", 50).wait_s == 0
    assert limit.take("acme", 50).wait_s == pytest.approx(3, abs=0.01)
    clock.now += 3
    assert limit.take("acme", 50).wait_s == 0


def test_a_tenant_takes_nothing_from_another() -> None:
    limit = RateLimit(1, 5, Clock())

    assert [passed(limit, 9, f"tenant-{n}") for n in range(1_000)] == [5] * 1_000


def test_in_too_great_a_crowd_somebody_may_ask_more_but_nobody_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_TENANTS", 1)
    limit = RateLimit(1, 5, Clock())
    busy = [f"tenant-{n}" for n in range(rate_limit._NEAR + 1)]

    rounds = [[passed(limit, 1, tenant) for tenant in busy] for _ in range(5)]

    assert rounds == [[1] * len(busy)] * 5


def test_processes_have_one_bucket_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each asks 2,000 times; not one more passes than when one of them asks."""
    monkeypatch.setenv(rate_limit.SHARED, str(tmp_path / "rates"))
    ask = (
        "import sys; from services.api.auth.rate_limit import RateLimit; limit = RateLimit(1e-6, 3_000);"
        "print(flush=True);"
        "sys.stdin.readline(); print(sum(limit.take('acme').wait_s == 0 for _ in range(2_000)))"
    )
    asking = [
        subprocess.Popen([sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in asking:
        assert process.stdout is not None
        process.stdout.readline()  # all of them are ready
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in asking]

    assert sum(counts) == 3_000
    assert passed(RateLimit(1e-6, 3_000), 1) == 0
