"""A stage for crashes: the three services on one database and one queue, each behind doors that can break."""

import contextlib
import http.client
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from deploy.local.processes import free_port
from shared.database.engine import create_engine
from tests.support.eventually import NotYet
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.postgres.proxy import PostgresProxy
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import CATALOG
from tests.support.processes.zygote import Forked, Zygote
from tests.support.sqs.operations import Queues
from tests.support.sqs.server import Door

QUEUE = "jobs"
SEND_DEADLINE_S = 0.5
LATE_S = 0.8
"""Beyond the relay's deadline, within everybody else's."""
_IDLE_IN_TRANSACTION = "1500ms"
"""What frees the rows of a relay that froze in mid-transaction; 30 s in production."""
_SETTINGS = {
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "JOB_MAX_CRASHES": "50",
    "WORKER_LEASE_S": "5",
    "WORKER_HEARTBEAT_S": "0.1",
    "WORKER_POLL_S": "1",
    "WORKER_SLOTS": "6",
    "WORKER_GRACE_S": "0.3",
    "WORKER_RETRY_BASE_S": "0.05",
    "WORKER_RETRY_CAP_S": "0.05",
    "RELAY_IDLE_S": "0.05",
    "RELAY_SWEEP_EVERY_S": "0.2",
    "RELAY_SPARE_S": "0.2",
    "JOB_RING_AFTER_S": "0.2",
    "RELAY_LIST_AFTER_S": "0",  # every story shows how the floor under the unfinished jobs rises
    "RELAY_SEND_DEADLINE_S": str(SEND_DEADLINE_S),
}
_PASSED_S = 120.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Carried:
    """A fault that happened."""

    hit: Hit
    fault: Fault


class Actor:
    """One service: its newest process, the wires to it, and what is planned against it."""

    def __init__(self, stage: "Stage", name: str, database_url: str, **env: str) -> None:
        parts = urlsplit(database_url)
        self.name = name
        self.busy_when_idle = name == "relay"
        """It has effects without any work: it claims nothing every few milliseconds."""
        self._stage = stage
        self._watch = stage.folder / f"watch-{name}"
        self._watch.mkdir()
        self.proxy = PostgresProxy(str(parts.hostname), int(parts.port or 5432), late_s=LATE_S)
        self.door = Door(stage.queues, late_s=LATE_S)
        self.env = {
            **self.door.environment(),
            "SQS_QUEUE_URL": self.door.queue_url(QUEUE),
            "DATABASE_URL": _patient(self.proxy.url(database_url)),
            **env,
        }
        self.plan = Plan()
        self._number = 0
        self._planned: list[tuple[Hit, Fault]] = []
        self.process: Forked | None = None
        self.arm({})

    def start(self, **changes: str) -> Forked:
        """Start its process, or its successor. The API's has a port of its own: the old one may be taken still."""
        stage = self._stage
        env = {**stage.env, **self.env, "API_PORT": str(stage.new_port(self.name)), **changes}
        log = stage.folder / f"{self.name}.log"
        self.process = stage.zygote.start(f"services.{self.name}", env=env, log=log, watch=self._watch)
        self.plan.pid = self.process.pid
        return self.process

    def arm(self, faults: Mapping[Hit, Fault]) -> None:
        """From now on count anew, and let these faults happen to the process that runs now."""
        self._number = next(_numbers)
        self._planned = list(faults.items())
        plan = {"number": self._number, "faults": [[hit.effect, hit.time, fault] for hit, fault in self._planned]}
        part = self._watch / "plan.part"
        part.write_text(json.dumps(plan))
        (self._watch / "seen").write_text("")
        part.rename(self._watch / "plan.json")
        self.plan = Plan(faults)
        self.plan.pid = self.process.pid if self.process else None
        self.proxy.faults = self.door.faults = self.plan

    def seen(self) -> list[str]:
        """Its effects since it was armed, in order: on the wires, then on files."""
        return [*self.plan.seen, *(self._watch / "seen").read_text().splitlines()]

    def carried_out(self) -> list[Carried]:
        """What went wrong as planned since it was armed."""
        on_files = [(self._watch / f"done-{self._number}-{n}").exists() for n in range(len(self._planned))]
        done = [planned for planned, happened in zip(self._planned, on_files, strict=True) if happened]
        return [Carried(hit, fault) for hit, fault in [*self.plan.carried_out, *done]]

    def close(self) -> None:
        """End everything."""
        if self.process is not None:
            self.process.kill()
        self.plan.resumed.set()
        self.proxy.cut()
        self.proxy.__exit__(None, None, None)
        self.door.__exit__(None, None, None)


def _patient(url: str) -> str:
    """The URL with a session's bounds as the services set them, but for one that the tests would wait for."""
    bounds = {"idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION, "statement_timeout": "30s",
              "lock_timeout": "10s", "timezone": "UTC"}  # fmt: skip
    return f"{url}?options=" + "%20".join(f"-c%20{name}%3D{value}" for name, value in bounds.items())


class Stage:
    """Three actors and the checks on what they did together."""

    def __init__(
        self,
        zygote: Zygote,
        conn: Connection,
        folder: Path,
        *,
        database_urls: Mapping[str, str],
        source_url: str,
        **env: str,
    ) -> None:
        self.zygote = zygote
        self.conn = conn
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.queues = Queues()
        self.queues.make(f"{QUEUE}-dlq")
        self.queues.make(QUEUE, max_receive_count=20)
        self._port = 0
        scratch = folder / "scratch"
        scratch.mkdir()
        self.env = {
            **_SETTINGS,
            "PATH": "/usr/bin:/bin",
            "CATALOG_PATH": str(CATALOG),
            "ARTIFACT_URL": self.artifacts.as_uri(),
            "REPORT_SOURCE_URL": source_url,
            "WORKER_SCRATCH": str(scratch),
            "API_HOST": "127.0.0.1",
            **env,
        }
        self.actors = {name: Actor(self, name, url) for name, url in database_urls.items()}

    def close(self) -> None:
        """End every process and every door."""
        for actor in self.actors.values():
            actor.close()

    def new_port(self, name: str) -> int:
        """Where the next API is to answer; from then on it is asked there."""
        if name == "api":
            self._port = free_port()
        return self._port or 1

    def pass_time(self) -> None:
        """Every lease that is held now has run out, and `let_it_ring`."""
        self._set("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE status = 'PROCESSING'")
        self.let_it_ring()

    def let_it_ring(self) -> None:
        """Every doorbell that is overdue, due later or hidden is due now."""
        self._set("UPDATE jobs SET next_ring_at = clock_timestamp() WHERE finished_at IS NULL")
        self._set("UPDATE outbox_retry SET due_at = clock_timestamp() WHERE parked_at IS NULL")
        self._set("UPDATE jobs SET run_at = least(run_at, clock_timestamp()) WHERE status = 'PENDING'")
        self.queues.pass_time(_PASSED_S)

    def _set(self, statement: str) -> None:
        """Once more where it crossed a statement of a service: ours takes many rows, in no order."""
        try:
            self.conn.execute(text(statement))
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected):
                raise
            self._set(statement)

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One POST to the API. Status 0 when nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json", **named})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read() or b"null")
            except (OSError, http.client.HTTPException, ValueError):
                return 0, None

    def try_submit(self, key: str, body: Mapping[str, object]) -> UUID:
        """Ask for a report once. Raises NotYet unless it was accepted; a careful client then asks with the same key."""
        status, answer = self.ask("/generate-report", dict(body), Idempotency_Key=key)
        if status != 202:
            raise NotYet(f"{status} {answer}")
        return UUID(answer["jobId"])

    def ring(self, body: str) -> None:
        """Put a message into the queue, past the relay."""
        self.queues.named(QUEUE).send(body, {})

    def statuses(self, job_ids: Iterable[UUID]) -> dict[UUID, str]:
        """What the jobs are now."""
        rows = self.conn.execute(text("SELECT id, status FROM jobs WHERE id = ANY (:ids)"), {"ids": list(job_ids)})
        return {row.id: row.status for row in rows}

    def ended(self, job_ids: Iterable[UUID]) -> bool:
        """True when all are final. Raises NotYet with what they are."""
        ids = list(job_ids)
        now = self.statuses(ids)
        if set(now) != set(ids) or set(now.values()) & {"PENDING", "PROCESSING"}:
            raise NotYet(repr(now))
        return True

    def logs(self) -> Iterator[str]:
        """The ends of the logs, for a failure's message."""
        for log in sorted(self.folder.glob("*.log")):
            yield f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}"


def frozen(process: Forked) -> bool:
    """True when it is stopped by a signal."""
    try:
        return Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):  # it was gone before the file was opened, or read
        return False


@contextlib.contextmanager
def opened(zygote: Zygote, database_url: str, folder: Path, **env: str) -> Iterator[Stage]:
    """A stage on which the three services run. When the block fails, their logs are shown."""
    engine = create_engine(database_url, application_name="test", pool_size=2)
    folder.mkdir(exist_ok=True)
    try:
        with engine.connect() as conn:
            urls = service_urls(database_url)
            stage = Stage(zygote, conn, folder, database_urls=urls, source_url=database_url, **env)
            try:
                for actor in stage.actors.values():
                    actor.start()
                yield stage
            except BaseException:
                print("\n".join(stage.logs()))
                raise
            finally:
                stage.close()
    finally:
        engine.dispose()
