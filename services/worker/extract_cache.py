"""Extracts that outlive an attempt: the next attempt of the same job on this worker need not ask the source again."""

import shutil
import time
from pathlib import Path
from uuid import UUID

_FORGOTTEN_S = 6 * 3600.0
"""A retry comes sooner (its back-off is minutes); what is older belongs to a job that another worker ended."""


class ExtractCache:
    """One folder a job, below the worker's scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self._root = scratch / "todoke-extracts"

    def folder(self, job_id: UUID) -> Path:
        """Where the attempts of this job leave their extract. It may not exist yet."""
        return self._root / str(job_id)

    def drop(self, job_id: UUID) -> None:
        """The job has ended, or has nothing left to try."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def drop_forgotten(self) -> None:
        """Remove what no attempt has come back for."""
        for folder in self._root.glob("*"):
            try:
                forgotten = folder.stat().st_mtime < time.time() - _FORGOTTEN_S
            except OSError:
                continue
            if forgotten:
                shutil.rmtree(folder, ignore_errors=True)
