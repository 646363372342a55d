"""Storing puts the files of an attempt into the artifact store, under its lease token."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.worker import metrics
from services.worker.held import Held
from services.worker.previews import previews_in
from shared.artifacts.interface import ArtifactStore, ArtifactStoreUnavailable, artifact_key
from shared.jobs.artifacts import MANIFEST_FORMAT, Artifact
from shared.jobs.lease import StartedJob
from shared.reports import manifest
from shared.reports.interface import RenderCancelled, RenderedFile
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from shared.runtime.metrics.common import report_type_label
from shared.runtime.metrics.declare import known


class Storing:
    """Stores the files of attempts. No client sees them before `jobs.succeed` publishes them."""

    def __init__(self, store: ArtifactStore, signing_key: Ed25519PrivateKey | None) -> None:
        self._store = store
        self._signing_key = signing_key

    def store(self, held: Held, files: Sequence[RenderedFile], folder: Path) -> list[Artifact]:
        """Store the report's files, then the rest of its scratch folder, and last their manifest.

        The manifest is signed if this worker has a key. Raises RenderCancelled once the attempt is asked to stop, and
        ArtifactStoreUnavailable. Files stored before that stay unpublished, and the relay removes them.
        """
        artifacts = [self._store_file(held, file) for file in files]
        artifacts += [self._store_preview(held, preview, folder) for preview in previews_in(folder)]
        artifacts += self._store_manifest(held, folder / manifest.NAME)
        return artifacts

    def location(self, artifact_url: str, job: StartedJob) -> str:
        """Return the URI of the folder below `artifact_url` that holds the files of this attempt.

        It ends in a slash.
        """
        folder, _, _ = artifact_key(job.tenant, job.lease.job_id, job.lease.token, "x").rpartition("/")
        return f"{artifact_url.rstrip('/')}/{folder}/"

    def _store_file(self, held: Held, file: RenderedFile) -> Artifact:
        self._put(held, file.name, file.path, media_type=file.media_type, sha256=file.sha256)
        labels = report_type_label(held.job.report_type), known(file.format, metrics.FORMATS)
        metrics.REPORT_ROWS.labels(*labels).inc(file.rows)
        metrics.REPORT_BYTES.labels(*labels).inc(file.size_bytes)
        return Artifact(file.name, file.format, file.media_type, file.size_bytes, file.sha256, file.rows)

    def _store_preview(self, held: Held, preview: Artifact, folder: Path) -> Artifact:
        path = folder / preview.name
        self._put(held, preview.name, path, media_type=preview.media_type, sha256=preview.sha256)
        metrics.REPORT_BYTES.labels(report_type_label(held.job.report_type), preview.format).inc(preview.size_bytes)
        return preview

    def _store_manifest(self, held: Held, path: Path) -> Iterator[Artifact]:
        """Store the manifest, if there is one. It comes last, so it never names a file that is not stored."""
        if not path.exists():
            return
        if held.cost is not None:
            manifest.tell_cost(path, held.cost)
        if self._signing_key is not None:
            manifest.sign(path, self._signing_key)
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        self._put(held, path.name, path, media_type=manifest.MEDIA_TYPE, sha256=sha256)
        yield Artifact(path.name, MANIFEST_FORMAT, manifest.MEDIA_TYPE, len(content), sha256, 0)

    def _put(self, held: Held, name: str, path: Path, *, media_type: str, sha256: str) -> None:
        if held.stop_reason is not None:
            raise RenderCancelled("stopped before everything was stored")
        key = artifact_key(held.job.tenant, held.lease.job_id, held.lease.token, name)
        try:
            self._store.put(key, path, media_type=media_type, sha256=sha256, metadata=_metadata(held.job), given=True)
        except ArtifactStoreUnavailable:
            ARTIFACT_REQUESTS.labels("put", "failed").inc()
            raise
        ARTIFACT_REQUESTS.labels("put", "ok").inc()


def _metadata(job: StartedJob) -> Mapping[str, str]:
    return {"job-id": str(job.lease.job_id), "report-type": job.report_type, "attempt": str(job.attempt)}
