"""dramatiq over SQS (dramatiq-sqs): one process, eight threads (its default), without the Prometheus middleware."""

import logging
import os
import sys
import time

import dramatiq
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications, TimeLimit
from dramatiq_sqs import SQSBroker

from clock import Clock

clock = Clock()
middleware = [AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Retries()]
broker = SQSBroker(namespace=os.environ["NAMESPACE"], middleware=middleware, region_name=os.environ["AWS_REGION"])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    clock.tick()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    if sys.argv[1] == "submit":
        for _ in range(int(os.environ["JOBS"])):
            noop.send()
    else:
        dramatiq.Worker(broker, worker_threads=8).start()
        while True:
            time.sleep(60)
