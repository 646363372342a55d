"""Read the manifest of a job's files: what they were made from, and by what."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from services.api.actions import downloads, previews
from services.api.actions.job_errors import ArtifactNotWhole
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal

log = logging.getLogger(__name__)

NAME = "manifest.json"
"""As shared/reports/manifest.py names it, whose module the API does not load."""


class Manifest(NamedTuple):
    """What a manifest says besides what the job itself does."""

    source: str
    """The name of the report type's source."""
    taken_at: datetime | None
    """Of the moment that all files show; None if the source does not tell it."""
    snapshot: Mapping[str, str]
    """What else tells this state of the source from others."""
    rows: int
    queries: Mapping[str, int]
    """Each further query, and its rows."""
    left_out: Sequence[str]
    """The columns that the asker may not see."""
    tools: Mapping[str, str]
    """What made the files → its version."""
    signed_by: str | None
    """The key that signed it; None if it is not signed."""


async def of_job(parts: Parts, principal: Principal, job_id: UUID) -> Manifest:
    """The manifest of the job's files.

    Raises what `downloads.find` and `previews.read` raise: whoever may download the files may read it.
    """
    stored = await downloads.find(parts, principal, job_id, NAME)
    content = await previews.read(parts, previews.Stored(stored.artifact, stored.key))
    try:
        return _understood(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # another version of the worker wrote it
        log.warning("manifest.not_understood", extra={"reason": repr(error)[:500]})
        raise ArtifactNotWhole("The manifest cannot be read here. Download it.") from None


def _understood(document: Mapping[str, Any]) -> Manifest:
    """Raises ValueError, KeyError, TypeError and AttributeError for what `shared.reports.manifest` does not write."""
    told, signature = document["manifest"], document["signature"]
    source = told["source"]
    snapshot = {str(name): str(value) for name, value in source["snapshot"].items() if value is not None}
    taken_at = snapshot.pop("takenAt", None)
    return Manifest(
        str(source["name"]),
        None if taken_at is None else datetime.fromisoformat(taken_at),
        snapshot,
        int(source["rows"]),
        {str(name): int(rows) for name, rows in source.get("queries", {}).items()},
        [str(name) for name in told["columnsLeftOut"]],
        {str(name): str(version) for name, version in told["tools"].items()},
        None if signature is None else str(signature["keyId"]),
    )
