"""Celery over SQS. Settings after its pages "Optimizing" and "Using Amazon SQS": results ignored unless asked for, ten
messages fetched ahead, one thread of work (`solo`), as the job is no work; no gossip, mingle or heartbeat."""

import os
import sys

from celery import Celery
from celery.signals import worker_ready
from kombu.asynchronous import get_event_loop

from clock import Clock

clock = Clock()
results = os.environ.get("RESULTS")
app = Celery(
    "peer",
    broker=f"sqs://{os.environ['AWS_ACCESS_KEY_ID']}:{os.environ['AWS_SECRET_ACCESS_KEY']}@{os.environ['SQS_HOST']}//",
    backend="db+" + os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://") if results else None,
)
app.conf.update(
    task_ignore_result=not results,
    worker_prefetch_multiplier=10,
    worker_send_task_events=False,
    worker_redirect_stdouts=False,  # what the clock tells would go to the log, as a warning
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "region": os.environ["AWS_REGION"],
        "is_secure": False,
        "wait_time_seconds": 1,
        "polling_interval": 0,
        "predefined_queues": {
            "celery": {
                "url": os.environ["QUEUE_URL"],
                "access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
                "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
            }
        },
    },
)


@app.task(name="noop")
def noop() -> None:
    clock.tick()


@worker_ready.connect
def keep_awake(**_: object) -> None:
    """In half of the runs kombu 5.7 forgets a poll until a timer wakes its loop, once a second (ten jobs a second; seen
    2026-11-28). With this it is compared at its best."""
    get_event_loop().call_repeatedly(0.005, lambda: None)


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        for _ in range(int(os.environ["JOBS"])):
            noop.apply_async()
    else:
        options = ["--pool=solo", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
        app.worker_main(["worker", *options])
