"""The faults of a soak: drawn by seed, one after another, each with a name that is counted."""

import contextlib
import itertools
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import psycopg.sql

from deploy.local.processes import Process
from shared.catalog.load import load_catalog
from tests.protocol.soak.whole_system import LEASE_S, Stage, is_stopped, worker_name
from tests.support.faults.plan import Fault
from tests.support.history.facts import Catalog, Locked
from tests.support.processes.services import CATALOG

STALL_S = 1.8 * LEASE_S
"""A directed stall: its holder wakes up after somebody else has taken over."""
_HOLD_S = 45.0
"""A directed stall waits this long for its process to come to the point."""
STALL_POINTS = {
    "relay": (
        "sql outbox.claim|after", "sqs SendMessageBatch|before", "sqs SendMessageBatch|after", "COMMIT|before",
        "COMMIT|after", "sql jobs.expire|after", "sql schedules.move|after", "sql webhook_events.spread|after",
        "sql webhook_deliveries.claim|after", "sql webhook_deliveries.record|before",
    ),
    "worker": (
        "sqs ReceiveMessage|after", "sql jobs.start|before", "sql jobs.start|after", "sql jobs.renew|before",
        "store put|before", "store link|after", "sql jobs.succeed|before", "sql jobs.succeed|after",
        "sqs DeleteMessageBatch|before",
    ),
}  # fmt: skip
"""After each way to claim a row or a job, and before each write that stands on a claim."""
_QUEUE_MOODS = (
    Fault.ERROR, Fault.THROTTLED, Fault.PARTIAL, Fault.DUPLICATE, Fault.REPLY_LOST, Fault.NOT_APPLIED, Fault.LATE,
)  # fmt: skip


class Mood:
    """A queue that does one thing wrong, now and then."""

    def __init__(self, fault: Fault, chance: random.Random, share: float = 0.4) -> None:
        self._fault = fault
        self._chance = chance
        self._share = share
        self._lock = threading.Lock()

    def at(self, _effect: str) -> Fault | None:
        """See `Faults.at`."""
        with self._lock:
            return self._fault if self._chance.random() < self._share else None


class Trouble:
    """Draws faults for a stage and carries them out. `counts` says how often each was."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._stage = stage
        self._chance = random.Random(seed)
        self._pause = threading.Event()
        self.counts: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        """Directed stalls that froze their process at the point."""
        self._points = self._endless_points()
        self._numbers = itertools.count(1)

    def run(self, seconds: float) -> None:
        """Fault after fault, for that long. Leaves the stage unhealed."""
        end_at = time.monotonic() + seconds
        for act in self._drawn():
            if time.monotonic() >= end_at:
                return
            self._stage.restore()
            self._wait(0.5, 2.5)
            act()

    def _drawn(self) -> Iterator[Callable[[], None]]:
        """Each kind once, in a drawn order, so that two minutes meet them all; then by weight."""
        kinds: list[tuple[int, Callable[[], None]]] = [
            (4, self._kill), (2, self._stall), (5, self._directed_stall), (2, self._cut), (2, self._slow),
            (1, self._black_hole), (4, self._queue_mood), (1, self._purge), (1, self._terminate), (1, self._postgres),
            (1, self._lock_a_row), (1, self._read_only), (1, self._sick_worker), (1, self._rollout),
        ]  # fmt: skip
        weights, acts = zip(*kinds, strict=True)
        yield from self._chance.sample(acts, len(acts))
        while True:
            yield self._chance.choices(acts, weights)[0]

    def _wait(self, least_s: float, most_s: float) -> None:
        self._pause.wait(self._chance.uniform(least_s, most_s))

    def _kill(self) -> None:
        name = self._chance.choice(["api", "relay", "worker", "worker"])
        if processes := self._stage.alive(name):
            self._stage.kill(name, self._chance.choice(processes))
            self.counts[f"kill {name}"] += 1
            self._wait(0, 1)

    def _stall(self) -> None:
        name = self._chance.choice(["api", "relay", "worker", "worker"])
        if processes := self._stage.alive(name):
            process = self._chance.choice(processes)
            self._stage.freeze(process)
            self._stage.mark_death(name, process, time.time())
            self._pause.wait(STALL_S)
            self._stage.thaw()
            self.counts[f"stall {name}"] += 1

    def _endless_points(self) -> Iterator[tuple[str, str]]:
        points = [(name, point) for name, own in STALL_POINTS.items() for point in own]
        while True:
            self._chance.shuffle(points)
            yield from points

    def _directed_stall(self) -> None:
        """A process that freezes itself at a chosen point takes the place of another, and wakes up as a zombie."""
        name, point = next(self._points)
        self.counts["directed stall"] += 1
        # Alone in its service, so that the work comes to it.
        for other in self._stage.alive(name):
            self._stage.kill(name, other)
        hit = self._chance.randint(1, 2)
        zombie = self._stage.services.start(
            name, wait=False, launcher=True, STOP_AT=f"{point}|{hit}", STOP_SIGNAL="STOP"
        )  # fmt: skip
        give_up_at = time.monotonic() + _HOLD_S
        while not is_stopped(zombie) and zombie.poll() is None and time.monotonic() < give_up_at:
            self._pause.wait(0.02)
        if is_stopped(zombie):
            self.held[f"{name} {point}"] += 1
            self._stage.mark_death(name, zombie, time.time())
            self._stage.restore()
            self._pause.wait(STALL_S)
        self._stage.thaw()

    def _cut(self) -> None:
        name = self._chance.choice(list(self._stage.proxies))
        for _ in range(self._chance.randint(1, 5)):
            self._stage.proxies[name].cut()
            self._wait(0, 0.4)
        self.counts[f"cut {name} from PostgreSQL"] += 1

    def _slow(self) -> None:
        proxy = self._stage.proxies[self._chance.choice(list(self._stage.proxies))]
        proxy.delay_s = self._chance.uniform(0.05, 0.5)
        self._wait(2, 5)
        proxy.delay_s = 0.0
        self.counts["slow PostgreSQL"] += 1

    def _black_hole(self) -> None:
        proxy = self._stage.proxies[self._chance.choice(list(self._stage.proxies))]
        proxy.freeze()
        self._wait(1, 2 * LEASE_S)
        proxy.thaw()
        self.counts["PostgreSQL answers nothing"] += 1

    def _queue_mood(self) -> None:
        fault = self._chance.choice(_QUEUE_MOODS)
        calm, self._stage.door.faults = self._stage.door.faults, Mood(fault, random.Random(self._chance.random()))
        self._wait(2, 5)
        self._stage.door.faults = calm
        self.counts[f"queue: {fault}"] += 1

    def _purge(self) -> None:
        self._stage.door.queues.boxes["jobs"].purged_at = None  # AWS allows one a minute
        self._stage.door.queues.boxes["jobs"].purge()
        self.counts["purge of the queue"] += 1

    def _terminate(self) -> None:
        with psycopg.connect(self._stage.url, autocommit=True) as conn:
            conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                         "AND backend_type = 'client backend'")  # fmt: skip
        self.counts["pg_terminate_backend of all"] += 1

    def _postgres(self) -> None:
        self._stage.crash_postgres()
        self.counts["PostgreSQL killed -9"] += 1

    def _lock_a_row(self) -> None:
        """Somebody forgets a transaction that locks one job's row, for longer than a lease."""
        with psycopg.connect(self._stage.url) as forgotten:
            found = forgotten.execute(
                "SELECT id FROM jobs WHERE finished_at IS NULL ORDER BY status DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED"
            ).fetchall()
            since = time.time()
            self._wait(1.5 * LEASE_S, 2.5 * LEASE_S)
            self._stage.locked += [Locked(job_id, since, time.time()) for (job_id,) in found]
            forgotten.rollback()
        self.counts["a job's row locked by a person"] += len(found)

    def _read_only(self) -> None:
        """The database takes no writes for a moment, as when its disk is full, and sessions that begin then stay so."""
        with psycopg.connect(self._stage.url, autocommit=True) as conn:
            name = psycopg.sql.Identifier(conn.info.dbname)
            setting = psycopg.sql.SQL("ALTER DATABASE {} {} default_transaction_read_only {}")
            conn.execute(setting.format(name, psycopg.sql.SQL("SET"), psycopg.sql.SQL("= on")))
            try:
                conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                             "AND backend_type = 'client backend' AND datname = current_database()")  # fmt: skip
                self._wait(1, 2)
            finally:
                conn.execute(setting.format(name, psycopg.sql.SQL("RESET"), psycopg.sql.SQL("")))
        self.counts["database read-only for a moment"] += 1

    def _sick_worker(self) -> None:
        """One of the workers has no scratch for a while: it gives its jobs back, and the others make them."""
        scratch = self._stage.folder / "scratch" / str(next(self._numbers))
        scratch.mkdir(parents=True)
        log = self._instead_of_a_worker()
        worker = self._stage.services.start("worker", log=log.name, WORKER_SCRATCH=str(scratch))
        self._wait(0.5, 2)
        away = scratch.rename(scratch.with_suffix(".away"))
        scratch.write_text("a file stands where the folder should be")
        said = self._until_it_says(worker, log, "worker.unfit")
        self._wait(1, 3)
        scratch.unlink()
        away.rename(scratch)
        self.counts["a worker without scratch"] += said

    def _rollout(self) -> None:
        """One of the workers has the catalog from before: it lacks a type, and allows less of another."""
        older = self._stage.folder / "older-catalog"
        if not older.exists():
            shutil.copytree(CATALOG, older, ignore=shutil.ignore_patterns("broken"))
            report = older / "slow" / "report.toml"
            report.write_text(report.read_text().replace("max = 300", "max = 0.1").replace("= 0.5", "= 0"))
        log = self._instead_of_a_worker()
        worker = self._stage.services.start("worker", log=log.name, CATALOG_PATH=str(older))
        versions = {name: report.version for name, report in load_catalog(older).types.items()}
        self._stage.catalogs.append(Catalog(worker_name(worker), versions))
        said = self._until_it_says(worker, log, "attempt.failed")
        self._wait(0, 2)
        worker.send_signal(signal.SIGTERM)  # the deployment reaches it
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(40)
        self.counts["a worker with the catalog from before"] += said

    def _instead_of_a_worker(self) -> Path:
        """Make room for a worker. Returns a log of its own for it."""
        if running := self._stage.alive("worker"):
            self._stage.kill("worker", self._chance.choice(running))
        return self._stage.folder / f"worker-{next(self._numbers)}.log"

    def _until_it_says(self, worker: Process, log: Path, word: str) -> bool:
        """Wait until its own log has the word. False if the work did not come to it in time."""
        give_up_at = time.monotonic() + _HOLD_S
        while word not in log.read_text(errors="replace"):
            if worker.poll() is not None or time.monotonic() > give_up_at:
                return False
            self._pause.wait(0.05)
        return True
