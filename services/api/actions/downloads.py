"""Find the file that a client downloads."""

import logging
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.api.actions import jobs
from services.api.actions.job_errors import (
    ArtifactExpired,
    ArtifactGone,
    ArtifactNotWhole,
    ArtifactStoreAway,
    NotReady,
    UnknownArtifact,
)
from services.api.actions.jobs import FoundJob
from services.api.actions.parts import Parts
from services.api.auth.principal import InsufficientScope, Principal
from services.api.store_threads import in_store_thread
from shared.artifacts.interface import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactStoreUnavailable,
    LocalFile,
    SignedUrl,
    artifact_key,
)
from shared.jobs.artifacts import PREVIEWS, Artifact
from shared.jobs.states import JobStatus
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from shared.suggest import did_you_mean

log = logging.getLogger(__name__)


class Download(NamedTuple):
    """A file, and where and until when it can be fetched. The receiver of a local file must close it."""

    artifact: Artifact
    place: LocalFile | SignedUrl
    until: datetime

    def close(self) -> None:
        """Close the file without sending it."""
        if not isinstance(self.place, SignedUrl):
            self.place.close()


class Stored(NamedTuple):
    """A file of a job, as the database describes it."""

    found: FoundJob
    artifact: Artifact
    key: str
    """Its key in the store."""


async def find(parts: Parts, principal: Principal, job_id: UUID, name: str) -> Stored:
    """Return the job's file of that name.

    Raises UnknownJob, JobDeleted, InsufficientScope, NotReady, ArtifactExpired and UnknownArtifact.
    """
    found = await jobs.get(parts, principal, job_id)
    return _file_of(found, name)


async def locate(parts: Parts, principal: Principal, job_id: UUID, name: str, *, link_s: int | None = None) -> Download:
    """Return the job's file of that name and where it can be fetched; a link of the store works for at most `link_s`
    seconds.

    Raises as `find` does, and ArtifactGone, ArtifactNotWhole and ArtifactStoreAway.
    """
    found, artifact, key = await find(parts, principal, job_id, name)
    # No link outlives its file.
    left_s = max(1, int(found.job.files_left_s or 0))
    expires_s = min(parts.settings.link_expires_s, link_s or left_s, left_s)
    place = await in_store_thread(_place, parts, artifact, key, expires_s)
    until = datetime.now(UTC) + timedelta(seconds=expires_s if isinstance(place, SignedUrl) else left_s)
    return Download(artifact, place, until)


def _file_of(found: FoundJob, name: str) -> Stored:
    if found.lacking:
        raise InsufficientScope(found.lacking[0])
    artifacts = {a.name: a for a in found.artifacts if a.format not in PREVIEWS}
    if found.job.status is not JobStatus.SUCCESS or found.job.lease_token is None:
        raise NotReady(found.job.status)
    if found.job.expired or not artifacts:  # It may have expired since. Otherwise a successful job has files.
        raise ArtifactExpired(found.job.expires_at)
    artifact = artifacts.get(name)
    if artifact is None:
        raise UnknownArtifact(f"The job has no file {name[:60]!r}{did_you_mean(name, artifacts)}")
    return Stored(found, artifact, artifact_key(found.job.tenant, found.job.id, found.job.lease_token, artifact.name))


def _place(parts: Parts, artifact: Artifact, key: str, expires_s: int) -> LocalFile | SignedUrl:
    """Find the file in the store, and count and log what is wrong with it.

    Raises ArtifactGone, ArtifactNotWhole and ArtifactStoreAway.
    """
    try:
        place = parts.store.locate(
            key,
            size_bytes=artifact.size_bytes,
            sha256=artifact.sha256,
            download_name=artifact.name,
            media_type=artifact.media_type,
            expires_s=expires_s,
        )
    except ArtifactMissing as error:
        log.warning("artifact.missing", extra={"reason": str(error)})
        raise ArtifactGone("The file has been removed. Submit the report again.") from None
    except ArtifactDamaged as error:
        ARTIFACT_REQUESTS.labels("locate", "damaged").inc()
        log.error("artifact.damaged", extra={"reason": str(error)})
        raise ArtifactNotWhole("The stored file was damaged. Submit the report again.") from None
    except ArtifactStoreUnavailable as error:
        log.warning("artifact.store_away", extra={"reason": str(error)})
        ARTIFACT_REQUESTS.labels("locate", "failed").inc()
        raise ArtifactStoreAway("The store of files does not answer as it should. Try again.") from None
    ARTIFACT_REQUESTS.labels("locate", "ok").inc()
    return place
