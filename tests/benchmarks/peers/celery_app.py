"""Celery over SQS. Settings after its pages "Optimizing" and "Using Amazon SQS": no gossip, mingle or heartbeat."""

import os

from celery import Celery
from celery.signals import worker_ready
from kombu.asynchronous import get_event_loop


def made(*, prefetch: int, results: bool) -> Celery:
    """An application whose one queue is QUEUE_URL; with `results` it writes them to DATABASE_URL."""
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    database = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    app = Celery(
        "peer",
        broker=f"sqs://{key}:{secret}@{os.environ['SQS_HOST']}//",
        backend=f"db+{database}" if results else None,
    )
    queue = {"url": os.environ["QUEUE_URL"], "access_key_id": key, "secret_access_key": secret}
    app.conf.update(
        task_ignore_result=not results,
        worker_prefetch_multiplier=prefetch,
        worker_send_task_events=False,
        worker_redirect_stdouts=False,  # what the clock tells would go to the log, as a warning
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "region": os.environ["AWS_REGION"],
            "is_secure": False,
            "wait_time_seconds": 1,
            "polling_interval": 0,
            "predefined_queues": {"celery": queue},
        },
    )
    return app


@worker_ready.connect
def keep_awake(**_: object) -> None:
    """In half of the runs kombu 5.7 forgets a poll until a timer wakes its loop, once a second (ten jobs a second; seen
    2026-11-28). With this it is compared at its best."""
    get_event_loop().call_repeatedly(0.005, lambda: None)


def work(app: Celery, *options: str) -> None:
    """Be a worker."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
    app.worker_main(["worker", *options, *quiet])
