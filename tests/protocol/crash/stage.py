"""A stage for crashes: the three services on one database and one queue, each behind doors that can break."""

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError

from deploy.local.processes import free_port
from shared.database.engine import create_engine, transactional
from tests.protocol.crash.actor import LATE_S, QUEUE, Actor
from tests.protocol.crash.told import Told
from tests.support.eventually import NotYet
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import CATALOG
from tests.support.processes.zygote import Zygote
from tests.support.sqs.operations import Queues

SICK = "sick worker"
SEND_DEADLINE_S = 0.5
_LEASE_S, _RENEWED_WITHIN_S = 5.0, 1.5
_SETTINGS = {
    "METRICS_HOST": "127.0.0.1",
    "METRICS_PORT": "0",
    "JOB_MAX_CRASHES": "50",
    "WORKER_LEASE_S": str(_LEASE_S),
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
    "RELAY_AHEAD": "6",
    "API_BULK_RUNNING": "100",  # a story may be told anew before the relay has carried out the last one
}
_PATIENCE_S = 3.0
"""How long a client waits for an answer before it asks again."""
_PASSED_S = 120.0


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
        self.told = Told(late_s=LATE_S)
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
            **Told.settings(folder),
            **env,
        }
        self._database_urls = database_urls
        self._way = folder / "way"
        """Leads the sick worker to the store that all others use."""
        self.actors = {name: Actor(self, name, url) for name, url in database_urls.items()}

    def actor(self, name: str) -> Actor:
        """An actor by its name; the sick worker joins when it is first asked for."""
        if name == SICK and SICK not in self.actors:
            self._way.symlink_to(self.folder)
            self.another_worker(SICK, ARTIFACT_URL=(self._way / "artifacts").as_uri())
        return self.actors[name]

    def another_worker(self, name: str, **env: str) -> Actor:
        """A second worker. The queue has nothing for it before a story says so."""
        actor = self.actors[name] = Actor(self, name, self._database_urls["worker"], service="worker", **env)
        actor.door.silent = True
        actor.start()
        return actor

    @contextlib.contextmanager
    def store_away(self) -> Iterator[None]:
        """The sick worker cannot reach the store."""
        self._way.unlink()
        self._way.write_text("a file stands where the folder should be")
        try:
            yield
        finally:
            self._way.unlink()
            self._way.symlink_to(self.folder)

    @contextlib.contextmanager
    def locked(self, job_id: UUID) -> Iterator[None]:
        """Somebody has begun a transaction, locked this job's row, and gone away for a while."""
        with transactional(self.conn.engine).connect() as forgotten:
            forgotten.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
            yield
            forgotten.rollback()

    def close(self) -> None:
        """End every process and every door."""
        for actor in self.actors.values():
            actor.close()
        self.told.__exit__()

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
        """Every doorbell that is overdue, due later or hidden is due now, and no lease lasts that nobody renews."""
        # A live worker renews ten times per second: what is so old has a holder that does not know of it.
        self._set("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE status = 'PROCESSING' "
                  f"AND lease_until < clock_timestamp() + interval '{_LEASE_S - _RENEWED_WITHIN_S} s'")  # fmt: skip
        self._set("UPDATE jobs SET next_ring_at = clock_timestamp() WHERE finished_at IS NULL")
        self._set("UPDATE erasures SET due_at = clock_timestamp()")
        self._set(f"UPDATE dead_letters SET seen_at = seen_at - interval '{_PASSED_S} s'")
        self.look_at_dead_letters()
        # Those that a live relay has under way are sent twice then, which is no one's fault.
        self._set("UPDATE webhook_deliveries SET due_at = clock_timestamp() WHERE state = 'waiting'")
        self._set("UPDATE webhooks SET throttled_until = NULL WHERE throttled_until IS NOT NULL")
        self._set("UPDATE bulk_actions SET due_at = clock_timestamp() WHERE state = 'RUNNING'")
        self._set("UPDATE outbox_retry SET due_at = clock_timestamp() WHERE parked_at IS NULL")
        self._set("UPDATE jobs SET run_at = least(run_at, clock_timestamp()) WHERE status = 'PENDING'")
        self.queues.pass_time(_PASSED_S)

    def look_at_dead_letters(self) -> None:
        """A look into the dead-letter queue is due."""
        self._set("UPDATE measurements SET next_at = clock_timestamp() WHERE subject = 'dead_letters'")

    def _set(self, statement: str) -> None:
        """Once more where it crossed a statement of a service: ours takes many rows, in no order."""
        try:
            self.conn.execute(text(statement))
        except OperationalError as error:
            if not isinstance(error.orig, DeadlockDetected):
                raise
            self._set(statement)

    def ask(self, path: str, body: object = None, *, method: str = "POST", **headers: str) -> tuple[int, Any]:
        """One request to the API. Status 0 when nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            try:
                connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json", **named})
                answer = connection.getresponse()
                content, kind = answer.read(), answer.headers.get("Content-Type", "")
                return answer.status, json.loads(content) if content and "json" in kind else None
            except (OSError, http.client.HTTPException, ValueError):
                return 0, None

    def post_form(self, path: str, form: str, *, cookie: str = "") -> tuple[int, str]:
        """Send a form as a browser does. Returns status and Set-Cookie; status 0 when nobody answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE_S)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
        with contextlib.closing(connection):
            try:
                connection.request("POST", path, form, headers)
                answer = connection.getresponse()
                answer.read()
                return answer.status, answer.headers.get("Set-Cookie", "")
            except (OSError, http.client.HTTPException):
                return 0, ""

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
                stage.told.join(conn, folder)
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
