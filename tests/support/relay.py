"""The relay's parts for tests, put together as its assembly does."""

from typing import Any

from sqlalchemy.engine import Engine

from services.relay.gauges import Gauges
from services.relay.publisher import Publisher
from services.relay.settings import RelaySettings
from services.relay.sinks import QueueSink, Sink, Sinks
from services.relay.sweeper import Sweeper
from shared.jobs import doorbell
from shared.jobs.walk import START
from shared.queues.interface import Queue

_NEEDED = {
    "DATABASE_URL": "postgresql://not-used",
    "SQS_QUEUE_URL": "http://not-used",
    "AWS_REGION": "not-used",
}


def relay_settings(**environment: object) -> RelaySettings:
    """Return default settings, except for these variables."""
    return RelaySettings.from_environment({**_NEEDED, **{name: str(value) for name, value in environment.items()}})


def a_publisher(
    engine: Engine, queue: Queue, *, batch: int | None = None, ahead: int = 100_000, **sinks: Sink
) -> Publisher:
    """Return a publisher whose doorbells go to `queue`, and messages of other topics to the sinks of those names.

    It treats a backlog as a flood only above `ahead`.
    """
    settings = relay_settings()
    ringing = QueueSink(queue, deadline_s=settings.send_deadline_s)
    return Publisher(engine, Sinks({doorbell.TOPIC: ringing, **sinks}), batch=batch or settings.batch, ahead=ahead)


def a_sweeper(engine: Engine, queue: Queue, *, tidy_rest_s: float = 0.0, **environment: Any) -> Sweeper:
    """Return a sweeper that considers nothing in the outbox settled, and spares no lease unless
    RELAY_SPARE_S says so.
    """
    settings = relay_settings(**{"RELAY_SPARE_S": 0, **environment})
    return Sweeper(engine, queue, settings, settled_floor=lambda: 0, tidy_rest_s=tidy_rest_s)


def the_gauges(engine: Engine, queue: Queue) -> Gauges:
    """Return gauges that consider nothing settled or finished."""
    late_after_s = relay_settings().late_after_s
    return Gauges(engine, queue, settled_floor=lambda: 0, unfinished_floor=lambda: START, late_after_s=late_after_s)
