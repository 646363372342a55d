"""Stories of faults that are no job's: a sick worker, an older catalog, a locked row."""

import contextlib

from sqlalchemy.exc import DBAPIError

from shared.failures import FailureCode
from shared.reports.errors import failure
from shared.reports.interface import RenderRequest
from tests.protocol.history.world import World
from tests.support.history.facts import Catalog


def a_sick_worker(world: World) -> None:
    """It lacks a source, gives the job back, and the new doorbell finds it again before another worker."""
    job_id = world.a_job()
    sick = world.worker("sick").receive()
    sick.script = _no_source
    sick.work().finish()
    world.look(job_id)
    world.publish()
    sick.work_all()
    world.look(job_id)


def a_sick_worker_gets_the_last_attempt(world: World) -> None:
    """The same, and the job has one attempt."""
    world.a_job(max_attempts=1)
    sick = world.worker("sick").receive()
    sick.script = _no_source
    sick.work().finish()


def an_older_catalog(world: World) -> None:
    """A worker that the deployment has not reached gets a job of the new version, whose parameters it does not know."""
    job_id = world.a_job(report_version="of today", max_attempts=1)
    world.history.catalogs.append(Catalog("older", {"calendar": "of yesterday"}))
    older = world.worker("older").receive()
    older.script = _not_valid
    older.work().finish()
    world.look(job_id)


def a_locked_row_is_renewed(world: World) -> None:
    """Somebody has locked one of two jobs that a worker holds when their leases are to be renewed."""
    locked, _ = world.a_job(), world.a_job()
    worker = world.worker("w1").receive()
    world.leases_run_out()
    with world.locked(locked):
        with contextlib.suppress(DBAPIError):  # the loop logs it, and tries again
            worker.beat()
        world.sweep()
    worker.beat()
    worker.work().finish()


def a_locked_row_is_ended(world: World) -> None:
    """The same, when the outcomes are to be written."""
    locked, _ = world.a_job(), world.a_job()
    worker = world.worker("w1").receive()
    world.leases_run_out()
    worker.work()
    with world.locked(locked):
        with contextlib.suppress(DBAPIError):
            worker.finish()
        world.sweep()
    worker.finish()


def a_zombie_ends_after_a_lock(world: World) -> None:
    """Somebody had locked the job when its worker wanted to end it, and another took over before the next try."""
    locked = world.a_job()
    sleeper = world.worker("sleeper").receive().work()
    with world.locked(locked):
        sleeper.finish()
    world.leases_run_out()
    successor = world.worker("successor").receive()
    sleeper.finish()
    successor.work().finish()


def _no_source(_request: RenderRequest) -> None:
    raise failure(FailureCode.SOURCE_MISSING, "This worker has no source 'default'.")


def _not_valid(_request: RenderRequest) -> None:
    raise failure(FailureCode.PARAMETERS_NO_LONGER_VALID, "to: is not known")
