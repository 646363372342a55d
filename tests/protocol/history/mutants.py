"""The product with one guard removed, each the bug of a real system, and the rule that must detect it.

A mutant patches a statement or a function; the text that it takes out must be there, so that a change of the
product cannot turn it into no mutant at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.worker import attempt, storing
from services.worker.attempt import Attempts
from services.worker.cooldown import Cooldown
from services.worker.intake import Doorbell, Intake
from services.worker.storing import Storing
from shared.jobs import finish, lease, read, submit, succeed, sweep
from shared.jobs.submission import Accepted, Submission
from shared.outbox import floor, messages
from tests.protocol.history import nobodys_fault, scenarios
from tests.protocol.history.world import World

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """One guard less."""

    name: str
    scenario: Callable[[World], None]
    """A story that the correct product survives."""
    apply: Callable[[Patch, World], None]
    caught_by: str
    """The rule that must find it."""


def without(module: ModuleType, statement: str, *cuts: tuple[str, str]) -> Callable[[Patch, World], None]:
    """The mutant whose SQL statement has each first text replaced by the second."""

    def apply(patch: Patch, _world: World) -> None:
        sql = str(getattr(module, statement))
        for old, new in cuts:
            assert old in sql, f"{module.__name__}.{statement} no longer has {old!r}: the mutant must follow"
            sql = sql.replace(old, new)
        patch.setattr(module, statement, text(sql))

    return apply


def _drop(constraint: str, then: Callable[[Patch, World], None]) -> Callable[[Patch, World], None]:
    """The database's own CHECK is a second guard: it has to go, too."""

    def apply(patch: Patch, world: World) -> None:
        world.conn.execute(text(f"ALTER TABLE jobs DROP CONSTRAINT {constraint}"))
        then(patch, world)

    return apply


def _any_edge(then: Callable[[Patch, World], None]) -> Callable[[Patch, World], None]:
    """The trigger is the last guard of the edges: it has to go, too."""

    def apply(patch: Patch, world: World) -> None:
        query = "SELECT pg_get_functiondef('jobs_record_transition'::regproc)"
        sql = world.conn.execute(text(query)).scalar_one()
        assert "IF wrong IS NOT NULL" in sql, "the trigger no longer refuses by `wrong`: the mutant must follow"
        world.conn.exec_driver_sql(sql.replace("IF wrong IS NOT NULL", "IF false").replace("%", "%%"))
        then(patch, world)

    return apply


def _committed_before_it_is_sent(patch: Patch, _world: World) -> None:
    own = messages.claim

    def claim(conn: Connection, **bounds: int) -> Sequence[messages.OutboxRow]:
        rows = own(conn, **bounds)
        conn.commit()
        return rows

    patch.setattr(messages, "claim", claim)


def _deleted_before_it_is_started(patch: Patch, world: World) -> None:
    own = Intake._start

    def start(self: Intake, doorbells: Sequence[Doorbell]) -> None:
        world.queue.delete([d.message.receipt for d in doorbells])
        own(self, doorbells)

    patch.setattr(Intake, "_start", start)


def _no_sweeper(_patch: Patch, world: World) -> None:
    world.sweeps = False


def _success_before_upload(patch: Patch, _world: World) -> None:
    patch.setattr(Storing, "_put", lambda *_, **__: None)


def _one_key_for_all_attempts(patch: Patch, world: World) -> None:
    patch.setattr(storing, "artifact_key", lambda tenant, job, _token, name: f"reports/{tenant}/{job}/{job}/{name}")
    own = world.store.put

    def overwrite(key: str, *arguments: Any, **keywords: Any) -> object:
        world.store.delete([key])
        return own(key, *arguments, **keywords)

    patch.setattr(world.store, "put", overwrite)


def _select_then_update(patch: Patch, world: World) -> None:
    """What has expired is seen first, a heartbeat comes, and then it is taken as seen."""
    own = sweep.expire

    def expire(conn: Connection, **keywords: Any) -> sweep.Sweep:
        found = list(conn.execute(text("SELECT id FROM jobs WHERE lease_until < clock_timestamp()")).scalars())
        world.before_the_sweep()
        blindly = "UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE id = ANY (:ids)"
        conn.execute(text(blindly), {"ids": found})
        return own(conn, **keywords)

    patch.setattr(sweep, "expire", expire)
    patch.setattr(world, "sweep", world._sweeper.run_once)


def _answered_before_it_is_written(patch: Patch, _world: World) -> None:
    def answer(_conn: Connection, submissions: Sequence[Submission], **_: float) -> list[Accepted]:
        return [Accepted(s.id, True, s.report_type) for s in submissions]

    patch.setattr(submit, "submit", answer)


def _shown_from_a_stale_copy(patch: Patch, _world: World) -> None:
    own = read.get
    looks: list[read.Job | None] = []

    def get(*arguments: Any, **keywords: Any) -> read.Job | None:
        looks.append(own(*arguments, **keywords))
        return looks[0] if len(looks) == 3 else looks[-1]

    patch.setattr(read, "get", get)


def _own_faults_are_the_jobs(patch: Patch, _world: World) -> None:
    patch.setattr(attempt, "OWN_FAULTS", frozenset())


_TOKEN = ("AND jobs.lease_token = own.token", "")
_TOKEN_V = ("AND jobs.lease_token = v.token", "")
_PROCESSING = ("AND jobs.status = 'PROCESSING'", "")
_PROCESSING_J = ("AND j.status = 'PROCESSING'", "")
_TOKEN_J = ("AND j.lease_token = own.token", "")


_WAITS = ("SKIP LOCKED", "NOWAIT")
"""What a lock time-out says, said at once."""


def _no_doorbell(source: str) -> tuple[str, str]:
    return (f"FROM {source} WHERE status = 'PENDING'", f"FROM {source} WHERE false")


MUTANTS = [
    Mutant("succeed without the fence", scenarios.a_zombie_succeeds, without(succeed, "_SUCCEED_SOON", _TOKEN),
           "files_are_the_winners"),
    Mutant("fail without the fence", scenarios.a_zombie_fails, without(finish, "_FAIL", _TOKEN_V, _TOKEN_J),
           "workers_were_told_the_truth"),
    Mutant("give back without the fence", scenarios.a_zombie_gives_back, without(finish, "_GIVE_BACK", _TOKEN),
           "workers_were_told_the_truth"),
    Mutant("cancel what is held without the fence", scenarios.a_zombie_cancels,
           without(finish, "_CANCEL_HELD", _TOKEN),
           "workers_were_told_the_truth"),
    Mutant("an end may be overwritten, and the trigger knows no edges", scenarios.an_attempt_ends_twice,
           _drop("jobs_a_result_exactly_on_success", _any_edge(without(finish, "_FAIL", _PROCESSING_J, _PROCESSING))),
           "one_final_transition"),
    Mutant("renew without the fence", scenarios.a_zombie_renews,
           without(lease, "_RENEW", ("AND jobs.lease_token = beat.token", "")),
           "workers_were_told_the_truth"),
    Mutant("start looks at the state only", scenarios.a_copy_of_a_doorbell,
           without(lease, "_START", ("AND lease_until < clock_timestamp()", "")), "live_leases_are_left_alone"),
    Mutant("the attempt's number is the token", scenarios.a_zombie_of_the_same_attempt,
           without(lease, "_START", ("gen_random_uuid()",
                                     "md5(id::text || (attempt + (status = 'PENDING')::int)::text)::uuid")),
           "tokens_are_used_once"),
    Mutant("the outbox row is not in the job's transaction", scenarios.a_report,
           without(submit, "_SUBMIT", ("trace_context FROM born", "trace_context FROM born WHERE false")),
           "accepted_is_a_fact"),
    Mutant("the claim is committed before it is sent", scenarios.a_relay_dies_before_it_sends,
           _committed_before_it_is_sent, "accepted_is_a_fact"),
    Mutant("what the queue refused is forgotten", scenarios.the_queue_refuses_one_of_two,
           lambda patch, _: patch.setattr(messages, "keep", lambda *_: None), "doorbells_are_not_lost_on_the_way"),
    Mutant("the floor does not wait for old transactions", scenarios.a_transaction_commits_late,
           without(floor, "_OLDEST_RUNNING",
                   ("pg_snapshot_xmin(pg_current_snapshot())", "pg_snapshot_xmax(pg_current_snapshot())")),
           "doorbells_are_not_lost_on_the_way"),
    Mutant("the floor passes what another relay holds", scenarios.a_relay_holds_rows_and_dies,
           without(floor, "_FIRST_LIVE", ("LIMIT 1", "LIMIT 1 FOR UPDATE SKIP LOCKED")),
           "doorbells_are_not_lost_on_the_way"),
    Mutant("the message is deleted before the job is started", scenarios.a_worker_dies_as_it_starts_a_job,
           _deleted_before_it_is_started, "accepted_is_a_fact"),
    Mutant("no sweeper", scenarios.a_worker_dies_and_the_queue_is_purged, _no_sweeper, "jobs_are_final"),
    Mutant("SUCCESS before the upload", scenarios.a_worker_dies_after_its_last_write, _success_before_upload,
           "files_are_the_winners"),
    Mutant("one key for all attempts", scenarios.two_workers_write_the_same_name, _one_key_for_all_attempts,
           "files_are_the_winners"),
    Mutant("the sweeper selects, then updates", scenarios.a_heartbeat_comes_just_in_time, _select_then_update,
           "live_leases_are_left_alone"),
    Mutant("a retry rings no doorbell", scenarios.an_attempt_fails_once,
           without(finish, "_FAIL", _no_doorbell("ended")), "jobs_are_final"),
    Mutant("a returned job rings no doorbell", scenarios.a_worker_shuts_down,
           without(finish, "_GIVE_BACK", _no_doorbell("given")), "jobs_are_final"),
    Mutant("a swept job rings no doorbell", scenarios.a_worker_dies_and_the_queue_is_purged,
           without(sweep, "_EXPIRE", _no_doorbell("swept")), "jobs_are_final"),
    Mutant("retries without end", scenarios.every_attempt_fails,
           _drop("jobs_attempt_budget", without(finish, "_FAIL", ("j.attempt < j.max_attempts", "true"))),
           "budgets_are_kept"),
    Mutant("crashes without end", scenarios.every_worker_dies,
           _drop("jobs_crash_budget", without(sweep, "_EXPIRE", ("crashes >= max_crashes", "false"))),
           "budgets_are_kept"),
    Mutant("a lost worker costs the client an attempt", scenarios.a_worker_dies_and_the_queue_is_purged,
           without(sweep, "_EXPIRE", ("attempt = attempt - (jobs", "attempt = attempt - (NULL IS NOT NULL AND jobs")),
           "budgets_are_kept"),
    Mutant("a key does not keep a second job out", scenarios.two_clients_use_one_key,
           without(submit, "_SUBMIT", ("OR id IN (SELECT job_id FROM claimed)", "OR true")), "one_key_is_one_job"),
    Mutant("202 before the write", scenarios.the_api_dies_before_it_commits, _answered_before_it_is_written,
           "accepted_is_a_fact"),
    Mutant("a look at a stale copy", scenarios.a_report, _shown_from_a_stale_copy, "versions_never_go_back"),
    Mutant("progress does not change the version", scenarios.a_report,
           without(lease, "_RENEW", ("version = version + (beat.progress IS NOT NULL)::int,", "")),
           "a_version_shows_one_thing"),
    Mutant("a worker's own fault is charged to the job", nobodys_fault.a_sick_worker, _own_faults_are_the_jobs,
           "own_faults_are_not_charged"),
    Mutant("what is given back is charged", nobodys_fault.a_sick_worker,
           without(finish, "_GIVE_BACK", ("attempt = attempt - 1,", "")), "own_faults_are_not_charged"),
    Mutant("what is given back has no cause", nobodys_fault.a_sick_worker,
           without(finish, "_GIVE_BACK", ("error = coalesce(own.error, jobs.error)", "error = jobs.error")),
           "own_faults_are_told"),
    Mutant("a worker's own fault ends the job", nobodys_fault.a_sick_worker_gets_the_last_attempt,
           _own_faults_are_the_jobs, "own_faults_end_no_job"),
    Mutant("a sick worker starts again what it gave back", nobodys_fault.a_sick_worker,
           lambda patch, _: patch.setattr(Cooldown, "note", lambda *_, **__: None), "given_back_is_left_to_others"),
    Mutant("an older catalog ends the job", nobodys_fault.an_older_catalog,
           lambda patch, _: patch.setattr(Attempts, "_is_other_version", lambda *_: False),
           "other_catalogs_end_no_job"),
    Mutant("renew waits for a locked row", nobodys_fault.a_locked_row_is_renewed, without(lease, "_RENEW", _WAITS),
           "locked_rows_delay_only_their_job"),
    Mutant("succeed without the fence, after a locked row", nobodys_fault.a_zombie_ends_after_a_lock,
           without(succeed, "_SUCCEED_FREE", _TOKEN), "files_are_the_winners"),
    Mutant("an end waits for a locked row", nobodys_fault.a_locked_row_is_ended,
           without(succeed, "_SUCCEED_FREE", _WAITS),
           "locked_rows_delay_only_their_job"),
]  # fmt: skip
