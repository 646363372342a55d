"""Keep a job and its files for longer than requested, within the operator's bounds."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from anyio import to_thread

from services.api.actions import jobs
from services.api.actions.auditing import audited
from services.api.actions.errors import InvalidRequest
from services.api.actions.job_errors import NothingToKeep, Unfinished
from services.api.actions.jobs import FoundJob, Insists
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from services.api.settings import ApiSettings
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation
from shared.catalog.values import Refused, parse
from shared.database.engine import transactional
from shared.jobs import keeping
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.suggest import did_you_mean

FIELDS = ("expiresAt", "keptUntil")
LEAST_LEFT_S = 60.0
"""Files that expire sooner than this count as gone: retention may have selected them already. No transaction takes as
long."""


class _Wanted(NamedTuple):
    """How long to keep files and job, in seconds after the job's end; 0 leaves it unchanged."""

    keep_files_s: int
    keep_s: int


async def keep(
    parts: Parts, principal: Principal, job_id: UUID, fields: Mapping[str, object], *, insists: Insists = None
) -> FoundJob:
    """Keep the job and its files until the moments in `fields`; if there are none, for as long as the operator allows.

    Nothing is ever kept for less time than before, so repeating the request is harmless. Raises UnknownJob, JobDeleted,
    InvalidRequest, Unfinished, NothingToKeep and PreconditionFailed.
    """

    def carry_out() -> None:
        with transactional(parts.engine).begin() as conn:
            job = jobs.hold(conn, parts, principal, job_id, insists)
            wanted = _wanted(job, moments, parts.settings)
            if keeping.keep(conn, job_id, keep_files_s=wanted.keep_files_s, keep_s=wanted.keep_s):
                before = {"keepFilesSeconds": job.keep_artifacts_s, "keepSeconds": job.keep_s}
                after = {"keepFilesSeconds": wanted.keep_files_s, "keepSeconds": wanted.keep_s}
                audited(conn, principal, Action.JOBS_KEEP, f"jobs/{job_id}", before=before, after=after)

    principal.need(Scope.JOBS_CREATE)
    principal.need(Scope.JOBS_READ)  # the answer contains the job
    moments = _moments(fields)
    await to_thread.run_sync(carry_out)
    return await jobs.get(parts, principal, job_id)


def _moments(fields: Mapping[str, object]) -> Mapping[str, datetime]:
    violations = [
        Violation(name[:100], "unknown_field", f"is not a field of this request{did_you_mean(name[:100], FIELDS)}")
        for name in list(fields)[:20]
        if name not in FIELDS
    ]
    found: dict[str, datetime] = {}
    for name in FIELDS:
        if (given := fields.get(name)) is None:
            continue
        try:
            found[name] = cast("datetime", parse(ParameterKind.DATETIME, given))
        except Refused as refused:
            violations.append(Violation.of(name, refused))
    if violations:
        raise InvalidRequest("The request is not valid.", violations)
    return found


def _wanted(job: Job, moments: Mapping[str, datetime], settings: ApiSettings) -> _Wanted:
    """Return how long to keep what. Raises Unfinished, NothingToKeep and InvalidRequest."""
    if job.finished_at is None or job.kept_until is None:
        raise Unfinished("say keepFilesSeconds and keepSeconds when you submit, or wait for its end")
    has_files = job.status is JobStatus.SUCCESS and bool(job.formats)
    files = "expiresAt" in moments or (not moments and has_files)
    if files and not has_files:
        raise NothingToKeep("it has none: only keptUntil can be moved")
    if files and (job.files_left_s or 0) < LEAST_LEFT_S:
        raise NothingToKeep("they have expired, or expire within a minute. Submit the report again")
    if job.kept_until - datetime.now(UTC) < timedelta(seconds=LEAST_LEFT_S):
        raise NothingToKeep("the job itself is about to be forgotten")
    files_s, keep_s = settings.most_keep_artifacts_s if files else 0, settings.most_keep_s
    if not moments:
        return _Wanted(files_s, keep_s)
    violations: list[Violation] = []
    wanted = _Wanted(
        _seconds("expiresAt", moments, job.finished_at, max(files_s, job.keep_artifacts_s), violations),
        _seconds("keptUntil", moments, job.finished_at, max(keep_s, job.keep_s), violations),
    )
    if violations:
        raise InvalidRequest("The request is not valid.", violations)
    return wanted


def _seconds(name: str, moments: Mapping[str, datetime], end: datetime, most: int, violations: list[Violation]) -> int:
    """Return the seconds from the job's end to the moment; 0 if none is given."""
    if name not in moments:
        return 0
    seconds = math.ceil((moments[name] - end).total_seconds())
    if seconds > most:
        latest = (end + timedelta(seconds=most)).isoformat(timespec="seconds")
        bound = "ARTIFACT_KEEP_MAX_DAYS" if name == "expiresAt" else "JOB_KEEP_MAX_DAYS"
        violations.append(Violation(name, "range", f"must be at most {latest}, the operator's limit ({bound})"))
    return max(0, seconds)
