"""The extract cache lets the next attempt of a job on this worker start from the extract of the one before."""

import contextlib
import shutil
import time
from pathlib import Path
from uuid import UUID

_FORGOTTEN_S = 86_400.0


class ExtractCache:
    """Keeps one folder per job below the worker's scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self.root = scratch / "todoke-extracts"

    def folder(self, job_id: UUID) -> Path:
        """The folder where the attempts of this job leave their extract. It may not exist yet."""
        return self.root / str(job_id)

    def drop(self, job_id: UUID) -> None:
        """Remove the job's extract, because the job has ended or may not be tried again."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def is_forgotten(self, job_id: UUID) -> bool:
        """True if nothing was written in the job's folder for a day.

        A job that this worker's database does not know may belong to another database whose worker shares the scratch
        folder, which is /tmp unless the settings name another.
        """
        with contextlib.suppress(OSError):
            return time.time() - self.folder(job_id).stat().st_mtime > _FORGOTTEN_S
        return False

    def job_ids(self) -> list[UUID]:
        """Return the jobs whose extracts are kept."""
        found = []
        for folder in self.root.glob("*"):
            with contextlib.suppress(ValueError):
                found.append(UUID(folder.name))
        return found
