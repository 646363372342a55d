"""The extract cache lets the next attempt of a job on this worker start from the extract of the one before."""

import shutil
import time
from pathlib import Path
from uuid import UUID

_FORGOTTEN_S = 6 * 3600.0
"""A retry comes sooner, since its back-off is minutes. An older extract belongs to a job that another worker ended."""


class ExtractCache:
    """Keeps one folder per job below the worker's scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self._root = scratch / "todoke-extracts"

    def folder(self, job_id: UUID) -> Path:
        """The folder where the attempts of this job leave their extract. It may not exist yet."""
        return self._root / str(job_id)

    def drop(self, job_id: UUID) -> None:
        """Remove the job's extract: it has ended, or may not be tried again."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def drop_forgotten(self) -> None:
        """Remove the extracts that no attempt has come back for."""
        for folder in self._root.glob("*"):
            try:
                forgotten = folder.stat().st_mtime < time.time() - _FORGOTTEN_S
            except OSError:
                continue
            if forgotten:
                shutil.rmtree(folder, ignore_errors=True)
