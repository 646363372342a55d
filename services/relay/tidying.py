"""Removes what tells of the past and has told it: workers that are silent for long, and history minute by minute."""

from sqlalchemy.engine import Engine

from services.relay import metrics
from shared.jobs import rollups, workers

EVERY_S = 300.0
"""Pause between two looks: there is little, and nobody waits for it to go."""
_KEEP_WORKERS_S = 86_400.0
"""An operator who comes in the morning sees the workers that died at night."""
_FOLD = 2_000
"""Minutes that one statement makes hours of."""


class Tidying:
    """Any number of relays may tidy beside each other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run_once(self) -> int:
        """Remove what is old. Returns 0, so that the loop keeps its pace."""
        with self._engine.connect() as conn:
            gone = workers.forget(conn, keep_s=_KEEP_WORKERS_S)
            while rollups.fold(conn, most=_FOLD) == _FOLD:
                pass
            hours = rollups.forget(conn)
        metrics.RETIRED.labels("worker").inc(gone)
        metrics.RETIRED.labels("history").inc(hours)
        return 0
