"""Read the manifest of a job's files: what they were made from, and by which tools."""

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
"""The manifest's name, as in shared/reports/manifest.py, which the API does not import."""


class Manifest(NamedTuple):
    """What a manifest contains besides what the job itself shows."""

    source: str
    """The name of the report type's source."""
    taken_at: datetime | None
    """The moment that all files represent; None if the source does not report one."""
    snapshot: Mapping[str, str]
    """Further identification of the source's state."""
    rows: int
    queries: Mapping[str, int]
    """Each further query, with the number of its rows."""
    left_out: Sequence[str]
    """The columns that the requester may not see."""
    tools: Mapping[str, str]
    """Each tool that made the files → its version."""
    signed_by: str | None
    """The key that signed it; None if it is not signed."""


async def of_job(parts: Parts, principal: Principal, job_id: UUID) -> Manifest:
    """Return the manifest of the job's files.

    Raises as `downloads.find` and `previews.read` do: permission to download the files includes it.
    """
    stored = await downloads.find(parts, principal, job_id, NAME)
    content = await previews.read(parts, previews.Stored(stored.artifact, stored.key))
    try:
        return _understood(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # another version of the worker wrote it
        log.warning("manifest.not_understood", extra={"reason": repr(error)[:500]})
        raise ArtifactNotWhole("The manifest cannot be read here. Download it.") from None


def _understood(document: Mapping[str, Any]) -> Manifest:
    """Raise ValueError, KeyError, TypeError or AttributeError for anything that `shared.reports.manifest` does not
    write.
    """
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
