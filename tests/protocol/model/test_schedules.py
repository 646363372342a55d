"""A schedule's ticks, explored: each is one job or has a reason, and each guard is needed."""

from collections.abc import Mapping

import pytest

from tests.protocol.model.spin import SCHEDULES, explore

Bounds = Mapping[str, int]

_ONE = "a_tick_is_one_job"
_FATE = "at_rest_every_tick_has_its_fate"

KNOWN_BUGS: Mapping[str, tuple[Bounds, str]] = {
    "no key of a tick: a clock goes back, and the schedule is resumed by it": ({"NO_TICK_KEY": 1}, _ONE),
    "no key of a tick, and the next tick is written after the job": ({"NO_TICK_KEY": 1, "NEXT_TICK_LAST": 1}, _ONE),
    "no key of a tick, and two relays read the same": ({"NO_TICK_KEY": 1, "NO_LOCK": 1, "FAULTS": 0}, _ONE),
    "the next tick is written in a transaction before the job's": ({"NEXT_TICK_FIRST": 1}, _FATE),
    "the next tick is counted from the clock": ({"NEXT_BY_THE_CLOCK": 1, "FAULTS": 0, "WISHES": 0}, _FATE),
    "a change of the schedule passes what is due":
        ({"A_CHANGE_PASSES_WHAT_IS_DUE": 1, "FAULTS": 0, "WISHES": 1}, _FATE),
}  # fmt: skip


def test_in_every_run_a_tick_is_one_job_or_has_a_reason() -> None:
    found = explore({"FAULTS": 2, "WISHES": 2}, model=SCHEDULES)

    print(f"{found.states} states")
    assert found.broken is None, found.output
    assert found.states > 10_000, "fewer states than before: something can no longer happen"


def test_no_schedule_keeps_its_relays_busy_for_ever() -> None:
    assert explore({"FAULTS": 2, "WISHES": 1}, model=SCHEDULES, endless=True).broken is None


@pytest.mark.parametrize("bug", KNOWN_BUGS)
def test_a_known_bug_of_schedules_is_found(bug: str) -> None:
    bounds, promise = KNOWN_BUGS[bug]

    assert explore({"FAULTS": 2, "WISHES": 2, **bounds}, model=SCHEDULES).broken == promise


@pytest.mark.parametrize(
    "bounds",
    [{"NO_LOCK": 1}, {"NEXT_TICK_LAST": 1}, {"NO_TICK_KEY": 1, "WISHES": 0}],
    ids=["two relays read the same", "the next tick after the job", "nobody resumes or backfills"],
)
def test_the_key_of_a_tick_and_the_lock_are_each_enough_for_relays_alone(bounds: Bounds) -> None:
    """So the lock saves work, and the key is what clocks that go back, and people, ask for."""
    assert explore({"FAULTS": 2, "WISHES": 1, **bounds}, model=SCHEDULES).broken is None
