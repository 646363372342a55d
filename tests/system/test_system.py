"""Real processes on a real database and a real SQS API."""

import csv
import hashlib
import io
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import boto3
import httpx2 as httpx
import openpyxl
import psycopg
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import REGION
from tests.support.eventually import eventually
from tests.support.jobs import verbs
from tests.support.processes.services import Services
from tests.support.promises import broken, broken_files


def start_all(services: Services) -> None:
    for name in ("api", "relay", "worker"):
        services.start(name)


def test_the_seeds_contract(services: Services) -> None:
    start_all(services)

    answer = httpx.post(f"{services.url}/generate-report", timeout=20)  # as the seed writes it, without a client

    assert answer.status_code == 202
    job_id = answer.json()["jobId"]
    job = services.until_final(job_id)
    assert job["status"] == "SUCCESS"
    (artifact,) = job["result"]["artifacts"]
    file = httpx.get(services.url + artifact["url"], timeout=20)
    assert hashlib.sha256(file.content).hexdigest() == artifact["sha256"]
    rows = list(csv.reader(io.StringIO(file.text)))
    assert rows[:2] == [["n", "label"], ["1", "row 1"]]
    assert len(rows) - 1 == artifact["rows"] == 100


def test_both_formats_of_one_job_show_the_same_rows(services: Services) -> None:
    start_all(services)
    job = services.until_final(services.submit("k", {"formats": ["csv", "xlsx"]}))
    files = {a["format"]: services.file(job["jobId"], a["name"]) for a in job["result"]["artifacts"]}

    sheet = openpyxl.load_workbook(io.BytesIO(files["xlsx"])).worksheets[-1]
    assert [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)] == [
        [int(n), label] for n, label in list(csv.reader(io.StringIO(files["csv"].decode())))[1:]
    ]
    shown = services.todoke.jobs.rows(job["jobId"])
    assert (shown.rows[0], shown.total_rows, shown.truncated) == ({"n": 1, "label": "row 1"}, 100, False)


def test_a_worker_frozen_past_its_lease_cannot_overwrite_its_successor(services: Services, conn: Connection) -> None:
    """The zombie: SIGSTOP a worker in the middle of its work, let another finish, wake it up again."""
    services.start("api")
    services.start("relay")
    zombie = services.start("worker")
    job_id = services.submit("k", {"parameters": {"seconds": 3}, "formats": ["csv"]})
    services.until(job_id, "PROCESSING")
    zombie.send_signal(signal.SIGSTOP)

    services.start("worker")
    job = services.until_final(job_id)
    winner = conn.execute(text("SELECT lease_token FROM jobs")).scalar_one()
    zombie.send_signal(signal.SIGCONT)
    eventually(lambda: "lease_lost" in _log(services) or "late_write_refused" in _log(services), what="it learns")

    assert job["status"] == "SUCCESS"
    assert job["crashes"] == 1
    after = conn.execute(text("SELECT lease_token, status FROM jobs")).one()
    assert (after.lease_token, after.status) == (winner, "SUCCESS")
    assert broken(conn) == {}
    assert broken_files(conn, services.artifacts) == []


def test_sigterm_gives_unfinished_work_back_uncharged(services: Services, conn: Connection) -> None:
    services.start("api")
    services.start("relay")
    services.start("worker", WORKER_GRACE_S="0.5")
    job_id = services.submit("k", {"parameters": {"seconds": 4}, "formats": ["csv"]})
    services.until(job_id, "PROCESSING")

    assert services.stop("worker") < 30
    job = services.job(job_id)
    assert job is not None
    assert (job["status"], job["attempt"]) == ("PENDING", 0)
    services.start("worker")
    assert services.until_final(job_id)["status"] == "SUCCESS"
    assert verbs(conn, UUID(job_id)) == ["submit", "start", "give_back", "start", "succeed"]


def test_every_service_stops_cleanly(services: Services) -> None:
    start_all(services)

    assert all(services.stop(name) < 30 for name in ("worker", "relay", "api"))


def test_services_start_in_any_order_and_say_what_they_wait_for(services: Services, database_url: str) -> None:
    away = database_url.rsplit("/", 1)[0] + "/not_there_yet"
    worker = services.start("worker", wait=False, DATABASE_URL=away)

    eventually(lambda: '"waiting_for": "database"' in _log(services), what="it says what it waits for")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


def test_a_purged_queue_loses_nothing(services: Services, queue_url: str) -> None:
    services.start("api")
    services.start("relay")
    jobs = [services.submit(f"k{n}", {"parameters": {"seconds": 0}, "formats": ["csv"]}) for n in range(20)]
    client = boto3.client("sqs", region_name=REGION)
    eventually(lambda: _visible(client, queue_url) == 20, what="all doorbells are in the queue")
    client.purge_queue(QueueUrl=queue_url)

    services.start("worker")
    assert {services.until_final(job_id)["status"] for job_id in jobs} == {"SUCCESS"}


def test_submissions_are_accepted_while_the_queue_is_away(services: Services, conn: Connection) -> None:
    services.start("api")
    relay = services.start("relay")
    services.start("worker")
    relay.kill()
    relay.wait()
    job_id = services.submit("k", {"formats": ["csv"]})
    services.start("relay", wait=False, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert services.job(job_id)["status"] == "PENDING"  # type: ignore[index]
    eventually(
        lambda: '"waiting_for": "queue"' in (services.folder / "relay.log").read_text(), what="the relay says so"
    )
    services.kill("relay")

    services.start("relay")
    assert services.until_final(job_id)["status"] == "SUCCESS"


def test_several_relays_and_workers_share_the_work(services: Services, conn: Connection) -> None:
    services.start("api")
    for name in ("relay", "worker"):
        services.start(name)
        services.start(name)
    with ThreadPoolExecutor(8) as pool:
        body = {"parameters": {"seconds": 0.1}, "formats": ["csv"]}
        jobs = list(pool.map(lambda n: services.submit(f"k{n}", body), range(60)))

    assert {services.until_final(job_id)["status"] for job_id in jobs} == {"SUCCESS"}
    eventually(lambda: broken(conn) == {}, what="the system comes to rest")
    assert len(conn.execute(text("SELECT DISTINCT worker FROM jobs")).all()) == 2


def test_cut_connections_heal(services: Services, conn: Connection, database_url: str) -> None:
    start_all(services)
    stop = threading.Event()

    def cut() -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            while not stop.wait(0.3):
                own.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name LIKE 'todoke-%' AND application_name <> 'todoke-report'"
                )

    cutter = threading.Thread(target=cut)
    cutter.start()
    jobs = [services.submit(f"k{n}", {"parameters": {"seconds": 0.2}, "formats": ["csv"]}) for n in range(10)]
    stop.wait(3)
    stop.set()
    cutter.join()

    assert {services.until_final(job_id)["status"] for job_id in jobs} == {"SUCCESS"}
    eventually(lambda: broken(conn) == {}, what="the system comes to rest")


def test_every_service_shows_health_readiness_and_metrics(services: Services) -> None:
    start_all(services)
    services.until_final(services.submit("k", {"formats": ["csv"]}))

    assert "todoke_outbox_published_total" in services.metrics("relay")
    finished = 'todoke_jobs_finished_total{outcome="success",reason="none",report_type="slow"} 1.0'
    assert finished in services.metrics("worker")
    assert 'todoke_jobs_submitted_total{outcome="accepted",report_type="slow"} 1.0' in services.metrics("api")


def test_no_child_outlives_a_killed_worker(services: Services, conn: Connection) -> None:
    services.start("api")
    services.start("relay")
    services.start("worker")
    job_id = services.submit("k", {"parameters": {"seconds": 60}, "formats": ["csv"]})
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todoke-report'")
    eventually(lambda: conn.execute(query).scalar_one() == 1, what="the report's query runs")

    services.kill("worker")

    eventually(lambda: conn.execute(query).scalar_one() == 0, within_s=30, what="its query ends with it")
    assert services.job(job_id) is not None


def _log(services: Services) -> str:
    return (services.folder / "worker.log").read_text()


def _visible(client: object, queue_url: str) -> int:
    attributes = client.get_queue_attributes(  # type: ignore[attr-defined]
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])
