"""The crash matrix: each effect of each service killed, frozen, refused, doubled, lost; then crashes in recovery.

`CRASH_SEED=7` draws the same pairs again; `CRASH_ONLY='relay: COMMIT'` plays only the cases whose names contain that.
"""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

import pytest

from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.matrix import Case, Effect, cases, record
from tests.protocol.crash.play import play
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import KILLS, STALLS

_LANES = 2
"""Stages at work beside each other: one a core."""
_PAIRS = 24
_FAILURES = 3
"""Enough to look into."""
_MUST_BE_THERE = {
    "api: sql jobs.submit", "api: sql jobs.cancel", "api: answer 202", "relay: sql outbox.claim",
    "relay: sql outbox_retry.claim", "relay: sql outbox_retry.keep", "relay: sqs SendMessageBatch", "relay: COMMIT",
    "relay: sql jobs.expire", "relay: sql jobs.ring", "worker: sqs ReceiveMessage", "worker: sql jobs.start",
    "worker: sql jobs.renew", "worker: sql jobs.succeed", "worker: sql jobs.fail", "worker: sql jobs.cancel_held",
    "worker: sql jobs.give_back", "worker: sqs DeleteMessageBatch", "worker: sqs ChangeMessageVisibilityBatch",
    "worker: sqs SendMessageBatch", "worker: store link slow.csv", "worker: store unlink .part-*",
    "report child: extract rename extract.parquet", "report child: sends files", "report child: sends an error",
}  # fmt: skip
"""A matrix that records nothing would pass: these at least are found. There is no scheduler yet, so none is killed."""


@pytest.mark.timeout(1800)
def test_whatever_dies_freezes_or_fails_at_any_effect_no_job_is_lost_doubled_or_torn(
    open_stage: OpenStage, tell: Callable[[str], None]
) -> None:
    seed, only = int(os.environ.get("CRASH_SEED", "1")), os.environ.get("CRASH_ONLY", "")
    with open_stage("recording") as stage:
        effects = record(stage)
    assert {str(effect) for effect in effects} >= _MUST_BE_THERE
    directed = [case for case in cases(effects) if only in str(case)]
    pairs = list(_pairs(effects, random.Random(seed))) if not only else []
    _play_all(open_stage, [*([case] for case in directed), *pairs])
    points = {point for case in directed for point in case.points}
    tell(f"{len(effects)} effects, {len(points)} points, {len(directed)} directed cases, all hit;")
    tell(f"{len(pairs)} crashes during the recovery from a crash (CRASH_SEED={seed})")
    if not only:
        assert len(points) >= 60
        assert len(directed) >= 240


def _pairs(effects: Sequence[Effect], chance: random.Random) -> Iterator[list[Case]]:
    """A crash or a freeze, and another one while the first is being recovered from."""
    broken = [case for case in cases(effects) if case.fault in {*KILLS, *STALLS}]
    for _ in range(_PAIRS):
        yield chance.sample(broken, 2)


def _play_all(open_stage: OpenStage, plays: Sequence[Sequence[Case]]) -> None:
    """Every play, on several stages. Fails with the names of those that went wrong, after a few."""
    waiting: SimpleQueue[Sequence[Case]] = SimpleQueue()
    for one in plays:
        waiting.put(one)
    failures: list[Exception] = []

    def lane(number: int) -> None:
        for stage_number in range(_FAILURES):
            if waiting.empty() or len(failures) >= _FAILURES:
                return
            try:
                with open_stage(f"lane-{number}-{stage_number}") as stage:
                    _play_on(stage, waiting)
            except Exception as error:  # noqa: BLE001 - shown with the others
                failures.append(error)

    with ThreadPoolExecutor(_LANES) as pool:
        list(pool.map(lane, range(_LANES)))
    if failures:
        raise ExceptionGroup("cases in which a promise was broken or nothing ended", failures)


def _play_on(stage: Stage, waiting: "SimpleQueue[Sequence[Case]]") -> None:
    while True:
        try:
            one = waiting.get_nowait()
        except Empty:
            return
        try:
            play(stage, [case.scene() for case in one])
        except BaseException as error:
            error.add_note(f"in the case {' and then '.join(map(str, one))!r}")
            raise
