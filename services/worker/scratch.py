"""The scratch folder: what this worker's attempts write, and what dead workers and ended jobs left behind."""

import contextlib
import logging
import os
import shutil
import tempfile
import threading
from pathlib import Path

from sqlalchemy.engine import Engine

from services.worker import metrics
from services.worker.extract_cache import ExtractCache
from shared.jobs.ended import ended
from shared.runtime.own_folder import OwnFolder, remove_abandoned

log = logging.getLogger(__name__)

_PREFIX = "todoke-worker-"
TIDY_EVERY_S = 60.0
"""Seconds between two cleanings. Each costs one statement, or none while no extract is kept."""


class Scratch:
    """One folder per worker below the scratch folder, with one folder per attempt in it.

    Safe to use from several threads.
    """

    def __init__(self, root: Path, engine: Engine) -> None:
        self._root = root
        self._engine = engine
        self._own = OwnFolder(root, _PREFIX)
        self._renewing = threading.Lock()
        self.extracts = ExtractCache(root)

    def attempt_folder(self) -> "tempfile.TemporaryDirectory[str]":
        """Return an empty folder that is removed at the end of its `with` block.

        Raises OSError if it cannot be made.
        """
        with self._renewing:
            if not self._own.path.is_dir():
                # The scratch folder was emptied, or another one was mounted over it.
                self._own.close()
                self._own = OwnFolder(self._root, _PREFIX)
        return tempfile.TemporaryDirectory(prefix="todoke-", dir=self._own.path, ignore_cleanup_errors=True)

    def run_once(self) -> int:
        """Remove what will not be used again, and measure the rest. Returns 0: the loop waits for its next turn.

        Runs at the start and from time to time, because a worker that was killed may have no successor of its own.
        """
        for folder in remove_abandoned(self._root, _PREFIX):
            metrics.SCRATCH_REMOVED.labels("abandoned").inc()
            log.info("scratch.removed", extra={"folder": folder.name, "reason": "its worker is dead"})
        self._measure()
        if kept := self.extracts.job_ids():
            with self._engine.connect() as conn:
                known = ended(conn, kept)
            for job_id in kept:
                if not known.get(job_id, self.extracts.is_forgotten(job_id)):
                    continue
                self.extracts.drop(job_id)
                metrics.SCRATCH_REMOVED.labels("extract").inc()
                log.info("scratch.removed", extra={"job_id": job_id, "reason": "the job has ended elsewhere"})
        return 0

    def close(self) -> None:
        """Remove this worker's own folder."""
        self._own.close()

    def _measure(self) -> None:
        metrics.SCRATCH_BYTES.labels("attempts").set(_bytes_below(self._own.path))
        metrics.SCRATCH_BYTES.labels("extracts").set(_bytes_below(self.extracts.root))
        with contextlib.suppress(OSError):
            metrics.SCRATCH_FREE_BYTES.set(shutil.disk_usage(self._root).free)


def _bytes_below(folder: Path) -> int:
    """Return the disk space used below `folder`: a file being written may have holes.

    A file that vanishes meanwhile counts as 0.
    """
    blocks = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                blocks += os.lstat(os.path.join(above, name)).st_blocks  # noqa: PTH118 - a path each would be slow
    return blocks * 512
