"""The relay's parts put together, and how they stop."""

import logging
import threading

from sqlalchemy.engine import Engine

from services.relay.gauges import Gauges
from services.relay.publisher import Publisher
from services.relay.retention import Retention
from services.relay.settings import RelaySettings
from services.relay.sweeper import Sweeper
from shared.artifacts.open import open_store
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.statements import measure_statements
from shared.queues.sqs import SqsQueue
from shared.runtime.loop import run_until
from shared.runtime.metrics.common import observe_statement
from shared.runtime.metrics.queue import count_queue_request
from shared.runtime.ops_server import Checks

log = logging.getLogger(__name__)

_GAUGES_EVERY_S = 5.0
"""How often the database-wide gauges are read: a few milliseconds of one connection."""

_RETENTION_EVERY_S = 1.0
"""Pause between looks at the next thousand rows of each table: some milliseconds, and ten million rows in 3 hours."""
_RETENTION_REST_S = 5.0
_TIDY_REST_S = 2.0
"""Seconds. An idle relay has looked at everything, and these looks were nearly half of all that it asked."""
_DAY_S = 86_400


class Relay:
    """Publisher, sweeper, gauges and retention, each in a loop of its own."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        # Two doors: claims may be forgotten in a crash (synchronous_commit off), transitions never.
        publishing = self._engine("publisher")
        sweeping = self._engine("sweeper", pool_size=2)
        queue = SqsQueue(
            settings.sqs_queue_url,
            region=settings.aws_region,
            dead_letter_url=settings.sqs_dlq_url,
            client=settings.sqs_client,
            concurrency=settings.send_concurrency,
            on_request=count_queue_request,
        )
        self.checks: Checks = {
            "database": lambda: check_database(sweeping),
            "queue": queue.check,
        }
        """What it needs."""
        publisher = Publisher(publishing, queue, batch=settings.batch, send_deadline_s=settings.send_deadline_s)
        sweeper = Sweeper(
            sweeping,
            queue,
            settled_floor=lambda: publisher.settled_floor,
            ring_after_s=settings.ring_after_s,
            list_after_s=settings.list_after_s,
            tidy_rest_s=_TIDY_REST_S,
        )
        gauges = Gauges(
            sweeping,
            queue,
            settled_floor=lambda: publisher.settled_floor,
            unfinished_floor=lambda: sweeper.unfinished_floor,
            late_after_s=settings.late_after_s,
        )
        self._publish = publisher.run_once
        self._beside = [
            ("sweeper", sweeper.run_once, settings.sweep_every_s),
            ("gauges", gauges.run_once, _GAUGES_EVERY_S),
        ]
        if settings.retention == "on":
            self._beside.append(("retention", self._retention().run_once, _RETENTION_EVERY_S))

    def run(self, stop: threading.Event) -> None:
        """Publish and sweep until `stop` is set; each loop ends its pass."""
        if self._settings.retention == "off":
            log.warning("retention.off", extra={"hint": "RELAY_RETENTION=off: no file, job or key is removed"})
        threads = [
            threading.Thread(target=run_until, args=(stop, run_once), kwargs={"idle_s": idle_s}, name=name)
            for name, run_once, idle_s in self._beside
        ]
        for thread in threads:
            thread.start()
        run_until(stop, self._publish, idle_s=self._settings.idle_s, busy_s=0.005)
        for thread in threads:
            thread.join()

    def _engine(self, name: str, *, pool_size: int = 1) -> Engine:
        engine = create_engine(
            self._settings.database_url.get_secret_value(),
            application_name=f"todoke-relay-{name}",
            pool_size=pool_size,
            through_pooler=self._settings.through_pooler,
        )
        measure_statements(engine, observe_statement)
        return engine

    def _retention(self) -> Retention:
        store = open_store(self._settings.artifact_url, region=self._settings.aws_region)
        keep_keys_s = self._settings.keep_keys_days * _DAY_S
        return Retention(self._engine("retention"), store, keep_keys_s=keep_keys_s, rest_s=_RETENTION_REST_S)
