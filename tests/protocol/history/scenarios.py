"""Short stories in which a correct system passes and a broken one does not."""

import contextlib
from unittest.mock import patch

from sqlalchemy import text

from shared.database.engine import transactional
from shared.queues.interface import Outgoing, SendFailure
from shared.reports.interface import RenderRequest, ReportError
from tests.protocol.history.world import LEASE_S, Died, World


def a_report(world: World) -> None:
    """Nothing special: one job, looked at on its way."""
    job_id = world.a_job()
    world.look(job_id)
    worker = world.worker("w1").receive()
    for rows in (1, 2, None):
        worker.beat(rows)
        world.look(job_id)
    worker.work().finish()
    world.look(job_id)


def a_zombie_succeeds(world: World) -> None:
    """A worker outsleeps its lease, wakes after another has taken over, and writes its result."""
    world.a_job()
    sleeper = world.worker("sleeper").receive().work()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    sleeper.finish()
    successor.work().finish()


def a_zombie_fails(world: World) -> None:
    """The same, and the sleeper's attempt had failed for good."""
    world.a_job()
    sleeper = world.worker("sleeper").receive()
    sleeper.script = _fail_for_good
    sleeper.work()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    sleeper.finish()
    successor.work().finish()


def a_zombie_gives_back(world: World) -> None:
    """The same, and the sleeper is told to shut down."""
    world.a_job()
    sleeper = world.worker("sleeper").receive().shut_down().work()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    sleeper.finish()
    successor.work().finish()


def a_zombie_renews(world: World) -> None:
    """The same, and the sleeper's heartbeat goes on."""
    world.a_job()
    sleeper = world.worker("sleeper").receive()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    sleeper.beat()
    successor.work().finish()


def a_zombie_cancels(world: World) -> None:
    """The same, and the client's wish to cancel, which the sleeper knows of, is its successor's to fulfil."""
    job_id = world.a_job()
    sleeper = world.worker("sleeper").receive()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    world.cancel(job_id)
    for hand in (sleeper, successor):
        hand.cancelled().work().finish()


def an_attempt_ends_twice(world: World) -> None:
    """Its success is written; then something else in the worker makes it a failure."""
    world.a_job()
    worker = world.worker("w1").receive()
    held = [*worker.held]
    worker.work().finish()
    worker.held, worker.script = held, _fail_for_good
    worker.work().finish()


def a_copy_of_a_doorbell(world: World) -> None:
    """The queue delivers a doorbell twice, to two workers, while the first one works."""
    world.history.lease_s = LEASE_S
    job_id = world.a_job()
    first = world.worker("w1").receive()
    world.queue.send([Outgoing(0, f'{{"jobId": "{job_id}"}}')], deadline_s=1)
    world.worker("w2").work_all()
    first.work().finish()


def a_zombie_of_the_same_attempt(world: World) -> None:
    """A lost attempt is not charged, so its successor has the same number."""
    world.a_job()
    sleeper = world.worker("sleeper").receive().work()
    world.leases_run_out()
    world.sweep()
    world.publish()
    successor = world.worker("successor").receive()
    sleeper.finish()
    successor.work().finish()


def a_relay_dies_before_it_sends(world: World) -> None:
    """It has claimed a row, and is gone."""
    world.submit()
    world.queue.broken_by = Died()
    try:
        world.relay.run_once()
    except Died:
        world.new_relay()


def the_queue_refuses_one_of_two(world: World) -> None:
    """A partial batch failure, for a reason that passes."""
    refused = str(world.submit())
    world.submit()

    def refuse(message: Outgoing) -> SendFailure | None:
        return SendFailure(message.key, "Throttled", "slow down", permanent=False) if refused in message.body else None

    world.queue.faults.refuse = refuse
    world.publish()
    world.queue.faults.refuse = lambda _: None


def a_transaction_commits_late(world: World) -> None:
    """It drew its outbox id first, and commits after later ids have been sent and the floor has looked."""
    with transactional(world.engine).connect() as late:
        world.submit(conn=late)
        world.submit()
        world.relay.run_once()
        for _ in range(3):
            world.relay.run_once()
        late.commit()
    for _ in range(3):
        world.relay.run_once()


def a_relay_holds_rows_and_dies(world: World) -> None:
    """Another relay has a mark from before, finds it settled while the rows are locked, and sends a later one."""
    world.relay.run_once()  # connecting forgets the floor
    world.submit()
    with transactional(world.engine).connect() as older:
        older.execute(text("SELECT pg_current_xact_id()"))
        world.relay._floor.advance(world.conn)
    with transactional(world.engine).connect() as doomed:
        doomed.execute(text("DELETE FROM outbox"))
        world.submit()
        world.relay.run_once()
        doomed.rollback()
    world.publish()


def a_worker_dies_as_it_starts_a_job(world: World) -> None:
    """It has received the doorbell and dies before the job is started."""
    world.a_job()
    with patch("services.worker.intake.start", side_effect=Died), contextlib.suppress(Died):
        world.worker("doomed").receive()


def a_worker_dies_and_the_queue_is_purged(world: World) -> None:
    """Nobody has the job any more, and no message speaks of it."""
    world.a_job()
    world.worker("doomed").receive()
    world.queue.purge()


def a_worker_dies_after_its_last_write(world: World) -> None:
    """The job has ended; the worker will not do anything more."""
    world.a_job()
    world.worker("doomed").receive().work().finish()


def two_workers_write_the_same_name(world: World) -> None:
    """A sleeper's files and its successor's have the same names and other bytes."""
    world.a_job()
    sleeper = world.worker("sleeper").receive()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    successor.work().finish()
    sleeper.work().finish()


def a_heartbeat_comes_just_in_time(world: World) -> None:
    """A lease has run out, and is renewed a moment before the sweeper acts."""
    world.history.lease_s = LEASE_S
    world.a_job()
    worker = world.worker("w1").receive()
    world.conn.execute(text("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s'"))
    world.before_the_sweep = worker.beat
    world.sweep()
    world.publish()
    worker.work().finish()


def an_attempt_fails_once(world: World) -> None:
    """For a reason that passes."""
    world.a_job()
    worker = world.worker("w1").receive()
    worker.script = _fail_for_now
    worker.work().finish()


def every_attempt_fails(world: World) -> None:
    """For reasons that should pass and do not."""
    world.submit(max_attempts=2)
    for turn in range(4):
        world.conn.execute(text("UPDATE outbox_retry SET due_at = clock_timestamp() - interval '1 s'"))
        world.conn.execute(text("UPDATE jobs SET run_at = clock_timestamp() - interval '1 s' WHERE status = 'PENDING'"))
        world.relay._due_at = 0.0
        world.publish()
        worker = world.worker(f"w{turn}").receive()
        worker.script = _fail_for_now
        worker.work().finish()


def every_worker_dies(world: World) -> None:
    """The job kills whoever takes it."""
    world.submit(max_crashes=1)
    for turn in range(4):
        world.publish()
        world.worker(f"w{turn}").receive()
        world.leases_run_out()
        world.sweep()


def a_worker_shuts_down(world: World) -> None:
    """It gives its job back."""
    world.a_job()
    world.worker("leaving").receive().shut_down().work().finish()


def two_clients_use_one_key(world: World) -> None:
    """A client did not get its answer, and asks again."""
    world.submit("key")
    world.submit("key")


def the_api_dies_before_it_commits(world: World) -> None:
    """A request is under way."""
    world.submit("key")


def _fail_for_good(_request: RenderRequest) -> None:
    raise ReportError("row_limit_exceeded", "too many rows", retryable=False)


def _fail_for_now(_request: RenderRequest) -> None:
    raise ReportError("source_unavailable", "the source is away", retryable=True)
