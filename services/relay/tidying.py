"""Removes what tells of the past and has told it: rows of workers that have been silent for long."""

from sqlalchemy.engine import Engine

from services.relay import metrics
from shared.jobs import workers

EVERY_S = 300.0
"""Pause between two looks: there is little, and nobody waits for it to go."""
_KEEP_WORKERS_S = 86_400.0
"""An operator who comes in the morning sees the workers that died at night."""


class Tidying:
    """Any number of relays may tidy beside each other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run_once(self) -> int:
        """Remove what is old. Returns 0, so that the loop keeps its pace."""
        with self._engine.connect() as conn:
            gone = workers.forget(conn, keep_s=_KEEP_WORKERS_S)
        metrics.RETIRED.labels("worker").inc(gone)
        return 0
