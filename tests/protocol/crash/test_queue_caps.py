"""A submission of a tenant with a queue cap becomes one job or none, whatever dies, and runs like any other; a bulk
action that creates its jobs waits for room, and creates one of each.
"""

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.access import api_keys
from shared.jobs import queue_caps
from tests.protocol.crash.api_story import play_every_case
from tests.protocol.crash.conftest import OpenStage
from tests.protocol.crash.matrix import Case, Effect
from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import Stage
from tests.support.faults.plan import Fault

_MUST_BE_THERE = {"sql jobs.submit_within", "COMMIT"}


class Capped:
    """The story: a tenant submits with an Idempotency-Key until it is answered, and the job ends."""

    def __init__(self, stage: Stage) -> None:
        self._key = api_keys.create_key(stage.conn, tenant="default", name="ann")
        self._told = 0
        queue_caps.set_queue_cap(stage.conn, "default", 1_000)

    def __call__(self, story: Play) -> None:
        """Tell it once more."""
        self._told += 1
        again = f"{story.run}-{self._told}"

        def accepted() -> str | None:
            headers = {"Authorization": f"Bearer {self._key}", "Idempotency_Key": again}
            status, answer = story.stage.ask("/v1/jobs", {"reportType": "slow", "formats": ["csv"]}, **headers)
            return str(answer["jobId"]) if status == 202 else None

        made = story.until(accepted, what="a submission is accepted")
        story.expected[UUID(made)] = "SUCCESS"
        held = text("SELECT job_id::text FROM idempotency_keys WHERE key = :key")
        assert story.stage.conn.execute(held, {"key": again}).scalars().all() == [made]


@pytest.mark.timeout(900)
def test_a_capped_submission_is_one_job_or_none(open_stage: OpenStage, tell: Callable[[str], None]) -> None:
    tell(play_every_case(open_stage, "capped submissions", Capped, must_show=_MUST_BE_THERE))


_MOST, _ORIGINALS = 2, 3
_FAULTS = (Fault.KILL_AFTER, Fault.REPLY_LOST)


def retried_in_turns(story: Play) -> None:
    """Three jobs failed, and their tenant may have two: a bulk action retries two, waits, and retries the third."""
    conn = story.stage.conn
    queue_caps.remove_queue_cap(conn, "default")
    for _ in range(_ORIGINALS):
        story.submit("FAILED", report="broken", options=story.labelled())
    story.until_ended()
    queue_caps.set_queue_cap(conn, "default", _MOST)
    # The worker is frozen first: what it had begun, it would end, and there would be room.
    with story.paused("worker"):
        with story.paused("relay"):
            bulk = story.bulk("retry", status=["FAILED"])
            story.run_bulk(bulk)

        def looks(bulk: str = bulk) -> int:
            story.stage.let_it_ring()
            return int(conn.execute(text("SELECT version FROM bulk_actions WHERE id = :id"), {"id": bulk}).scalar_one())

        def retried(bulk: str = bulk) -> int:
            made = text("SELECT count(*) FROM bulk_results WHERE bulk_id = :id AND outcome = 'retried'")
            return int(conn.execute(made, {"id": bulk}).scalar_one())

        story.until(lambda: retried() == _MOST, what="as many are retried as there is room for")
        before = looks()
        story.until(lambda: looks() > before + 1, what="the action has looked for room twice more")
        assert retried() == queue_caps.count_unfinished(conn, "default", most=_ORIGINALS) == _MOST
    story.until(lambda: looks() and retried() == _ORIGINALS, what="the third is retried, too")


@pytest.mark.timeout(900)
def test_a_bulk_retry_that_waits_for_room_makes_one_job_of_each(
    open_stage: OpenStage, tell: Callable[[str], None]
) -> None:
    effects = [Effect("relay", name, [retried_in_turns]) for name in ("sql bulk.act", "sql bulk.move")]
    with open_stage("capped retries") as stage:
        cases = [Case(effect, fault) for effect in effects for fault in _FAULTS]
        for case in cases:
            try:
                case.run(stage)
            except BaseException as error:
                error.add_note(f"in the case {case}")
                raise
    tell(f"{len(cases)} cases of a bulk retry under a cap")
