"""`python -m services.relay` publishes and sweeps; `python -m services.relay setup-queues` makes the queues."""

import argparse
import logging
import os
import sys
import threading

from services.relay import setup_queues
from services.relay.gauges import Gauges
from services.relay.publisher import Publisher
from services.relay.retention import Retention
from services.relay.settings import RelaySettings
from services.relay.sweeper import Sweeper
from shared import database, logs, tracing
from shared.artifacts.open import open_store
from shared.errors import TodokeError
from shared.garbage import search_seldom
from shared.metrics.common import observe_statement
from shared.metrics.queue import count_queue_request
from shared.ops import OpsServer
from shared.queues.sqs import SqsQueue
from shared.startup import wait_for
from shared.stopping import run_until, stop_on_signals

log = logging.getLogger("services.relay")

_GAUGES_EVERY_S = 5.0
"""How often the database-wide gauges are read: a few milliseconds of one connection."""

_RETENTION_EVERY_S = 1.0
"""Pause between looks at the next thousand rows of each table: some milliseconds, and ten million rows in 3 hours."""
_RETENTION_REST_S = 5.0
_TIDY_REST_S = 2.0
"""An idle relay has looked at everything: its pauses are what keeps it below a hundredth of a core."""
_DAY_S = 86_400


def main() -> int:
    """Run the command. Returns the exit code: 0 after a clean stop, 1 when something it needs is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m services.relay",
        description="Publish the outbox to SQS and sweep silent jobs, until SIGTERM. Settings: environment.",
    )
    commands = parser.add_subparsers(dest="command")
    setup_queues.add_arguments(
        commands.add_parser("setup-queues", help="make the queue and its dead-letter queue, or bring them up to date")
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "setup-queues":
            return setup_queues.run(arguments)
        return serve(RelaySettings.from_environment(os.environ))
    except TodokeError as error:
        print(f"relay: {error}", file=sys.stderr)  # noqa: T201 - before or after logging is of use
        return 1


def serve(settings: RelaySettings) -> int:
    """Publish and sweep until told to stop."""
    logs.configure("relay", settings.log_level)
    tracing.configure("relay")
    stop = stop_on_signals()
    url, pooled = settings.database_url.get_secret_value(), settings.through_pooler
    # Two doors: claims may be forgotten in a crash (synchronous_commit off), transitions never.
    publishing = database.create_engine(
        url, application_name="todoke-relay-publisher", pool_size=1, through_pooler=pooled
    )
    sweeping = database.create_engine(url, application_name="todoke-relay-sweeper", pool_size=2, through_pooler=pooled)
    retiring = database.create_engine(
        url, application_name="todoke-relay-retention", pool_size=1, through_pooler=pooled
    )
    for engine in (publishing, sweeping, retiring):
        database.measure_statements(engine, observe_statement)
    queue = SqsQueue(
        settings.sqs_queue_url,
        region=settings.aws_region,
        dead_letter_url=settings.sqs_dlq_url,
        client=settings.sqs_client,
        concurrency=settings.send_concurrency,
        on_request=count_queue_request,
    )
    publisher = Publisher(publishing, queue, batch=settings.batch, send_deadline_s=settings.send_deadline_s)
    sweeper = Sweeper(
        sweeping,
        queue,
        settled_floor=lambda: publisher.settled_floor,
        ring_after_s=settings.ring_after_s,
        list_after_s=settings.list_after_s,
        tidy_rest_s=_TIDY_REST_S,
    )
    store = open_store(settings.artifact_url, region=settings.aws_region)
    retention = Retention(retiring, store, keep_keys_s=settings.keep_keys_days * _DAY_S, rest_s=_RETENTION_REST_S)
    checks = {"database": lambda: database.check(sweeping), "queue": queue.check}
    ops = OpsServer(settings.metrics_host, settings.metrics_port, checks)
    for what, check in checks.items():
        wait_for(what, check, stop=stop, timeout_s=settings.startup_timeout_s)
    search_seldom()
    log.info("relay.ready", extra={"metrics_port": ops.port})
    gauges = Gauges(
        sweeping,
        queue,
        settled_floor=lambda: publisher.settled_floor,
        unfinished_floor=lambda: sweeper.unfinished_floor,
        late_after_s=settings.late_after_s,
    )
    loops = [("sweeper", sweeper.run_once, settings.sweep_every_s), ("gauges", gauges.run_once, _GAUGES_EVERY_S)]
    if settings.retention == "on":
        loops.append(("retention", retention.run_once, _RETENTION_EVERY_S))
    else:
        log.warning("retention.off", extra={"hint": "RELAY_RETENTION=off: no file, job or key is removed"})
    beside = [
        threading.Thread(target=run_until, args=(stop, run_once), kwargs={"idle_s": idle_s}, name=name)
        for name, run_once, idle_s in loops
    ]
    for thread in beside:
        thread.start()
    run_until(stop, publisher.run_once, idle_s=settings.idle_s, busy_s=0.005)
    for thread in beside:
        thread.join()
    tracing.close()
    ops.close()
    log.info("relay.stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
