"""The answer to a scrape."""

import os

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from shared.runtime.metrics.slots import MULTIPROCESS_DIR

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition() -> bytes:
    """Return everything counted by this process, or by all the processes that share PROMETHEUS_MULTIPROC_DIR."""
    if MULTIPROCESS_DIR not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
