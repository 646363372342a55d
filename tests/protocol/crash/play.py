"""One run of a scenario with faults: a dead process is replaced; a frozen one is replaced and later resumed."""

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import text

from tests.protocol.crash.actor import Actor, frozen, takes
from tests.protocol.crash.stage import Stage
from tests.support.eventually import NotYet, eventually
from tests.support.faults.plan import KILLS, STALLS, Fault, Hit, Plan
from tests.support.processes.zygote import Forked
from tests.support.promises import at_rest, broken, broken_files

if TYPE_CHECKING:
    from tests.protocol.crash.scene import Scene

T = TypeVar("T")
_runs = itertools.count(1)
_RING_EVERY_S = 1.0
_MISSED_S = 3.0


class Play:
    """What happens on a stage from the first request until everything is at rest again."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.run = f"run-{next(_runs)}"
        self.expected: dict[UUID, str] = {}
        """Job → the status it must end in."""
        self._leaving: dict[UUID, UUID] = {}
        """Job → the token of the attempt that won. Files of attempts that lost stay for a day."""
        self._deleted: set[UUID] = set()
        """Jobs that a client has deleted: nothing of them may be left in the store."""
        self._strays: list[str] = []
        """Topics that no relay knows: each has one message, which must be parked once."""
        self._may_kill = False
        self._asked_to_leave: set[int] = set()
        self.deaths = 0
        self._rings_at = time.monotonic() + _RING_EVERY_S
        self._to_die = 0
        self._frozen_before = 0
        """How many had frozen when this scene began."""
        self._killed_while_frozen = False
        """In this scene: another fault killed the one that was to be frozen, at the same moment."""
        self._zombies: list[tuple[Actor, Forked, Plan]] = []
        self._resting: set[int] = set()
        """Processes that a story has frozen: no fault did, and each goes on when the story says so."""
        self._keys = itertools.count(1)
        self.newest_key = ""
        """The Idempotency-Key of the last submission."""
        self._faults: Mapping[Hit, Fault] = {}
        self._besides: Mapping[Hit, Fault] = {}
        self._victim: Actor | None = None

    def meet(self, scene: "Scene") -> None:
        """Whom the next story is to hit, and how. A service that the story pauses first is armed when it goes on."""
        self._victim = self.stage.actor(scene.victim)
        self._faults, self._besides = scene.faults, scene.besides
        self._frozen_before, self._killed_while_frozen = len(self._zombies), False
        self._may_kill |= bool({*scene.faults.values(), *scene.besides.values()} & {*KILLS})
        if self._victim.busy_when_idle:
            self._victim.arm({})
        else:
            self._arm(self._victim)

    def also(self, faults: Mapping[Hit, Fault]) -> None:
        """Faults that belong to the story and may happen, unless the case has another one at the same hit."""
        self._besides = {**faults, **self._besides}

    def leave_besides(self) -> None:
        """From the next arming on, the scene's own faults alone."""
        self._besides = {}

    def _arm(self, actor: Actor) -> None:
        if actor is self._victim:
            actor.arm({**self._besides, **self._faults})

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Work piles up while that service is frozen; then it goes on, and its effects count from the first of it.

        For a service that has effects while it is idle: the relay claims nothing every few milliseconds.
        """
        actor = self.stage.actors[name]
        # It may just have been killed by what another story has left: then its successor is frozen.
        self.until(lambda: self._freeze(actor), what=f"the {name} is frozen")
        assert actor.process is not None
        try:
            yield
            self._arm(actor)
        finally:
            self._resting.discard(actor.process.pid)
            actor.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """The queue has messages for this worker, and for no other."""
        doors = {actor.name: actor.door for actor in self.stage.actors.values() if actor.name not in {"api", "relay"}}
        before = {other: door.silent for other, door in doors.items()}
        for other, door in doors.items():
            door.silent = other != name
        try:
            yield
        finally:
            for other, silent in before.items():
                doors[other].silent = silent

    def _freeze(self, actor: Actor) -> bool:
        assert actor.process is not None
        self._resting.add(actor.process.pid)
        actor.process.send_signal(signal.SIGSTOP)
        return frozen(actor.process)

    @contextlib.contextmanager
    def restarted(self, name: str) -> Iterator[None]:
        """The service is not there while its work is prepared, and its effects count from its start."""
        actor = self.stage.actors[name]
        assert actor.process is not None
        actor.process.kill()
        actor.process.wait(30)
        yield
        actor.start()
        self._arm(actor)
        self.until(actor.seen, what=f"the {name} has begun")  # a busy machine starts it when `_MISSED_S` are over

    def until_ended(self) -> None:
        """Wait until all jobs so far have ended as they should."""
        self.until(self._ended, what="every accepted job is final")
        assert self.stage.statuses(self.expected) == self.expected

    def forget(self, job_id: UUID) -> None:
        """From now on this job is expected to leave, with its files."""
        del self.expected[job_id]
        query = text("SELECT lease_token FROM jobs WHERE id = :id")
        self._leaving[job_id] = self.stage.conn.execute(query, {"id": job_id}).scalar_one()

    def submit(self, expected: str = "SUCCESS", report: str = "slow", **request: Any) -> UUID:
        """A client's request; `seconds` is how long its query takes."""
        body: dict[str, Any] = {"reportType": report, "formats": request.get("formats", ["csv"])}
        if report == "slow":
            body["parameters"] = {"seconds": request.get("seconds", 0)}
        body |= request.get("options", {})
        self.newest_key = key = f"{self.run}-{next(self._keys)}"
        job_id = self.until(lambda: self.stage.try_submit(key, body), what="a submission is accepted")
        self.expected[job_id] = expected
        return job_id

    def stray(self, job_id: UUID) -> None:
        """A message of a topic that no relay knows. It looks like the job's doorbell."""
        topic = f"{self.run}-{next(self._keys)}"
        stray = "INSERT INTO outbox (topic, group_key, payload) VALUES (:topic, 't', :payload)"
        self.stage.conn.execute(text(stray), {"topic": topic, "payload": f'{{"jobId": "{job_id}"}}'})
        self._strays.append(topic)

    def _parked(self) -> list[str]:
        query = "SELECT topic FROM outbox_retry WHERE topic = ANY (:topics) AND parked_at IS NOT NULL ORDER BY id"
        return list(self.stage.conn.execute(text(query), {"topics": self._strays}).scalars())

    def ask_to_leave(self, name: str) -> None:
        """SIGTERM, once: a second one would end it on the spot."""
        process = self.stage.actors[name].process
        assert process is not None
        self._asked_to_leave.add(process.pid)
        process.send_signal(signal.SIGTERM)

    def cancel(self, job_id: UUID) -> None:
        """Ask until the wish is taken."""
        self.until(lambda: self.stage.ask(f"/jobs/{job_id}:cancel")[0] in {200, 202, 409}, what="a cancellation")

    def delete(self, job_id: UUID) -> None:
        """Delete it, whether it goes on or not, until that is confirmed."""
        path = f"/v1/jobs/{job_id}?cancel=true"
        self.until(lambda: self.stage.ask(path, method="DELETE")[0] == 204, what="a deletion")
        self._deleted.add(job_id)

    def labelled(self) -> dict[str, dict[str, str]]:
        """What marks the jobs of this run for its bulk actions."""
        return {"labels": {"run": self.run}}

    def bulk(self, action: str, **filters: object) -> str:
        """A dry run over the jobs of this run that are labelled, asked for with one key until it is there."""
        key = f"{self.run}-{next(self._keys)}"
        body = {"action": action, "filter": {"label": [f"run:{self.run}"], **filters}}

        def ask() -> str:
            status, answer = self.stage.ask("/v1/bulk", body, Idempotency_Key=key)
            if status != 201:
                raise NotYet(f"{status} {answer}")
            return str(answer["bulkId"])

        return self.until(ask, what="a bulk action is counted")

    def run_bulk(self, bulk_id: str) -> None:
        """Ask until it runs, or has run."""
        self.until(lambda: self.stage.ask(f"/v1/bulk/{bulk_id}:run")[0] == 202, what="a bulk action runs")

    def stop_bulk(self, bulk_id: str) -> None:
        """Ask until it is stopped."""
        self.until(lambda: self.stage.ask(f"/v1/bulk/{bulk_id}:stop")[0] == 200, what="a bulk action is stopped")

    def until(self, look: Callable[[], T], *, what: str, within_s: float = 120) -> T:
        """Wait, and meanwhile replace whoever dies or freezes."""

        def attentively() -> T:
            self.attend()
            return look()

        return eventually(attentively, within_s=within_s, what=what)

    def attend(self) -> None:
        """Succeed the dead and the frozen. Time passes for their leases and messages."""
        for actor in self.stage.actors.values():
            process = actor.process
            if process is None:
                continue
            if process.poll() is not None:
                self.deaths += 1
                if actor is self._victim and len(self._zombies) == self._frozen_before:
                    self._killed_while_frozen |= self._stalled(actor)
            elif self._stalled(actor) and frozen(process):
                self._zombies.append((actor, process, actor.plan))
            else:
                continue
            self.stage.pass_time()
            actor.start()

    def _stalled(self, actor: Actor) -> bool:
        known = {process.pid for _, process, _ in self._zombies} | self._resting
        return (
            actor.process is not None
            and actor.process.pid not in known
            and any(c.fault in STALLS for c in actor.carried_out())
        )

    def until_hit(self, told: int) -> bool:
        """Wait until everything that was planned has happened, and its process is dead or frozen.

        False when all jobs have ended and it did not: a machine that is very busy may tell a story differently. It is
        given twice the time whenever it is `told` again, for what a service does a while after its start.
        """
        patience_s = _MISSED_S * 2**told
        victim, faults = self._victim, self._faults
        assert victim is not None
        kills = sum(fault in KILLS and not hit.effect.startswith("child ") for hit, fault in faults.items())
        stalls = sum(fault in STALLS for fault in faults.values())
        began = time.monotonic()

        def happened() -> bool:
            struck = {c.hit for c in victim.carried_out()} >= set(faults)
            frozen_now = len(self._zombies) - self._frozen_before + self._killed_while_frozen
            return struck and self.deaths >= self._to_die + kills and frozen_now >= stalls

        def missed() -> bool:
            return time.monotonic() - began > patience_s and self.stage.ended(self.expected)

        self.until(lambda: happened() or missed(), what=f"{dict(faults)} is met by the {victim.name}")
        if not happened():
            return False
        self._to_die += kills
        return True

    def end(self) -> None:
        """Everything that was accepted ends as it should, the frozen are woken too late, and every promise holds."""
        stage = self.stage
        self.until_ended()
        self.until(lambda: not stage.statuses(self._leaving), what="jobs that were kept long enough leave")
        self._wake()
        assert stage.statuses(self.expected) == self.expected
        left = [path for winner in self._leaving.values() for path in stage.artifacts.glob(f"**/{winner}/*")]
        assert left == []
        found = broken(stage.conn, at_rest=False, gone=self._leaving)
        assert not found, found
        self.until(self._at_rest, what="the system comes to rest")
        assert broken(stage.conn) == {}
        untold = stage.told.broken(stage.conn)
        assert not untold, untold
        assert self._left_of_deleted() == []
        assert sorted(self._parked()) == sorted(self._strays)
        assert broken_files(stage.conn, stage.artifacts, jobs=list(self.expected)) == []

    def _left_of_deleted(self) -> list[Path]:
        """Files of deleted jobs that an attempt won. Those that a frozen worker stored afterwards stay for a day."""
        won = text("SELECT lease_token FROM jobs WHERE id = ANY (:ids) AND status = 'SUCCESS'")
        winners = self.stage.conn.execute(won, {"ids": list(self._deleted)}).scalars().all()
        return [path for winner in winners for path in self.stage.artifacts.glob(f"**/{winner}/*")]

    def _ended(self) -> bool:
        self._let_time_pass()
        return self.stage.ended(self.expected)

    def _at_rest(self) -> bool:
        """True once whatever is owed was told, too."""
        self._let_time_pass()
        # In this order: what happened is final, then spread, then sent.
        return at_rest(self.stage.conn) and not self.stage.told.untold(self.stage.conn)

    def _let_time_pass(self) -> None:
        """What was lost on its way comes back in its own time, which passes quickly here."""
        if time.monotonic() >= self._rings_at:
            self._rings_at = time.monotonic() + _RING_EVERY_S
            self.stage.let_it_ring()

    def _wake(self) -> None:
        """They wake long after their successors have done their work, go on, and are then asked to leave."""
        begun = {process.pid for _, process, _ in self._zombies if takes(process, signal.SIGTERM)}
        for _, process, plan in self._zombies:
            plan.resumed.set()
            process.send_signal(signal.SIGCONT)
        for _, process, _ in self._zombies:
            if process.pid not in self._asked_to_leave:
                process.send_signal(signal.SIGTERM)
        for actor, process, _ in self._zombies:
            code = _ended(process)
            # What was planned and has not happened yet may meet it now.
            expected = {0, *([-signal.SIGKILL] if self._may_kill else [])}
            expected |= set() if process.pid in begun else {-signal.SIGTERM}
            assert code in expected, f"the frozen {actor.name} ended with {code}"


def _ended(process: Forked) -> int:
    """Its exit code, soon. One that does not end says in its log where its threads are."""
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        raise
