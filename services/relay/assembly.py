"""The relay's parts, put together once from its settings."""

import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Engine

from services.relay.bulk import BulkActions
from services.relay.dead_letters import EVERY_S as DEAD_LETTERS_EVERY_S
from services.relay.dead_letters import DeadLetterLooks
from services.relay.erasures import Erasures
from services.relay.gauges import Gauges
from services.relay.orphans import OrphanSweep
from services.relay.publisher import Publisher
from services.relay.retention import Retention
from services.relay.schedules import Schedules
from services.relay.settings import RelaySettings
from services.relay.sinks import QueueSink, Sinks
from services.relay.sweeper import Sweeper
from services.relay.tidying import EVERY_S as TIDY_EVERY_S
from services.relay.tidying import Tidying
from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.statements import measure_statements
from shared.jobs import doorbell
from shared.queues.dead_letters import DeadLetters
from shared.queues.sqs import SqsQueue
from shared.runtime.loop import run_until
from shared.runtime.metrics.common import observe_statement
from shared.runtime.metrics.queue import count_queue_request
from shared.runtime.ops_server import Checks
from shared.webhooks.sending import DeliverySender

log = logging.getLogger(__name__)

_BUSY_S = 0.005
"""The publisher's first pause after a pass that sent something."""
_GAUGES_EVERY_S = 5.0
"""Pause between readings of the database-wide gauges: a few milliseconds of one connection."""
_RETENTION_EVERY_S = 1.0
"""Pause between passes over the next thousand rows of each table: some milliseconds each, and ten million rows in 3
hours."""
_RETENTION_REST_S = 5.0
_TIDY_REST_S = 2.0
"""The longer pause of an idle relay, which has looked at everything: these two passes were nearly half of all its
queries."""
_ORPHANS_EVERY_S = 10.0
"""Pause between pages of the store: ten million files in 28 hours, for four cents per day on S3."""
_ERASURES_EVERY_S = 2.0
"""Pause between looks for jobs that clients have deleted; the files of such a job wait this long at most."""
_BULK_EVERY_S = 1.0
"""Pause between looks for bulk actions while none is due: how long a new one may wait for its first jobs."""
_SCHEDULES_EVERY_S = 1.0
"""Pause between looks for schedules that are due. Schedules are precise to the minute."""
_WEBHOOKS_EVERY_S = 0.5
"""Pause between looks for events and deliveries of webhooks, while there are none."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Loop:
    """One pass, and how often it is made."""

    name: str
    run_once: Callable[[], int]
    idle_s: float
    busy_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Relay:
    """All loops of one relay, and what they need."""

    checks: Checks
    publisher: Loop
    beside: Sequence[Loop]
    """Each of these loops runs in a thread of its own."""

    def run(self, stop: threading.Event) -> None:
        """Publish in this thread, with the other loops beside it, until `stop` is set. Each loop finishes its pass."""
        threads = [threading.Thread(target=_repeat, args=(loop, stop), name=loop.name) for loop in self.beside]
        for thread in threads:
            thread.start()
        _repeat(self.publisher, stop)
        for thread in threads:
            thread.join()


def _repeat(loop: Loop, stop: threading.Event) -> None:
    run_until(stop, loop.run_once, idle_s=loop.idle_s, busy_s=loop.busy_s)


def assemble(settings: RelaySettings, *, follow_catalog: bool = False) -> Relay:
    """Return everything that `settings` ask for. Connects to nothing yet.

    With `follow_catalog`, changes of the catalog's folder are taken up from now on; call it from the main thread then.
    """
    # Two engines: a crash may undo claims (synchronous_commit off), but never transitions.
    publishing = _engine(settings, "publisher")
    sweeping = _engine(settings, "sweeper", pool_size=3)
    queue = _queue(settings)
    sinks = Sinks({doorbell.TOPIC: QueueSink(queue, deadline_s=settings.send_deadline_s)})
    publisher = Publisher(publishing, sinks, batch=settings.batch, ahead=settings.ahead)
    sweeper = Sweeper(
        sweeping, queue, settings, settled_floor=lambda: publisher.settled_floor, tidy_rest_s=_TIDY_REST_S
    )
    gauges = Gauges(
        sweeping,
        queue,
        settled_floor=lambda: publisher.settled_floor,
        unfinished_floor=lambda: sweeper.unfinished_floor,
        late_after_s=settings.late_after_s,
    )
    return Relay(
        checks={"database": lambda: check_database(sweeping), "queue": queue.check, "sending": publisher.check},
        publisher=Loop("publisher", publisher.run_once, settings.idle_s, _BUSY_S),
        beside=[
            Loop("sweeper", sweeper.run_once, settings.sweep_every_s),
            Loop("gauges", gauges.run_once, _GAUGES_EVERY_S),
            _dead_letters(settings, queue),
            Loop("bulk", BulkActions(sweeping, pause_s=settings.bulk_pause_s).run_once, _BULK_EVERY_S),
            Loop("schedules", _schedules(settings, follow_catalog=follow_catalog).run_once, _SCHEDULES_EVERY_S),
            Loop("webhooks", _webhooks(settings).run_once, _WEBHOOKS_EVERY_S),
            *_retention(settings),
        ],
    )


def _dead_letters(settings: RelaySettings, queue: SqsQueue) -> Loop:
    """This loop has a connection of its own, because a look may wait for the queue, and no other loop should wait for
    it.
    """

    def opened() -> DeadLetters:
        url, dead = settings.sqs_queue_url, settings.sqs_dlq_url
        return DeadLetters(url, region=settings.aws_region, dead_letter_url=dead)

    looks = DeadLetterLooks(_engine(settings, "dead-letters"), queue, opened)
    return Loop("dead letters", looks.run_once, DEAD_LETTERS_EVERY_S)


def _schedules(settings: RelaySettings, *, follow_catalog: bool) -> Schedules:
    catalog = LiveCatalog(settings.catalog_path or BUILTIN)
    if follow_catalog:
        catalog.follow()
    return Schedules(_engine(settings, "schedules"), catalog, ring_after_s=settings.ring_after_s)


def _webhooks(settings: RelaySettings) -> Webhooks:
    authorities = settings.webhook_ca_file or ssl.get_default_verify_paths().cafile
    sender = DeliverySender(settings.egress, certificates=None if authorities is None else str(authorities))
    return Webhooks(_engine(settings, "webhooks"), sender, SecretKeys(settings.secrets_key_file))


def _retention(settings: RelaySettings) -> Sequence[Loop]:
    """Return the loops that remove expired data; where RELAY_RETENTION is off, only the loop that counts files."""
    store = open_store(settings.artifact_url, region=settings.aws_region, s3_without=settings.s3_without)
    # Usually the loops take turns on one connection. While one waits for the store, the other opens the second.
    engine = _engine(settings, "retention", pool_size=2)
    if settings.retention == "off":
        log.warning("retention.off", extra={"hint": "RELAY_RETENTION=off: no file, job or key is removed"})
        return [Loop("orphans", OrphanSweep(engine, store, removes=False).run_once, _ORPHANS_EVERY_S)]
    retention = Retention(
        engine,
        store,
        keep_keys_s=settings.keep_keys_days * _DAY_S,
        keep_audit_s=settings.keep_audit_days * _DAY_S,
        rest_s=_RETENTION_REST_S,
    )
    orphans = OrphanSweep(engine, store)
    erasures = Erasures(engine, store)
    return [
        Loop("retention", retention.run_once, _RETENTION_EVERY_S),
        Loop("orphans", orphans.run_once, _ORPHANS_EVERY_S),
        Loop("tidying", Tidying(engine, keep_bulk_s=settings.keep_bulk_days * _DAY_S).run_once, TIDY_EVERY_S),
        Loop("erasures", erasures.run_once, _ERASURES_EVERY_S),
    ]


def _engine(settings: RelaySettings, name: str, *, pool_size: int = 1) -> Engine:
    engine = create_engine(
        settings.database_url_of_today,
        application_name=f"todoke-relay-{name}",
        pool_size=pool_size,
        through_pooler=settings.through_pooler,
    )
    measure_statements(engine, observe_statement)
    return engine


def _queue(settings: RelaySettings) -> SqsQueue:
    return SqsQueue(
        settings.sqs_queue_url,
        region=settings.aws_region,
        dead_letter_url=settings.sqs_dlq_url,
        client=settings.sqs_client,
        concurrency=settings.send_concurrency,
        groups=settings.groups == "on",
        on_request=count_queue_request,
    )
