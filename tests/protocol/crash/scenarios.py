"""Small stories, each of which produces some effects of one service, ordered by cost."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from shared.jobs import cancel, caps, finish, pauses
from shared.jobs.finish import Failure
from shared.jobs.gates import Gate, Kind
from shared.jobs.submit import submit
from shared.jobs.viewer import Viewer
from shared.schedules import due
from shared.schedules.schedule import Overlap
from tests.protocol.crash.actor import QUEUE
from tests.protocol.crash.play import Play
from tests.protocol.crash.stage import SICK
from tests.protocol.crash.telling import hooking, long_ago, refusing
from tests.protocol.crash.told import TENANTS
from tests.support.eventually import NotYet, eventually
from tests.support.faults.plan import Fault, Hit
from tests.support.jobs import a_submission, expire_lease, pass_time, started
from tests.support.schedules import a_schedule, jobs_of

Scenario = Callable[[Play], None]


def csv(play: Play) -> None:
    """One small report."""
    play.submit()


def wide(play: Play) -> None:
    """Two formats of one extract."""
    play.submit(formats=["csv", "parquet"])


def few(play: Play) -> None:
    """Two formats of the same cells, which are kept in the place of an extract."""
    play.submit(formats=["csv", "xlsx"])


def long(play: Play) -> None:
    """Long enough for several heartbeats."""
    play.submit(seconds=0.4)


def failing(play: Play) -> None:
    """Fails for good, and its own address is told beside the webhook."""
    own = {"callbackUrl": f"{play.stage.told.url}/{TENANTS[0]}?own", "notifyWhen": ["rows", "failure"]}
    play.submit("FAILED", report="broken", options=own)


def cancelled(play: Play) -> None:
    """Cancelled while a worker holds it."""
    job_id = play.submit("CANCELLED", seconds=60)
    play.until(lambda: play.stage.statuses([job_id])[job_id] != "PENDING", what="a worker has started it")
    play.cancel(job_id)


def noise(play: Play) -> None:
    """Messages that nobody should have sent, and a doorbell that rings three times."""
    job_id = play.submit()
    for body in ("not JSON", f'{{"jobId": "{uuid4()}"}}', *[f'{{"jobId": "{job_id}"}}'] * 2):
        play.stage.ring(body)


def leaving(play: Play) -> None:
    """The worker is asked to leave while it works, and gives the job back."""
    job_id = play.submit(seconds=0.8)
    play.until(lambda: play.stage.statuses([job_id])[job_id] != "PENDING", what="a worker has started it")
    play.ask_to_leave("worker")


def locked(play: Play) -> None:
    """Somebody has locked the job's row when the worker wants to end the job."""
    stage = play.stage
    worker = stage.actors["worker"]
    job_id = play.submit(seconds=0.4)
    play.until(lambda: stage.statuses([job_id])[job_id] != "PENDING", what="a worker has started it")
    with stage.locked(job_id):
        # Nobody is succeeded meanwhile: time would have to pass for the row that is locked.
        eventually(
            lambda: (
                worker.plan.seen.count(_END) > 1 or worker.struck() or stage.statuses([job_id])[job_id] != "PROCESSING"
            ),
            what="the worker has tried to end the job, and passed it by",
        )


def sick(play: Play) -> None:
    """A worker whose store is away gives a job back, which a healthy one then makes. With the store it works again."""
    stage = play.stage
    worker = stage.actors[SICK]
    play.until(worker.ready, what="it is ready")
    process = worker.process
    # Any job will do: another may have been on its way, and one is enough to make the worker sick.
    given_back = text(
        "SELECT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL AND error ->> 'code' = 'artifact_store_unavailable' "
        "OR finished_at IS NOT NULL AND id = :id)"
    )
    with stage.store_away():
        with play.alone(SICK):
            job_id = play.submit()
            play.until(
                # A successor waits for the store before it takes anything.
                lambda: worker.process is not process or stage.conn.execute(given_back, {"id": job_id}).scalar_one(),
                what="it is given back, or abandoned",
            )
        play.until_ended()
    with play.alone(SICK):
        play.submit()
        play.until_ended()


def publishing(play: Play) -> None:
    """New jobs, of whose doorbells the queue refuses half at first, one that waits for its next try, and a message of a
    topic that nobody knows, which is put aside with the same statement."""
    stage = play.stage
    play.also({Hit("sqs SendMessageBatch", time): Fault.PARTIAL for time in (1, 2, 3)})
    with play.paused("relay"):
        for _ in range(4):
            job_id = play.submit()
        play.stray(job_id)
        retried = started(stage.conn, waiting(play), worker="a ghost")
        finish.fail(stage.conn, [Failure(retried.lease, code="x", message="", retryable=True, delay_s=0)])


def flooding(play: Play) -> None:
    """More jobs of one tenant than may have their doorbells in the queue: the surplus is held, and let out in turns."""
    with play.paused("worker"), play.paused("relay"):
        for _ in range(10):
            waiting(play)


def resuming(play: Play) -> None:
    """A pause that is over: every job gets back its time, and then starts."""
    stage = play.stage
    with play.paused("relay"):
        pauses.pause(stage.conn, _SLOW, reason="a story", by="a ghost")
        waiting(play)
        pauses.resume(stage.conn, _SLOW)
    play.until(lambda: not pauses.pauses(stage.conn), what="the pause is settled")


def capped(play: Play) -> None:
    """One may run at a time: the others are held, and let out when it has ended."""
    stage = play.stage
    caps.set_cap(stage.conn, _SLOW, 1)
    for _ in range(3):
        play.submit(seconds=0.2)
    play.until_ended()
    caps.remove_cap(stage.conn, _SLOW)


def sweeping(play: Play) -> None:
    """Workers that fell silent, with and without hope, a wish to cancel, and a deadline."""
    stage = play.stage
    with play.paused("relay"):
        silent, spent, unwanted, late = (
            waiting(play, expected) for expected in ("SUCCESS", "FAILED", "CANCELLED", "FAILED")
        )
        stage.conn.execute(text("UPDATE jobs SET crashes = max_crashes WHERE id = :id"), {"id": spent})
        for job_id in (silent, spent, unwanted):
            started(stage.conn, job_id, worker="a ghost")
        cancel.cancel(stage.conn, unwanted, Viewer("acme"))
        for job_id in (silent, spent, unwanted):
            expire_lease(stage.conn, job_id)
        pass_time(stage.conn, late, "deadline_at")


def lost_doorbell(play: Play) -> None:
    """A message that the queue has lost."""
    stage = play.stage
    with play.paused("relay"):
        # In one transaction: what the relay had asked for before it froze may still be on its way.
        stage.conn.exec_driver_sql("BEGIN")
        job_id = waiting(play)
        stage.conn.execute(text("DELETE FROM outbox WHERE payload LIKE :of"), {"of": f"%{job_id}%"})
        pass_time(stage.conn, job_id, "next_ring_at")
        stage.conn.exec_driver_sql("COMMIT")


def retiring(play: Play) -> None:
    """A job, its files, a link and its key that have been kept long enough. The relay looks for such when it starts."""
    stage = play.stage
    with play.paused("relay"):
        job_id = play.submit()
    play.until_ended()
    play.forget(job_id)
    with play.restarted("relay"):
        stage.conn.execute(text("UPDATE jobs SET keep_artifacts_s = 0, keep_s = 0 WHERE id = :id"), {"id": job_id})
        stage.conn.execute(
            text("INSERT INTO shares (id, tenant, job_id, name, token_sha256, created_at, expires_at) "
                 "SELECT id, tenant, id, 'slow.csv', sha256(id::text::bytea), '2020-01-01', '2020-01-02' FROM jobs "
                 "WHERE id = :id"),
            {"id": job_id},
        )  # fmt: skip
    relay = stage.actors["relay"]
    play.until(
        # On a slow machine the job may be gone before the relay has come to the links.
        lambda: relay.struck() or relay.carried_out() or "sql shares.forget" in relay.plan.seen,
        what="the relay has looked for old links",
    )


def redriving(play: Play) -> None:
    """Two dead letters, of which one is to be sent again and the other deleted. The relay looks when it starts."""
    stage = play.stage
    job_id = play.submit()
    play.until_ended()
    with play.restarted("relay"):
        for wish in ("redrive", "drop"):
            message_id = stage.queues.named(f"{QUEUE}-dlq").send(f'{{"jobId": "{job_id}"}}', {})
            stage.conn.execute(
                text("INSERT INTO dead_letters (message_id, receives, size_bytes, reason, body, wish, wished_at) "
                     "VALUES (:id, 1, 1, '', '', :wish, clock_timestamp())"),
                {"id": message_id, "wish": wish},
            )  # fmt: skip
        stage.look_at_dead_letters()


def scheduled(play: Play) -> None:
    """A schedule that is due while the job of its last tick goes on, and a tick that somebody has asked for."""
    stage = play.stage
    with play.paused("relay"):
        earlier = play.submit("CANCELLED", seconds=300)  # longer than any relay is frozen
        due_now, asked_for = (
            a_schedule(
                stage.conn, tenant="default", report_type="slow", parameters={"seconds": 0}, overlap=Overlap.CANCEL,
                first=first,
            )
            for first in (timedelta(seconds=-1), timedelta(hours=1))
        )  # fmt: skip
        stage.conn.execute(
            text("UPDATE schedules SET due_job_id = :job WHERE id = :id"), {"job": earlier, "id": due_now}
        )
        stage.conn.execute(
            text("INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate) "
                 "VALUES (:id, 'default', clock_timestamp() - interval '1 d', 'backfill', 'waiting')"),
            {"id": asked_for},
        )  # fmt: skip
    for schedule_id in (due_now, asked_for):
        play.until(functools.partial(_has_a_job, play, schedule_id), what="the tick has its job")
        play.expected |= {job.id: "SUCCESS" for job in jobs_of(stage.conn, schedule_id)}


def _has_a_job(play: Play, schedule_id: UUID) -> bool:
    return len(jobs_of(play.stage.conn, schedule_id)) == 1


def scheduling(play: Play) -> None:
    """A schedule is made, changed, paused, resumed, run and deleted, each asked for until it is answered."""
    stage = play.stage
    body = {"name": "n", "reportType": "slow", "parameters": {"seconds": 0}, "cron": "0 0 1 1 *"}
    key = str(uuid4())

    def asked(path: str, content: object = None, method: str = "POST") -> Any:
        status, answer = stage.ask(path, content, method=method, Idempotency_Key=key)
        if not (200 <= status < 300 or (method == "DELETE" and status == 404)):
            raise NotYet(f"{status} {answer}")
        return answer or True

    made = play.until(lambda: asked("/v1/schedules", body), what="a schedule is made")
    own = made["links"]["self"]
    play.until(lambda: asked(own, {"jitterSeconds": 60}, "PATCH"), what="it is changed")
    with play.paused("relay"):  # it is due, and paused before a relay comes
        stage.conn.execute(
            text("UPDATE schedules SET next_tick = '2026-01-01', due_at = '2026-01-01' WHERE id = :id"),
            {"id": made["scheduleId"]},
        )
        play.until(functools.partial(asked, f"{own}:pause"), what="it is paused")
    for verb in ("resume", "run"):
        play.until(functools.partial(asked, f"{own}:{verb}"), what=verb)
    past = {"from": "2024-12-01T00:00:00Z", "to": "2025-02-01T00:00:00Z"}
    play.until(lambda: asked(f"{own}:backfill", past), what="a tick of the past is asked for")
    play.until(lambda: not due.any_due(stage.conn), what="it has its job")
    assert len(jobs_of(stage.conn, UUID(made["scheduleId"]))) == 2
    play.until(lambda: asked(own, method="DELETE"), what="it is deleted")


def sharing(play: Play) -> None:
    """A link that works once is made, used and revoked, each asked for until it is answered."""
    stage = play.stage
    job_id = play.submit()
    play.until_ended()

    def asked(path: str, content: object = None, *, method: str = "POST", also: int = 200) -> Any:
        status, answer = stage.ask(path, content, method=method)
        if not (200 <= status < 300 or status == also):
            raise NotYet(f"{status} {answer}")
        return answer or True

    file = f"/v1/jobs/{job_id}/artifacts/slow.csv:share"
    made = play.until(lambda: asked(file, {"maxDownloads": 1}), what="a link is made")
    play.until(lambda: asked(made["url"], method="GET", also=410), what="it is used")
    used = text("SELECT downloads FROM shares WHERE id = :id")
    assert stage.conn.execute(used, {"id": made["shareId"]}).scalar_one() == 1
    play.until(lambda: asked(made["links"]["self"], method="DELETE"), what="it is revoked")


def waiting(play: Play, expected: str = "SUCCESS") -> UUID:
    """A job that waits, put there past the API."""
    submission = a_submission(report_type="slow", parameters={"seconds": 0}, max_attempts=20, max_crashes=50)
    submit(play.stage.conn, [submission])
    play.expected[submission.id] = expected
    return submission.id


def submitting(play: Play) -> None:
    """Accepted, again under its key, without one, as the answer of another, with a password, and to run later."""
    job_id = play.submit()
    again = {"reportType": "slow", "formats": ["csv"], "parameters": {"seconds": 0}}
    play.until(lambda: play.stage.try_submit(play.newest_key, again) == job_id, what="the same job")
    play.until(lambda: play.stage.ask("/v1/jobs", again)[0] == 202, what="a job without a key")
    for _ in range(2):  # the second is answered with the job of the first, for which its key then stands
        play.submit(options={"reuse": {"maxAgeSeconds": 3600}})
    play.submit(formats=["xlsx"], options={"password": "open sesame"})
    play.submit(options={"runAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})


def withdrawing(play: Play) -> None:
    """Cancelled before and while it runs."""
    with play.paused("worker"):
        play.cancel(play.submit("CANCELLED", seconds=60))
    cancelled(play)


def deleting(play: Play) -> None:
    """Kept for longer, deleted when it has ended, and deleted while a worker holds it."""
    job_id = play.submit()
    play.until_ended()
    play.until(lambda: play.stage.ask(f"/v1/jobs/{job_id}:keep")[0] == 200, what="a job is kept for longer")
    play.delete(job_id)
    running = play.submit("CANCELLED", seconds=60)
    play.until(lambda: play.stage.statuses([running])[running] != "PENDING", what="a worker has started it")
    play.delete(running)


def erasing(play: Play) -> None:
    """The files of a deleted job are removed, beside those of another that stay."""
    job_id, _ = play.submit(), play.submit()
    play.until_ended()
    with play.paused("relay"):
        play.delete(job_id)


def asking_for_many(play: Play) -> None:
    """A bulk action that is counted and run, and one that is stopped before, each asked for until it is answered."""
    with play.paused("worker"):
        asked = [play.submit("CANCELLED", seconds=60, options=play.labelled()) for _ in range(2)]
        play.run_bulk(play.bulk("cancel"))
        # Both, before a worker sees one: what it holds would end otherwise. Jobs of other stories need a worker.
        play.until(lambda: play.stage.ended(asked), what="both are cancelled")
    play.stop_bulk(play.bulk("delete"))


def many(play: Play) -> None:
    """Jobs that failed are asked for again, refused a cancellation, and deleted, by one bulk action each."""
    for _ in range(2):
        play.submit("FAILED", report="broken", options=play.labelled())
    play.until_ended()
    with play.paused("relay"):
        for action in ("retry", "cancel", "delete"):
            play.run_bulk(play.bulk(action, status=["FAILED"]))


_END = "sql jobs.succeed"
_SLOW = Gate(Kind.REPORT_TYPE, "slow")

SCENARIOS: dict[str, tuple[Scenario, ...]] = {
    "api": (submitting, withdrawing, deleting, asking_for_many, scheduling, sharing, hooking),
    "relay": (
        lost_doorbell, refusing, publishing, flooding, resuming, sweeping, long_ago, retiring, erasing, redriving,
        many, scheduled,
    ),
    "worker": (csv, wide, few, failing, long, cancelled, noise, leaving, capped),
    SICK: (sick,),
}  # fmt: skip
"""Service → the stories in which its effects are looked for."""

AGAIN: dict[tuple[str, str], Scenario] = {("worker", _END): locked}
"""An effect that does nothing the first time → the story in which it comes twice."""

BECAUSE_IT_IS_SICK = (
    "sql jobs.give_back", "sqs DeleteMessageBatch", "sqs ChangeMessageVisibilityBatch", "scratch create probe",
    "scratch fsync probe", "store mkdir artifacts",
)  # fmt: skip
"""Effects of a worker that gives a job back for a cause of its own, though others show them too."""
