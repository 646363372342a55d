"""Each alert fires when its fault is injected into running services: shipped rules, real Prometheus, shorter windows.

Windows and `for` are divided by `FASTER`; thresholds are the shipped ones. RELAY_LATE_AFTER_S is 1 instead of 300, and
one message is made two minutes older in its row instead of waiting.
"""

import contextlib
import io
import shutil
import signal
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import REGION, Emulator
from deploy.local.processes import free_port
from shared.database.engine import transactional
from shared.schedules.files import FOLDER
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy
from tests.support.issuer import Issuer
from tests.support.jobs import a_job
from tests.support.processes.services import CATALOG, Services
from tests.support.prometheus import Prometheus, rules
from tests.support.schedules import a_schedule
from todoke import Todoke, errors


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
        services.fork_none()
        services.start("api", CATALOG_PATH=str(drill.catalog))
        token = drill.an_api_that_believes_an_issuer_who_left()
        services.start("relay", RELAY_LATE_AFTER_S="1", AWS_ENDPOINT_URL=sqs.url(emulator.endpoint_url))

        drill.write_a_wrong_schedule_file()
        drill.submit(2)
        prometheus.until_fired("TodokeNoWorkerPolls", "TodokeJobsLateFast")
        drill.write_what_the_queue_refuses()
        drill.write_below_the_floor()
        drill.leave_an_erasure()
        drill.leave_a_bulk_action()
        with psycopg.connect(database_url, application_name="pg_dump") as forgotten:
            forgotten.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            forgotten.execute("SELECT 1")
            drill.begin_many_transactions()
            prometheus.until_fired(
                "TodokeParkedMessages", "TodokeSnapshotHeld", "TodokeErasuresWait", "TodokeBulkStands"
            )

        prometheus.until_fired("TodokeScheduleFilesRefused")
        with drill.a_due_schedule_whose_tick_nobody_can_write_down():
            prometheus.until_fired("TodokeSchedulesLate")
        drill.come_to_a_schedule_hours_later()
        prometheus.until_fired("TodokeTicksMissed")
        with drill.a_delivery_that_nobody_can_take():
            prometheus.until_fired("TodokeWebhooksLate")
        drill.disable_a_webhook()
        prometheus.until_fired("TodokeWebhookDisabled")

        drill.show(token)
        sqs.refusing = True
        sqs.cut()
        drill.submit(1)
        drill.make_the_oldest_message_older()
        prometheus.until_fired("TodokeOutboxStuck", "TodokeJobsLateSlow")
        sqs.refusing = False

        drill.let_a_worker_sleep_past_its_lease()
        prometheus.until_fired("TodokeLateWrites", "TodokeIssuerAway")
        with drill.a_held_doorbell_that_nobody_can_take():
            prometheus.until_fired("TodokeTurnsStand")
        drill.ask_for_what_no_worker_knows()
        prometheus.until_fired("TodokeJobsOfUnknownType")
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
        self.catalog = services.folder / "catalog-of-the-api"
        shutil.copytree(CATALOG, self.catalog)
        self._second_worker, self._second_api = free_port(), free_port()
        self.ports = {
            "todoke-api": [services.port("api"), self._second_api], "todoke-relay": [services.port("relay")],
            "todoke-worker": [services.port("worker"), self._second_worker],
        }  # fmt: skip

    def submit(self, jobs: int) -> None:
        for _ in range(jobs):
            self._services.submit(str(uuid.uuid4()), {"parameters": {"seconds": 0}, "formats": ["csv"]})

    def write_a_wrong_schedule_file(self) -> None:
        folder = self.catalog / FOLDER
        folder.mkdir(exist_ok=True)
        (folder / "drill.toml").write_text('tenant = "drill"\nreport_type = "slow"\ncron = "never"\n')

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

    def leave_a_bulk_action(self) -> None:
        """One that began half an hour ago, and whose next step went wrong."""
        self._conn.execute(
            text("INSERT INTO bulk_actions (id, tenant, action, state, filter, reason, matched, created_at, horizon, "
                 "hidden, position, moved_at, due_at) SELECT id, 'drill', 'cancel', 'RUNNING', '{}', '', '{}', now(), "
                 "id, '{}', id, now() - interval '30 min', now() + interval '1 h' FROM gen_random_uuid() AS id")
        )  # fmt: skip

    @contextlib.contextmanager
    def a_due_schedule_whose_tick_nobody_can_write_down(self) -> Iterator[None]:
        """Somebody has locked the table of ticks."""
        with transactional(self._conn.engine).begin() as other:
            other.execute(text("LOCK TABLE schedule_ticks IN EXCLUSIVE MODE"))
            a_schedule(self._conn, first=timedelta(minutes=-30))
            yield

    def come_to_a_schedule_hours_later(self) -> None:
        a_schedule(self._conn, first=timedelta(hours=-5), report_type="slow", parameters={"seconds": 0})

    @contextlib.contextmanager
    def a_delivery_that_nobody_can_take(self) -> Iterator[None]:
        """What it tells of happened half an hour ago, and somebody has locked the table of deliveries."""
        with transactional(self._conn.engine).begin() as other:
            other.execute(text("LOCK TABLE webhook_deliveries IN EXCLUSIVE MODE"))
            self._conn.execute(
                text("INSERT INTO webhooks (id, tenant, url, origin, types, description) VALUES "
                     "(gen_random_uuid(), 'drill', 'https://drill.invalid/', 'https://drill.invalid', '{}', '')")
            )  # fmt: skip
            self._conn.execute(
                text("INSERT INTO webhook_events (tenant, type, webhook_id, spread_at, at) "
                     "SELECT tenant, 'webhook.ping', id, NULL, now() - interval '30 min' FROM webhooks")
            )  # fmt: skip
            yield

    def disable_a_webhook(self) -> None:
        self._conn.execute(text("UPDATE webhooks SET disabled_at = now(), disabled_because = 'gone'"))

    def begin_many_transactions(self) -> None:
        self._conn.execute(
            text("DO $$ BEGIN FOR n IN 1 .. 100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$")
        )

    def an_api_that_believes_an_issuer_who_left(self) -> str:
        """Returns a token of theirs, with which `show` makes the API look for their keys."""
        with Issuer() as issuer:
            path, token = issuer.file(self._services.folder), issuer.token()
        port = self._second_api
        self._services.start("api", port=port, API_PORT=str(port), API_AUTH="oidc", API_OIDC_PATH=str(path))
        return token

    def show(self, token: str) -> None:
        """Somebody comes with that token."""
        url = f"http://127.0.0.1:{self._second_api}"
        with Todoke(url, token, timeout=60, max_retries=0) as somebody, pytest.raises(errors.Unavailable):
            somebody.jobs.list()

    @contextlib.contextmanager
    def a_held_doorbell_that_nobody_can_take(self) -> Iterator[None]:
        """Another session has locked its row."""
        self._conn.execute(
            text("INSERT INTO held (job_id, tenant, report_type, priority) "
                 "SELECT id, tenant, report_type, 4 FROM jobs LIMIT 1")
        )  # fmt: skip
        with transactional(self._conn.engine).begin() as other:
            other.execute(text("SELECT FROM held FOR UPDATE"))
            yield

    def ask_for_what_no_worker_knows(self) -> None:
        """A roll-out that reached the API alone."""
        a_job(self._conn, report_type="of-tomorrow")

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
        with pytest.raises(errors.Gone):
            self._services.todoke.jobs.download_into(str(job_id), io.BytesIO(), file["name"])

    def block_the_artifact_store(self) -> None:
        """A file stands where the store wants its folder."""
        (self._services.artifacts / "reports").rename(self._services.artifacts / "elsewhere")
        (self._services.artifacts / "reports").touch()

    def ring_for_nobody(self) -> None:
        boto3.client("sqs", region_name=REGION).send_message(QueueUrl=self._queue_url, MessageBody="not a doorbell")
