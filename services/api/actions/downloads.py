"""Find the file that a client downloads."""

from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api.actions import jobs
from services.api.actions.errors import (
    ArtifactExpired,
    ArtifactGone,
    ArtifactStoreAway,
    NotReady,
    UnknownArtifact,
)
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable, LocalFile, SignedUrl, artifact_key
from shared.jobs.artifacts import Artifact
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from shared.suggest import did_you_mean


class Download(NamedTuple):
    """A file, and where it can be had."""

    artifact: Artifact
    place: LocalFile | SignedUrl


async def locate(parts: Parts, principal: Principal, job_id: UUID, name: str) -> Download:
    """The job's file of that name.

    Raises UnknownJob, NotReady, ArtifactExpired, UnknownArtifact, ArtifactGone and ArtifactStoreAway.
    """
    found = await jobs.get(parts, principal, job_id)
    artifacts = {a.name: a for a in found.artifacts}
    if found.job.status is not JobStatus.SUCCESS or found.job.lease_token is None:
        raise NotReady(found.job.status)
    if found.job.expired or not artifacts:  # or expired since: a success always has files
        raise ArtifactExpired(found.job.expires_at)
    artifact = artifacts.get(name)
    if artifact is None:
        raise UnknownArtifact(f"The job has no file {name[:60]!r}{did_you_mean(name, artifacts)}")
    key = artifact_key(found.job.tenant, job_id, found.job.lease_token, artifact.name)
    return Download(artifact, await to_thread.run_sync(_place, parts, found.job, artifact, key))


def _place(parts: Parts, job: Job, artifact: Artifact, key: str) -> LocalFile | SignedUrl:
    try:
        place = parts.store.locate(
            key,
            download_name=artifact.name,
            media_type=artifact.media_type,
            # No link outlives what it leads to.
            expires_s=max(1, int(min(parts.settings.link_expires_s, job.files_left_s or 0))),
        )
    except ArtifactMissing:
        raise ArtifactGone("The file has been removed. Submit the report again.") from None
    except ArtifactStoreUnavailable:
        ARTIFACT_REQUESTS.labels("locate", "failed").inc()
        raise ArtifactStoreAway("Try again.") from None
    ARTIFACT_REQUESTS.labels("locate", "ok").inc()
    return place
