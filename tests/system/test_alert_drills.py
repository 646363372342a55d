"""Each alert fires when its fault is injected into running services: shipped rules, real Prometheus, shorter windows.

Windows and `for` are divided by `FASTER`; thresholds are the shipped ones. RELAY_LATE_AFTER_S is 1 instead of 300, and
one message is made two minutes older in its row instead of waiting.
"""

import signal
import uuid
from pathlib import Path

import boto3
import httpx2 as httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import REGION, Emulator
from deploy.local.processes import free_port
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy
from tests.support.processes.services import Services
from tests.support.prometheus import Prometheus, rules


@pytest.mark.long
@pytest.mark.timeout(900)
def test_each_alert_fires_on_its_fault(
    services: Services, conn: Connection, database_url: str, queue_url: str, emulator: Emulator
) -> None:
    drill = Drill(services, conn, queue_url)
    with (
        Proxy("127.0.0.1", emulator.port) as sqs,
        Prometheus(services.folder / "prometheus", drill.ports) as prometheus,
    ):
        services.start("api")
        services.start("relay", RELAY_LATE_AFTER_S="1", AWS_ENDPOINT_URL=sqs.url(emulator.endpoint_url))

        drill.submit(2)
        prometheus.until_fired("TodokeNoWorkerPolls", "TodokeJobsLateFast")
        drill.write_what_the_queue_refuses()
        drill.write_below_the_floor()
        drill.leave_an_erasure()
        with psycopg.connect(database_url, application_name="pg_dump") as forgotten:
            forgotten.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            forgotten.execute("SELECT 1")
            drill.begin_many_transactions()
            prometheus.until_fired("TodokeParkedMessages", "TodokeSnapshotHeld", "TodokeErasuresWait")

        sqs.refusing = True
        sqs.cut()
        drill.submit(1)
        drill.make_the_oldest_message_older()
        prometheus.until_fired("TodokeOutboxStuck", "TodokeJobsLateSlow")
        sqs.refusing = False

        drill.let_a_worker_sleep_past_its_lease()
        prometheus.until_fired("TodokeLateWrites")
        drill.ring_for_nobody()
        prometheus.until_fired("TodokeDeadLetters", "TodokeFloorViolated")
        drill.damage_a_stored_file()
        prometheus.until_fired("TodokeArtifactDamaged")
        drill.block_the_artifact_store()
        drill.submit(4)
        prometheus.until_fired("TodokeArtifactStoreFailing", "TodokeWorkerUnfit")
        services.kill("relay")
        prometheus.until_fired("TodokeNotMeasured")

        assert prometheus.fired() == {rule["alert"] for rule in rules() if "alert" in rule}


class Drill:
    """The faults."""

    def __init__(self, services: Services, conn: Connection, queue_url: str) -> None:
        self._services = services
        self._conn = conn
        self._queue_url = queue_url
        self._second_worker = free_port()
        self.ports = {
            "todoke-api": [services.port("api")], "todoke-relay": [services.port("relay")],
            "todoke-worker": [services.port("worker"), self._second_worker],
        }  # fmt: skip

    def submit(self, jobs: int) -> None:
        for _ in range(jobs):
            self._services.submit(str(uuid.uuid4()), {"parameters": {"seconds": 0}, "formats": ["csv"]})

    def write_what_the_queue_refuses(self) -> None:
        self._conn.execute(text("INSERT INTO outbox (topic, group_key, payload) VALUES ('jobs', 'drill', '')"))

    def write_below_the_floor(self) -> None:
        """Id 1 was drawn, sent and settled long ago."""
        self._conn.execute(
            text("INSERT INTO outbox (id, topic, group_key, payload) OVERRIDING SYSTEM VALUE "
                 "SELECT 1, 'jobs', 'drill', json_build_object('jobId', id)::text FROM jobs LIMIT 1")
        )  # fmt: skip

    def leave_an_erasure(self) -> None:
        """Somebody deleted a job half an hour ago, and the store would not have it."""
        self._conn.execute(
            text("INSERT INTO erasures (job_id, tenant, asked_at, due_at) "
                 "VALUES (gen_random_uuid(), 'drill', now() - interval '30 min', now() + interval '1 h')")
        )  # fmt: skip

    def begin_many_transactions(self) -> None:
        self._conn.execute(
            text("DO $$ BEGIN FOR n IN 1 .. 100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
        )

    def make_the_oldest_message_older(self) -> None:
        older = text("UPDATE outbox SET created_at = created_at - interval '2 min'")
        eventually(lambda: self._conn.execute(older).rowcount, what="the message stays in the outbox")

    def let_a_worker_sleep_past_its_lease(self) -> None:
        sleeper = self._services.start("worker", launcher=True, STOP_AT="sql jobs.succeed|before|1", STOP_SIGNAL="STOP")
        state = Path(f"/proc/{sleeper.pid}/stat")
        eventually(lambda: state.read_text().rsplit(")", 1)[1].split()[0] == "T", within_s=120, what="it falls asleep")
        self._services.start("worker", port=self._second_worker, WORKER_RETRY_BASE_S="0.2", WORKER_RETRY_CAP_S="1")
        unfinished = text("SELECT count(*) FROM jobs WHERE finished_at IS NULL")
        eventually(
            lambda: self._conn.execute(unfinished).scalar_one() == 0, within_s=240, what="its successor ends them"
        )
        sleeper.send_signal(signal.SIGCONT)

    def damage_a_stored_file(self) -> None:
        """A download finds it."""
        job_id = self._services.submit(str(uuid.uuid4()), {"parameters": {"seconds": 0}, "formats": ["csv"]})
        file = self._services.until_final(job_id)["result"]["artifacts"][0]
        [stored] = self._services.artifacts.glob(f"reports/*/{job_id}/*/{file['name']}")
        stored.write_bytes(b"")
        assert httpx.get(self._services.url + file["url"], timeout=60).status_code == 410

    def block_the_artifact_store(self) -> None:
        """A file stands where the store wants its folder."""
        (self._services.artifacts / "reports").rename(self._services.artifacts / "elsewhere")
        (self._services.artifacts / "reports").touch()

    def ring_for_nobody(self) -> None:
        boto3.client("sqs", region_name=REGION).send_message(QueueUrl=self._queue_url, MessageBody="not a doorbell")
