"""Why a job, or one of its files, cannot be returned or changed. Each message is written for the client."""

from datetime import datetime
from uuid import UUID

from shared.errors import TodokeError
from shared.jobs.states import JobStatus


class UnknownJob(TodokeError):
    """There is no such job, or it is another tenant's: the answer is the same."""

    def __init__(self, job_id: UUID | str) -> None:
        super().__init__(f"There is no job {str(job_id)[:60]!r}.")


class JobAlreadyEnded(TodokeError):
    """The job cannot be cancelled any more."""

    def __init__(self, status: JobStatus) -> None:
        super().__init__(f"The job has already ended in {status}.")


class NotEnded(TodokeError):
    """The job is unfinished, so it cannot be repeated yet."""

    def __init__(self, status: JobStatus) -> None:
        super().__init__(f"The job is {status}. Wait for its end, or cancel it, before you retry it.")


class JobDeleted(TodokeError):
    """A client has deleted the job."""

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"The job {job_id} and its files were deleted. Submit the report again if you need it.")


class NothingToKeep(TodokeError):
    """The files, or the job, are gone or about to be removed."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The job's files cannot be kept longer: {why}.")


class Unfinished(TodokeError):
    """The job is unfinished, so this cannot be done yet."""

    def __init__(self, remedy: str) -> None:
        super().__init__(f"The job has not ended: {remedy}.")


class NotReady(TodokeError):
    """The job has no files: it has not ended, or did not end in SUCCESS."""

    def __init__(self, status: JobStatus) -> None:
        super().__init__(f"The job is {status}. Only a job that ended in SUCCESS has files.")
        self.status = status


class ArtifactExpired(TodokeError):
    """The files have expired."""

    def __init__(self, expires_at: datetime | None) -> None:
        super().__init__(f"The job's files expired at {expires_at:%Y-%m-%d %H:%M:%SZ}. Submit the report again.")


class UnknownArtifact(TodokeError):
    """The job has no file of that name."""


class NoRows(TodokeError):
    """No rows are kept beside the job's files."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This job has no preview rows: {why}.")


class NoPicture(TodokeError):
    """No picture is kept beside the job's files."""

    def __init__(self, why: str) -> None:
        super().__init__(f"This job has no page picture: {why}.")


class ArtifactGone(TodokeError):
    """The file should exist, but does not."""


class ArtifactNotWhole(TodokeError):
    """The file exists, but is not what was stored."""


class ArtifactStoreAway(TodokeError):
    """The artifact store does not answer. Trying again may help."""
