"""Removes files from the artifact store, as far as the store allows it."""

import logging
from collections.abc import Sequence

from services.relay import metrics
from shared.artifacts.interface import LIST_PAGE, ArtifactStore, ArtifactStoreUnavailable, artifact_key
from shared.jobs.retention import StoredFile

log = logging.getLogger(__name__)


def delete_files(store: ArtifactStore, files: Sequence[StoredFile]) -> list[StoredFile]:
    """Delete `files`. Returns those that are now gone from the store; the log names the reasons for the others."""
    keys = {artifact_key(f.tenant, f.job_id, f.lease_token, f.name): f for f in files}
    kept: dict[str, str] = {}
    for at in range(0, len(keys), LIST_PAGE):
        try:
            kept |= store.delete(list(keys)[at : at + LIST_PAGE])
        except ArtifactStoreUnavailable as error:
            log.warning("retention.store_away", extra={"reason": str(error)})
            kept |= dict.fromkeys(list(keys)[at:], str(error))
            break
    if kept:
        metrics.UNDELETABLE.inc(len(kept))
        log.warning("retention.files_kept", extra={"files": len(kept), "reason": next(iter(kept.values()))})
    return [file for key, file in keys.items() if key not in kept]
