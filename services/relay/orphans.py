"""Removes files of lost attempts, which no row names and none ever will. Counts the files that no job explains."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy.engine import Engine

from services.relay import metrics
from services.relay.stored_files import delete_files
from shared.artifacts.interface import LIST_PAGE, ArtifactStore, ArtifactStoreUnavailable, StoredObject, parse_key
from shared.jobs import measurements, retention
from shared.jobs.measurements import Subject
from shared.jobs.retention import StoredFile

log = logging.getLogger(__name__)

_ORPHAN_AGE_S = 24 * 3600
_ROUND_EVERY_S = 3600.0
"""A walk over the store begins this long after the end of the previous one, at the earliest."""


class OrphanSweep:
    """One relay's slow walk over the store itself, which finds files that no row names.

    It is a loop of its own and not part of retention, because a listing may take seconds and is needed ten times less
    often.
    """

    def __init__(self, engine: Engine, store: ArtifactStore, *, removes: bool = True) -> None:
        """With `removes` false it only counts: after a restore, an operator wants to see the numbers before anything is
        removed.
        """
        self._engine = engine
        self._store = store
        self._removes = removes
        # The numbers are unknown until the first walk has ended. 0 would claim that all is well.
        metrics.UNKNOWN_FILES.set(math.nan)
        metrics.STORED_BYTES.set(math.nan)
        self._listing: Iterator[StoredObject] | None = None
        self._unknown = 0
        self._files = self._bytes = 0
        self._rest_until = 0.0

    def run_once(self) -> int:
        """Look at one page of the store. Returns 0, so that the loop keeps its pace. Raises the database's errors."""
        if time.monotonic() < self._rest_until:
            return 0
        try:
            if self._listing is None:
                if self._removes:
                    self._advise()
                self._listing, self._unknown = self._store.list("reports/"), 0
                self._files = self._bytes = 0
            page = list(islice(self._listing, LIST_PAGE))
        except ArtifactStoreUnavailable as error:
            self._listing = None
            log.warning("retention.store_away", extra={"reason": str(error)})
            return 0
        if len(page) < LIST_PAGE:
            self._listing = None
            self._rest_until = time.monotonic() + _ROUND_EVERY_S
        self._sweep(page)
        return 0

    def _advise(self) -> None:
        """Log, once per round, which files stay in the store although they were removed."""
        for advice in self._store.advice_on_deleting():
            log.warning("artifact_store.advice", extra={"advice": advice})

    def _sweep(self, page: Sequence[StoredObject]) -> None:
        parsed = [parse_key(one.key) for one in page]
        files = [StoredFile(*parts) for parts in parsed if parts is not None]
        self._files += len(page)
        self._bytes += sum(one.size_bytes for one in page)
        with self._engine.connect() as conn:
            strays = retention.strays(conn, files)
            if self._listing is None:
                measurements.write(conn, Subject.STORE, {"files": self._files, "bytes": self._bytes})
        if self._removes:
            before = time.time() - _ORPHAN_AGE_S
            old = {parts for one, parts in zip(page, parsed, strict=True) if one.modified_at.timestamp() < before}
            self._remove([f for f in strays.orphans if (f.tenant, f.job_id, f.lease_token, f.name) in old])
        self._unknown += strays.unknown + sum(parts is None for parts in parsed)
        if self._listing is None:
            metrics.UNKNOWN_FILES.set(self._unknown)
            metrics.STORED_BYTES.set(self._bytes)

    def _remove(self, orphans: Sequence[StoredFile]) -> None:
        gone = delete_files(self._store, orphans)
        metrics.RETIRED.labels("orphan").inc(len(gone))
        for file in gone:
            log.info("artifact.orphan_removed", extra={"job_id": file.job_id, "lease_token": file.lease_token})
