"""The crash matrix: each effect of each service killed, frozen, refused, doubled or lost, sometimes several together.

The suite kills before and after every effect, and draws from the other ways in which each can go wrong; `make
long-crash` plays them all. `CRASH_SEED=7` draws the same again; `CRASH_ONLY='relay: COMMIT'` plays only the cases
whose names contain that, every way.
"""

import contextlib
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import pytest

from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.matrix import Case, cases, record
from tests.protocol.crash.scene import play
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import KILLS, STALLS

_LANES = 3
"""Stages at work beside each other: each waits most of the time."""
_TOGETHER = 3
"""Cases that share their end: one wait for rest, and one look at all promises."""
_RECOVERED_FROM = {*KILLS, *STALLS}
_MUST_BE_THERE = {
    "api: sql jobs.submit", "api: sql jobs.submit_later", "api: sql jobs.cancel", "api: sql jobs.delete",
    "api: sql idempotency_keys.remember", "api: sql bulk.create", "api: sql bulk.run", "api: sql bulk.stop",
    "relay: sql bulk.act", "relay: sql bulk.note", "relay: sql bulk.move",
    "api: sql audit.record", "relay: sql jobs.blank", "relay: sql erasures.done",
    "api: COMMIT", "api: answer 202", "relay: sql outbox.claim", "relay: sql audit.forget",
    "relay: sql api_keys.forget",
    "relay: sql outbox_retry.claim", "relay: sql outbox_retry.keep", "relay: sqs SendMessageBatch", "relay: COMMIT",
    "relay: sql dead_letters.copy", "relay: sql dead_letters.done", "relay: sqs DeleteMessageBatch",
    "relay: sql measurements.write", "relay: sql jobs.expire",
    "relay: sql schedules.move", "relay: sql schedules.settle", "relay: sql jobs.submit_within",
    "relay: sql jobs.cancel",
    "api: sql schedules.create", "api: sql schedules.replace", "api: sql schedules.pause", "api: sql schedules.resume",
    "api: sql schedules.backfill", "api: sql schedules.asked", "api: sql schedules.delete",
    "api: sql schedule_ticks.let_go", "api: sql shares.create", "api: sql shares.take", "api: sql shares.revoke",
    "relay: sql shares.forget",
    "relay: sql webhook_events.take", "relay: sql webhook_events.spread", "relay: sql webhook_deliveries.claim",
    "relay: webhook POST", "relay: sql webhook_deliveries.record", "relay: sql webhook_deliveries.drop",
    "relay: sql webhook_events.forget", "relay: sql webhook_secrets.forget",
    "api: sql webhooks.create", "api: sql webhooks.replace", "api: sql webhooks.rotate", "api: sql webhooks.delete",
    "api: sql webhook_events.ping", "api: sql webhook_deliveries.ping", "api: sql webhook_deliveries.again",
    "api: sql webhook_deliveries.again_since",
    "relay: sql jobs.ring", "relay: sql held.hold", "relay: sql held.take",
    "relay: sql pauses.give_back_time", "relay: sql pauses.forget", "worker: sql admission.start",
    "worker: sql slots.fill", "worker: sql held.hold",
    "worker: sqs ReceiveMessage", "worker: sql jobs.start",
    "worker: sql jobs.renew", "worker: sql jobs.succeed", "worker: sql jobs.fail", "worker: sql jobs.cancel_held",
    "worker: sql jobs.give_back", "worker: sqs DeleteMessageBatch", "worker: sqs ChangeMessageVisibilityBatch",
    "worker: sqs SendMessageBatch", "worker: store link slow.csv", "worker: store link .rows.jsonl",
    "worker: store unlink .part-*",
    "report child: extract rename extract.parquet", "report child: sends files", "report child: sends an error",
    "worker: sql jobs.succeed, again", "sick worker: sql jobs.give_back", "sick worker: sqs DeleteMessageBatch",
    "sick worker: store mkdir artifacts", "sick worker: scratch create probe",
}  # fmt: skip
"""A matrix that records nothing would pass: these at least are found."""


_OTHER_WAYS = 1
"""Ways beside the kills that the suite draws for each effect."""


@pytest.mark.timeout(1800)
def test_whatever_dies_freezes_or_fails_at_any_effect_no_job_is_lost_doubled_or_torn(
    open_stage: OpenStage, tell: Callable[[str], None]
) -> None:
    _play_matrix(open_stage, tell, other_ways=_OTHER_WAYS)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_every_effect_goes_wrong_in_every_way(open_stage: OpenStage, tell: Callable[[str], None]) -> None:
    _play_matrix(open_stage, tell, other_ways=None)


def _play_matrix(open_stage: OpenStage, tell: Callable[[str], None], *, other_ways: int | None) -> None:
    """Play the cases, `other_ways` of those without a kill for each effect; None: all."""
    seed, only = int(os.environ.get("CRASH_SEED", "1")), os.environ.get("CRASH_ONLY", "")
    with contextlib.ExitStack() as stack:
        stages = [stack.enter_context(open_stage(f"lane-{number}")) for number in range(_LANES)]
        effects = record(stages)
        assert _MUST_BE_THERE - {str(effect) for effect in effects} == set()
        chance = random.Random(seed)
        directed = [case for case in cases(effects) if only in str(case)]
        if other_ways is not None and not only:
            directed = _drawn(directed, chance, other_ways)
        rounds = _rounds(directed, chance)
        _play_all(stages, rounds)
    points = {point for case in directed for point in case.points}
    double = sum(sum(case.fault in _RECOVERED_FROM for case in one) > 1 for one in rounds)
    tell(f"{len(effects)} effects, {len(points)} points, {len(directed)} directed cases, all hit;")
    tell(f"{double} crashes during the recovery from a crash (CRASH_SEED={seed})")
    if not only:
        assert len(points) >= 60
        assert len(directed) >= 240
        assert double >= 24


def _drawn(directed: Sequence[Case], chance: random.Random, other_ways: int) -> list[Case]:
    """Every kill, and for each effect so many of the other ways."""
    kept = [case for case in directed if case.fault in KILLS]
    others: dict[str, list[Case]] = {}
    for case in sorted(directed, key=str):  # what is recorded first is chance
        if case.fault not in KILLS:
            others.setdefault(str(case.effect), []).append(case)
    return kept + [case for ways in others.values() for case in chance.sample(ways, min(other_ways, len(ways)))]


def _rounds(directed: Sequence[Case], chance: random.Random) -> list[Sequence[Case]]:
    """Every case once. Those of a round are played upon each other: each before the last has been recovered from."""
    drawn = sorted(directed, key=str)  # what is recorded first is chance
    chance.shuffle(drawn)
    return [drawn[begin : begin + _TOGETHER] for begin in range(0, len(drawn), _TOGETHER)]


def _play_all(stages: Sequence[Stage], rounds: Sequence[Sequence[Case]]) -> None:
    """Every round, on several stages. Once one went wrong no other begins: a stage is not to be trusted after it."""
    waiting: SimpleQueue[Sequence[Case]] = SimpleQueue()
    for one in rounds:
        waiting.put(one)
    failures: list[Exception] = []

    def lane(stage: Stage) -> None:
        try:
            _play_on(stage, waiting)
        except Exception as error:  # noqa: BLE001 - shown with the others
            failures.append(error)
            _empty(waiting)

    with ThreadPoolExecutor(len(stages)) as pool:
        list(pool.map(lane, stages))
    if failures:
        raise ExceptionGroup("cases in which a promise was broken or nothing ended", failures)


def _empty(waiting: "SimpleQueue[Sequence[Case]]") -> None:
    with contextlib.suppress(Empty):
        while True:
            waiting.get_nowait()


def _play_on(stage: Stage, waiting: "SimpleQueue[Sequence[Case]]") -> None:
    while True:
        try:
            one = waiting.get_nowait()
        except Empty:
            return
        try:
            play(stage, [case.scene() for case in one])
        except BaseException as error:
            error.add_note(f"in the case {' and then '.join(map(str, one))!r}; CRASH_ONLY plays each of them alone")
            raise
