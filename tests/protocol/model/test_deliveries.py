"""A job's end and its webhooks, explored: what is owed is delivered, nothing else is sent, and each guard is needed."""

from collections.abc import Mapping

import pytest

from tests.protocol.model.spin import DELIVERIES, explore

Bounds = Mapping[str, int]

KNOWN_BUGS: Mapping[str, tuple[Bounds, str]] = {
    "the event is written before the end is committed":
        ({"EVENT_BEFORE_THE_COMMIT": 1}, "nothing_is_sent_that_was_rolled_back"),
    "the event is written after the end is committed":
        ({"EVENT_AFTER_THE_COMMIT": 1}, "at_rest_an_end_has_its_event"),
    "the event is marked spread in a commit before its deliveries":
        ({"SPREAD_IS_TWO_COMMITS": 1}, "at_rest_what_is_owed_was_taken"),
    "no lock of the event, and no key of deliveries":
        ({"NO_LOCK_OF_EVENTS": 1, "NO_KEY_OF_DELIVERIES": 1}, "an_event_is_one_delivery_of_each_webhook"),
    "no token of a lease": ({"NO_TOKEN": 1}, "who_lost_the_lease_writes_nothing"),
    "a delivery is written down before it is sent":
        ({"RECORDED_BEFORE_SENDING": 1}, "at_rest_what_is_owed_was_taken"),
    "no answer is taken for a good one": ({"SILENCE_IS_CONSENT": 1}, "what_says_delivered_was_taken"),
    "what waits for a disabled webhook is left": ({"WHAT_WAITS_IS_LEFT": 1}, "at_rest_what_is_owed_was_taken"),
}  # fmt: skip


def test_in_every_run_what_is_owed_is_taken_and_nothing_else_is_sent() -> None:
    found = explore({"FAULTS": 3}, model=DELIVERIES)

    print(f"{found.states} states")
    assert found.broken is None, found.output
    assert found.states > 10_000, "fewer states than before: something can no longer happen"


@pytest.mark.parametrize("bug", KNOWN_BUGS)
def test_a_known_bug_of_deliveries_is_found(bug: str) -> None:
    bounds, promise = KNOWN_BUGS[bug]

    assert explore({"FAULTS": 2, **bounds}, model=DELIVERIES).broken == promise


@pytest.mark.parametrize("bounds", [{"NO_LOCK_OF_EVENTS": 1}], ids=["two relays spread the same"])
def test_the_key_of_a_delivery_is_enough_without_the_lock(bounds: Bounds) -> None:
    assert explore({"FAULTS": 2, **bounds}, model=DELIVERIES).broken is None
