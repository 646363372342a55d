"""The worker announces itself, its catalog and its condition in a row that the console, the API and the gauges read."""

import contextlib
import hashlib
import time
from collections.abc import Mapping

from sqlalchemy.exc import SQLAlchemyError

from services.worker.assembly import Parts
from services.worker.in_flight import InFlight
from shared.catalog.model import ReportType
from shared.errors import TodokeError
from shared.jobs import gates, workers

TICK_S = 1.0
"""Seconds between two checks. The database is asked only when something has changed or a beat is due."""


class PresenceBeat:
    """Writes one statement per `workers.BEAT_S`, and one at once when the worker becomes unfit, recovers, or its
    catalog changes.
    """

    def __init__(self, parts: Parts, in_flight: InFlight) -> None:
        self._engine = parts.engine
        self._name = parts.name
        self._catalog = parts.catalog
        self._fitness = parts.fitness
        self._in_flight = in_flight
        self._types: Mapping[str, ReportType] = {}
        self._digest = ""
        self._sources: Mapping[str, str] = {}
        self._told_sources: Mapping[str, str] = {}
        self._told: tuple[str, str | None] | None = None
        """Digest and cause as the last beat wrote them; None before the first."""
        self._beat_at = 0.0

    def run_once(self) -> int:
        """Write a beat if one is due. Returns 0, so that the loop keeps its pace. Raises the database's errors."""
        now, about = time.monotonic(), (self._digest_of_today(), self._fitness.cause)
        if self._told is not None and about == self._told and now < self._beat_at:
            return 0
        presence = workers.Presence(
            self._name, about[0], sorted(self._types), self._in_flight.slots, self._in_flight.working, about[1]
        )
        with self._engine.connect() as conn:
            if self._sources != self._told_sources:
                gates.tell_sources(conn, self._sources)
                self._told_sources = self._sources
            workers.beat(conn, presence, new=self._told is None)
        self._told, self._beat_at = about, now + workers.BEAT_S
        return 0

    def leave(self) -> None:
        """Remove the row. If that fails, the worker will be found to be silent."""
        if self._told is None:
            return
        with contextlib.suppress(SQLAlchemyError, TodokeError), self._engine.connect() as conn:
            workers.leave(conn, self._name)

    def _digest_of_today(self) -> str:
        types = self._catalog.types
        if types is not self._types:  # a catalog that is read again is another mapping object
            versions = sorted((name, report.version) for name, report in types.items())
            self._digest = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
            self._sources = {name: report.source for name, report in types.items()}
            self._types = types
        return self._digest
