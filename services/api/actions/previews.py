"""Show a report before its files are downloaded: its first rows, and a picture of a PDF's first page."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.api.actions import jobs
from services.api.actions.job_errors import (
    ArtifactExpired,
    ArtifactGone,
    ArtifactNotWhole,
    ArtifactStoreAway,
    NoPicture,
    NoRows,
    NotReady,
)
from services.api.actions.parts import Parts
from services.api.auth.principal import InsufficientScope, Principal
from services.api.store_threads import in_store_thread
from shared.access.scopes import Scope
from shared.artifacts.interface import ArtifactDamaged, ArtifactMissing, ArtifactStoreUnavailable, artifact_key
from shared.jobs.artifacts import PAGE_FORMAT, ROWS_FORMAT, Artifact
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS

log = logging.getLogger(__name__)

USUAL_SIZE, MOST = 100, 1_000
"""The default and the greatest number of rows on a page. The greatest is all that are kept."""


class Stored(NamedTuple):
    """A preview that is kept beside the files of a job, and where."""

    artifact: Artifact
    key: str


class Column(NamedTuple):
    """A column of the rows."""

    name: str
    title: str
    type: str
    """`integer` and `boolean` values are JSON's own; those of every other type are text."""


class RowsPage(NamedTuple):
    """Some of a report's first rows."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    """Values in the order of the columns."""
    stored: int
    """How many rows are kept."""
    total: int
    """How many rows the report has."""
    next_after: int | None
    """How many rows precede the next page; None on the last one."""

    @property
    def objects(self) -> list[Mapping[str, Any]]:
        """The rows, each as a mapping from column name to value."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


async def rows_of(parts: Parts, principal: Principal, job_id: UUID) -> Stored:
    """Find the first rows of a job's report.

    Raises UnknownJob, JobDeleted, InsufficientScope, NotReady, ArtifactExpired and NoRows.
    """
    return await _find(parts, principal, job_id, ROWS_FORMAT)


async def picture_of(parts: Parts, principal: Principal, job_id: UUID) -> Stored:
    """Find the picture of the first page of a job's PDF. Raises as `rows_of` does, with NoPicture
    in place of NoRows.
    """
    return await _find(parts, principal, job_id, PAGE_FORMAT)


async def read(parts: Parts, stored: Stored) -> bytes:
    """Return exactly what was stored. Raises ArtifactGone, ArtifactNotWhole and ArtifactStoreAway."""
    return await in_store_thread(_read, parts, stored)


async def read_rows(parts: Parts, stored: Stored, *, after: int, size: int) -> RowsPage:
    """Return up to `size` rows, skipping the first `after`. Raises as `read` does."""

    def load() -> RowsPage:
        try:
            return _page(_read(parts, stored), after, size)
        except (ValueError, KeyError, TypeError) as error:  # the content comes from a report's own process
            log.warning("preview.not_understood", extra={"reason": repr(error)[:500]})
            raise ArtifactNotWhole("The kept rows cannot be read. Download one of the files.") from None

    return await in_store_thread(load)


async def _find(parts: Parts, principal: Principal, job_id: UUID, format_: str) -> Stored:
    principal.need(Scope.ROWS_READ)
    found = await jobs.get(parts, principal, job_id)
    if found.lacking:
        raise InsufficientScope(found.lacking[0])
    job = found.job
    if job.status is not JobStatus.SUCCESS or job.lease_token is None:
        raise NotReady(job.status)
    if job.formats and (job.expired or not found.artifacts):  # or expired since: a success always has files
        raise ArtifactExpired(job.expires_at)
    artifact = next((one for one in found.artifacts if one.format == format_), None)
    if artifact is None:
        raise _nothing(job, format_)
    return Stored(artifact, artifact_key(job.tenant, job_id, job.lease_token, artifact.name))


def _nothing(job: Job, format_: str) -> NoRows | NoPicture:
    off = "the worker that made the report keeps nothing beside its files (REPORT_PREVIEW), or could not"
    if format_ == PAGE_FORMAT:
        return NoPicture("only a PDF has one: ask for the format pdf" if "pdf" not in job.formats else off)
    return NoRows(off if job.formats else "its report type makes no files, and its answer is the job's `result`")


def _read(parts: Parts, stored: Stored) -> bytes:
    artifact = stored.artifact
    try:
        content = parts.store.read(stored.key, size_bytes=artifact.size_bytes, sha256=artifact.sha256)
    except ArtifactMissing as error:
        log.warning("artifact.missing", extra={"reason": str(error)})
        raise ArtifactGone("It has been removed. Submit the report again.") from None
    except ArtifactDamaged as error:
        ARTIFACT_REQUESTS.labels("read", "damaged").inc()
        log.error("artifact.damaged", extra={"reason": str(error)})
        raise ArtifactNotWhole("What was stored was damaged. Download one of the files.") from None
    except ArtifactStoreUnavailable as error:
        log.warning("artifact.store_away", extra={"reason": str(error)})
        ARTIFACT_REQUESTS.labels("read", "failed").inc()
        raise ArtifactStoreAway("The store of files does not answer as it should. Try again.") from None
    ARTIFACT_REQUESTS.labels("read", "ok").inc()
    return content


def _page(content: bytes, after: int, size: int) -> RowsPage:
    """Raise ValueError, KeyError or TypeError for anything that `shared.reports.first_rows` does not write."""
    head, *lines = content.decode().split("\n")[:-1]
    told = json.loads(head)
    columns = [Column(str(one["name"]), str(one["title"]), str(one["type"])) for one in told["columns"]]
    rows = [json.loads(line) for line in lines[after : after + size]]
    if any(not isinstance(row, list) or len(row) != len(columns) for row in rows):
        raise ValueError("a row of another width")
    if not all(isinstance(value, str | int | None) for row in rows for value in row):
        raise ValueError("a value that no row has")
    goes_on = after + size if after + size < len(lines) else None
    return RowsPage(columns, rows, len(lines), max(int(told["of"]), len(lines)), goes_on)
