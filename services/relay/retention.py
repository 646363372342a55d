"""Retention removes files, jobs, API keys, idempotency keys and audit entries that have expired.

A crash may follow any durable step. A file is removed before its row, so a row may outlive its file but a file never
outlives its row. Readers compare the expiry with the clock and see no difference. A job is removed after its files.
"""

import time

from sqlalchemy.engine import Engine

from services.relay import metrics
from services.relay.stored_files import delete_files
from shared.access import api_keys, audit_trail
from shared.artifacts.interface import ArtifactStore
from shared.database.engine import transactional
from shared.jobs import retention
from shared.jobs.walk import START

KEEP_AUDIT_S = 400 * 86_400.0
"""A year, and one more month in which somebody asks about it. Keys that the audit trail names stay as long after their
end."""
_LOOK = 1_000
"""Rows of each table that one pass looks at while none has expired."""
_TAKE = 25
"""The same while some have expired: what one commit removes. It suffices for 1,000 jobs per second, each with a file
and a key, and on S3 for 25 files per request. It is small enough that no submission waits for it."""
# `make bench-retention`: with 200, the slowest 1% of submissions waited half as long again.


class Retention:
    """One relay's walks over files, jobs and keys. Any number may run: SKIP LOCKED gives each its own rows."""

    def __init__(
        self,
        engine: Engine,
        store: ArtifactStore,
        *,
        keep_keys_s: float,
        keep_audit_s: float = KEEP_AUDIT_S,
        rest_s: float = 0.0,
    ) -> None:
        """`rest_s` is the pause after a pass over all the tables that found nothing to remove."""
        self._engine = engine
        self._store = store
        self._keep_keys_s = keep_keys_s
        self._keep_audit_s = keep_audit_s
        self._rest_s = rest_s
        self._rest_until = 0.0
        self._slice = _TAKE
        self._in_store_s = 0.0
        """How much of this pass was spent in the store: a request to S3 may take ten times as long as all of
        PostgreSQL's work."""
        self._artifacts_after = START
        self._jobs_after = START
        self._keys_after = START
        self._api_keys_after = ""

    def run_once(self) -> int:
        """Take one slice of each walk.

        Returns how much was removed; while there is more, the next pass follows at once.
        """
        began, self._in_store_s = time.monotonic(), 0.0
        if began < self._rest_until:
            return 0
        removed = self._expire_artifacts() + self._forget_jobs() + self._forget_keys() + self._forget_audit()
        removed += self._forget_api_keys()
        walked = self._artifacts_after == self._jobs_after == self._keys_after == START and not self._api_keys_after
        if not removed and walked:
            self._rest_until = began + self._rest_s
        self._slice = _TAKE if removed else _LOOK
        if removed:
            # Use at most a quarter of the database's time: there is no hurry, and submissions share its disk.
            time.sleep(min(1.0, 3 * (time.monotonic() - began - self._in_store_s)))
        return removed

    def _expire_artifacts(self) -> int:
        with transactional(self._engine).connect() as conn:
            expired = retention.expired(conn, after=self._artifacts_after, slice_size=self._slice)
            asked_at = time.monotonic()
            gone = delete_files(self._store, expired.files)
            self._in_store_s = time.monotonic() - asked_at
            if gone:
                retention.drop(conn, gone)
            conn.commit()
        self._artifacts_after = expired.next_after
        metrics.RETIRED.labels("artifact").inc(len(gone))
        return len(gone)

    def _forget_jobs(self) -> int:
        with self._engine.connect() as conn:
            forgotten = retention.forget_jobs(conn, after=self._jobs_after, slice_size=self._slice)
        self._jobs_after = forgotten.next_after
        metrics.RETIRED.labels("job").inc(forgotten.rows)
        return forgotten.rows

    def _forget_keys(self) -> int:
        with self._engine.connect() as conn:
            forgotten = retention.forget_keys(
                conn, after=self._keys_after, keep_s=self._keep_keys_s, slice_size=self._slice
            )
        self._keys_after = forgotten.next_after
        metrics.RETIRED.labels("idempotency_key").inc(forgotten.rows)
        return forgotten.rows

    def _forget_audit(self) -> int:
        with self._engine.connect() as conn:
            forgotten = audit_trail.forget_entries(conn, keep_s=self._keep_audit_s, slice_size=self._slice)
        metrics.RETIRED.labels("audit").inc(forgotten)
        return forgotten

    def _forget_api_keys(self) -> int:
        with self._engine.connect() as conn:
            forgotten = api_keys.forget(
                conn, keep_s=self._keep_audit_s, after=self._api_keys_after, slice_size=self._slice
            )
        self._api_keys_after = forgotten.next_after
        metrics.RETIRED.labels("api_key").inc(forgotten.rows)
        return forgotten.rows
