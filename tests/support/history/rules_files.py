"""Rules about files: what is visible is complete, verified, and the winner's."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from shared.jobs.artifacts import BESIDE
from shared.jobs.states import JobStatus
from tests.support.history.facts import ArtifactRow, History, StoredFile
from tests.support.history.rules_jobs import Finding

Key = tuple[UUID, UUID, str]


def success_is_a_file(history: History) -> Iterator[Finding]:
    """SUCCESS if and only if there are files, one for each requested format."""
    formats: dict[UUID, set[str]] = defaultdict(set)
    for artifact in history.artifacts:
        formats[artifact.job_id].add(artifact.format)
    for job in history.jobs:
        found = formats.get(job.id, set())
        if job.status is JobStatus.SUCCESS:
            missing = set(job.formats) - found
            yield f"{job.id} is SUCCESS without {sorted(missing)}" if missing else None
        else:
            yield f"{job.id} is {job.status} and shows {sorted(found)}" if found else None


def files_are_the_winners(history: History) -> Iterator[Finding]:
    """Every visible file belongs to the attempt that won, and its bytes in the store match its row."""
    stored: dict[Key, StoredFile] = {(f.job_id, f.token, f.name): f for f in history.files}
    for artifact in history.artifacts:
        job = history.job.get(artifact.job_id)
        file = stored.get((artifact.job_id, artifact.token, artifact.name))
        if job is None or job.token != artifact.token:
            yield f"{artifact.job_id}/{artifact.name} belongs to {artifact.token}, which did not win"
        elif file is None:
            yield f"{artifact.job_id}/{artifact.name} is not in the store"
        else:
            same = (file.size_bytes, file.sha256) == (artifact.size_bytes, artifact.sha256)
            yield None if same else f"{artifact.job_id}/{artifact.name} holds other bytes than its row says"


def manifests_agree(history: History) -> Iterator[Finding]:
    """A job's manifest lists its files with the digests, sizes and rows in the table."""
    visible: dict[tuple[UUID, UUID], list[ArtifactRow]] = defaultdict(list)
    for artifact in history.artifacts:
        visible[artifact.job_id, artifact.token].append(artifact)
    for file in history.files:
        rows = visible.get((file.job_id, file.token), [])
        if file.manifest is None or not rows:
            continue
        told = {(f["name"], f["sha256"], f["sizeBytes"], f["rows"]) for f in _files(file.manifest)}
        have = {(r.name, r.sha256, r.size_bytes, r.rows) for r in rows if r.format not in BESIDE}
        yield None if told == have else f"{file.job_id}: the manifest and the table differ in {sorted(told ^ have)}"


def no_file_without_an_attempt(history: History) -> Iterator[Finding]:
    """Each object of the store was made under a token that was issued for that job and that tenant."""
    given = {(e.job_id, e.token) for e in history.events}
    for file in history.files:
        job = history.job.get(file.job_id)
        own = job is not None and job.tenant == file.tenant and (file.job_id, file.token) in given
        yield None if own else f"{file.tenant}/{file.job_id}/{file.token}/{file.name} belongs to no attempt"


def downloads_are_the_files(history: History) -> Iterator[Finding]:
    """A client receives exactly the files that the table names."""
    sums = {(a.job_id, a.name): a.sha256 for a in history.artifacts}
    for got in history.downloaded:
        same = sums.get((got.job_id, got.name)) == got.sha256
        yield None if same else f"{got.job_id}/{got.name} was downloaded with other bytes"


def _files(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = manifest["manifest"]["files"]
    return files
