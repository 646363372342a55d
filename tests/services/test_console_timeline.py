"""What a job's page draws of its history: bars on one scale, and the parts of the attempt that made the report."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.api.console.timeline import Bar, phases_of, timeline
from shared.jobs.events import JobEvent
from shared.jobs.states import JobStatus

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def _bars(waited_s: float, worked_s: float) -> Sequence[Bar]:
    """Of a job that waited and then worked for so long."""
    changes = ((0.0, JobStatus.PENDING, "submit"), (waited_s, JobStatus.PROCESSING, "start"),
               (waited_s + worked_s, JobStatus.SUCCESS, "succeed"))  # fmt: skip
    events = [
        JobEvent(n, None, status, verb, 1, None, _BEGAN + timedelta(seconds=at))
        for n, (at, status, verb) in enumerate(changes)
    ]
    return timeline(events, ended=True)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ([("querying", 4.0), ("writing pdf", 3.0), ("storing", 1.0)], 9.0),
        ([("querying", 10.0), ("storing", 5.0)], 12.0),  # the worker's clock went faster than the database's
        ([("querying", 0.0)], 0.0),
    ],
)
def test_the_parts_of_an_attempt_lie_within_it_one_after_the_other(
    told: Sequence[tuple[str, float]], seconds: float
) -> None:
    bars = _bars(10, 10)
    phases = phases_of(told, seconds, bars)

    assert [phase.name for phase in phases] == ["starting", *(name for name, _ in told)]
    assert [phase.seconds for phase in phases][1:] == [took for _, took in told]
    assert min(phase.left for phase in phases) >= bars[-1].left - 0.01
    assert max(phase.left + phase.width for phase in phases) <= 100.7
    assert [phase.left for phase in phases] == sorted(phase.left for phase in phases)
    assert all(phase.width > 0 for phase in phases)


def test_an_attempt_ends_with_its_last_part() -> None:
    phases = phases_of([("querying", 4.0), ("storing", 1.0)], 8.0, _bars(10, 10))

    assert [(phase.name, phase.left, phase.width) for phase in phases] == [
        ("starting", 60.0, 15.0), ("querying", 75.0, 20.0), ("storing", 95.0, 5.0),
    ]  # fmt: skip


def test_a_job_that_tells_no_parts_has_none() -> None:
    assert phases_of((), 3.0, _bars(1, 1)) == []


def test_bars_are_never_negative_and_fill_the_scale() -> None:
    start = datetime(2026, 11, 28, tzinfo=UTC)
    steps = [("submit", JobStatus.PENDING), ("start", JobStatus.PROCESSING), ("succeed", JobStatus.SUCCESS)]
    for seconds in ([0, 1, 4], [0, 0, 0], [0, -1, -2]):
        found = timeline(
            [
                JobEvent(1, None, to, verb, 0, None, start + timedelta(seconds=s))
                for s, (verb, to) in zip(seconds, steps, strict=True)
            ],
            ended=True,
        )
        assert [bar.status for bar in found] == [JobStatus.PENDING, JobStatus.PROCESSING]
        assert all(bar.seconds >= 0 and bar.left >= 0 and bar.width > 0 for bar in found)
    assert timeline([], ended=False) == []
