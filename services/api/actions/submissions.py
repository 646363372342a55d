"""Submit a report: check what is wanted, and make it a job."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api import metrics
from services.api.actions import options, reuse, visible
from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest, NotAccepted, UnknownReportType
from services.api.actions.idempotency import named, read_key
from services.api.actions.labels import read_labels
from services.api.actions.options import Options, read_options
from services.api.actions.parts import Parts
from services.api.actions.submitter import Answer, TooBusy
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.catalog.model import BUNDLE, CatalogView, ReportType
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters
from shared.database.engine import transactional
from shared.database.replication import raise_if_unconfirmed
from shared.database.unavailable import DatabaseUnavailable, is_unavailable
from shared.ids import uuid7
from shared.jobs import reuse as looking
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.jobs.submit import Accepted, IdempotencyKey, IdempotencyKeyReused, Submission, replay
from shared.runtime.metrics.common import report_type_label
from shared.suggest import did_you_mean

_FIELDS = ("reportType", "parameters", "formats", "labels", reuse.FIELD, *options.FIELDS)
_FIELDS_OF_A_RETRY = ("parameters", "formats", "labels", *options.FIELDS)


class Wanted(NamedTuple):
    """What a client asks for, not checked yet."""

    fields: Mapping[str, object]
    """`reportType`, `parameters`, `formats`, `labels` and options, each of which may be left out or null."""
    body: bytes = b""
    """The fields as they came."""
    idempotency_key: Sequence[str] = ()
    """The lines of the header."""
    trace_context: str | None = None
    """Travels with the job through outbox and queue."""
    retry_of: Job | None = None
    """The job that is asked for again: what the fields leave out is as it was there."""


class Submitted(NamedTuple):
    """A job that is committed."""

    job_id: UUID
    report_type: str
    created: bool
    """False if an earlier request with the same Idempotency-Key made it, or it is reused."""
    status: JobStatus
    reused: bool = False
    """True if it answers an earlier request that asked the same."""


class Checked(NamedTuple):
    """What is wanted, and can be had."""

    report: ReportType
    parameters: Mapping[str, object]
    formats: tuple[str, ...]
    """Those that are made, and `zip` for all of them in one archive, too."""
    labels: Mapping[str, str] | None
    options: Options
    max_age_s: int | None
    """How old a job may be that answers it; None for a new one."""


async def submit(parts: Parts, principal: Principal, wanted: Wanted) -> Submitted:
    """Make what is wanted a job, which is committed when this returns.

    Raises UnknownReportType, InvalidRequest, IdempotencyKeyReused and NotAccepted.
    """
    principal.need(Scope.JOBS_CREATE)
    given = read_key(wanted.idempotency_key) if wanted.idempotency_key else None
    wrong = [given] if isinstance(given, Violation) else []
    key = _key(given, wanted, parts.catalog, principal) if isinstance(given, str) else None
    try:
        checked = check(wanted, principal, parts, wrong)
    except (InvalidRequest, UnknownReportType):
        # The key first: what was accepted before stays so, whatever the catalog says today. Asked only now, because a
        # request that is right learns of its key from the statement that makes the job.
        if key is None or (earlier := await _replay(parts, principal, key)) is None:
            raise
        return _submitted(earlier)
    answer = await _commit(parts, _submission(parts, principal, wanted, checked, key), checked.max_age_s)
    return _submitted(answer)


def _submission(
    parts: Parts, principal: Principal, wanted: Wanted, checked: Checked, key: IdempotencyKey | None
) -> Submission:
    settings, asked = parts.settings, checked.options
    job_id = uuid7()
    keep_artifacts_s, keep_s = asked.kept_for(settings)
    return Submission(
        id=job_id,
        tenant=principal.tenant,
        report_type=checked.report.name,
        report_version=checked.report.version,
        parameters=checked.parameters,
        formats=[str(f) for f in checked.formats],
        requester=principal.subject,
        scopes=_needed(checked.report, principal),
        retry_of=wanted.retry_of.id if wanted.retry_of else None,
        labels=checked.labels,
        max_attempts=asked.max_attempts or checked.report.limits.max_attempts,
        max_crashes=settings.job_max_crashes,
        deadline_s=settings.job_deadline_s,
        run_at=asked.run_at,
        not_after=asked.not_after,
        file_name=asked.named(checked.report, job_id),
        reuse_key=None if checked.max_age_s is None else _reuse_key(principal, checked),
        options=asked.as_asked(),
        priority=asked.priority,
        keep_artifacts_s=keep_artifacts_s,
        keep_s=keep_s,
        idempotency_key=key,
        trace_context=wanted.trace_context,
    )


def _reuse_key(principal: Principal, checked: Checked) -> str:
    """Names what is asked for, with everything beside that could make another job of it."""
    beside = {**(checked.options.as_asked() or {}), "labels": sorted((checked.labels or {}).items())}
    scopes = _needed(checked.report, principal)
    return reuse.reuse_key(
        checked.report, checked.parameters, checked.formats, requester=principal.subject, scopes=scopes, beside=beside
    )


def _key(given: str, wanted: Wanted, catalog: CatalogView, principal: Principal) -> IdempotencyKey:
    retry_of = wanted.retry_of.id if wanted.retry_of else None
    return named(given, wanted.body, wanted.fields, catalog, principal.subject, retry_of)


def _needed(report: ReportType, principal: Principal) -> Sequence[str] | None:
    """The scopes that the job's files ask for: of the report type, and of the columns that they have."""
    if not (scopes := report.column_scopes) and report.required_scope is None:
        return None
    own = {report.required_scope} if report.required_scope else set()
    return sorted(own | {scope for scope in scopes if principal.has(scope)}) or None


async def _replay(parts: Parts, principal: Principal, key: IdempotencyKey) -> Accepted | None:
    def look() -> Answer | None:
        with parts.engine.connect() as conn:
            return replay(conn, principal.tenant, key)

    answer = await to_thread.run_sync(look)
    if isinstance(answer, IdempotencyKeyReused):
        _count("conflict", "unknown")
        raise answer
    return answer


def _submitted(answer: Accepted) -> Submitted:
    _count("accepted" if answer.created else "reused" if answer.reused else "replayed", answer.report_type)
    return Submitted(answer.job_id, answer.report_type, answer.created, answer.status, answer.reused)


async def _commit(parts: Parts, submission: Submission, max_age_s: int | None) -> Accepted:
    try:
        answer = await (
            parts.submitter.submit(submission) if max_age_s is None else _reused(parts, submission, max_age_s)
        )
    except Exception as error:
        if not (isinstance(error, (TooBusy, TimeoutError, DatabaseUnavailable)) or is_unavailable(error)):
            raise
        _count("unavailable", submission.report_type)
        raise NotAccepted(_why(error)) from None
    if isinstance(answer, IdempotencyKeyReused):
        _count("conflict", submission.report_type)
        raise answer
    return answer


async def _reused(parts: Parts, submission: Submission, max_age_s: int) -> Answer:
    """The answer of a job that is there, or of a new one; most often the first, which one look tells."""

    def carry_out() -> Answer:
        with parts.engine.connect() as conn:
            found = looking.look(conn, submission, max_age_s=max_age_s)
        if isinstance(found, IdempotencyKeyReused) or (found and not (found.reused and submission.idempotency_key)):
            return found
        with transactional(parts.engine).connect() as conn:
            answer = looking.submit_or_reuse(
                conn, submission, max_age_s=max_age_s, ring_after_s=parts.settings.ring_after_s
            )
            conn.commit()
            raise_if_unconfirmed(conn)
            return answer

    return await to_thread.run_sync(carry_out)


def _count(outcome: str, report_type: str) -> None:
    metrics.SUBMITTED.labels(outcome, report_type_label(report_type)).inc()


def _why(error: Exception) -> str:
    if isinstance(error, TooBusy):
        return f"Nothing was written: {error}."
    return (
        "The database did not confirm the job. Try again; with an Idempotency-Key a second try can never "
        "make a second job."
    )


def check(wanted: Wanted, principal: Principal, parts: Parts, wrong: Sequence[Violation] = ()) -> Checked:
    """What is wanted, if it is right. Says everything that is wrong with it at once, after what is `wrong` already.

    Raises UnknownReportType and InvalidRequest.
    """
    known = _FIELDS if wanted.retry_of is None else _FIELDS_OF_A_RETRY
    fields = wanted.fields if wanted.retry_of is None else _as_before(wanted.retry_of, wanted.fields)
    report = _report_type(fields, principal, parts.catalog)
    violations = [
        Violation(name[:100], "unknown_field", f"is not a field of a request{did_you_mean(name[:100], known)}")
        for name in itertools.islice((name for name in wanted.fields if name not in known), MOST_VIOLATIONS)
    ]
    formats = _formats(fields.get("formats"), report, violations)
    parameters = _parameters(fields.get("parameters"), report, violations)
    labels = read_labels(fields.get("labels"), violations)
    max_age_s = None if wanted.retry_of is not None else reuse.read_reuse(wanted.fields, violations)
    asked = read_options(wanted.fields, report, parts.settings, violations, retry_of=wanted.retry_of)
    violations += wrong
    if violations:
        at_least = "at least " if len(violations) >= MOST_VIOLATIONS else ""
        many = "one problem" if len(violations) == 1 else f"{at_least}{len(violations)} problems"
        raise InvalidRequest(f"The request has {many}.", violations)
    return Checked(report, parameters, formats, labels, asked, max_age_s)


def _as_before(old: Job, given: Mapping[str, object]) -> Mapping[str, object]:
    """What the old job was asked for, with what is given now in its place. A parameter that is null is its default."""
    parameters = given.get("parameters")
    if parameters is None or isinstance(parameters, dict):
        parameters = {**old.parameters, **(parameters or {})}
    formats = list(old.formats) or None if given.get("formats") is None else given["formats"]
    labels = old.labels if given.get("labels") is None else given["labels"]
    return {"reportType": old.report_type, "parameters": parameters, "formats": formats, "labels": labels}


def _report_type(fields: Mapping[str, object], principal: Principal, catalog: CatalogView) -> ReportType:
    name = fields.get("reportType")
    if name is None:
        name = catalog.default
    if not isinstance(name, str):
        wrong = Violation("reportType", "type", "must be a string")
        raise InvalidRequest("The request has one problem.", [wrong])
    return visible.report_type(catalog, principal, name)


def _formats(given: object, report: ReportType, violations: list[Violation]) -> tuple[str, ...]:
    if given is None:
        return report.formats[:1]
    if given == []:
        message = 'must name at least one format, such as ["csv"]; leave it out for the first of the report type'
        violations.append(Violation("formats", "too_short", message))
        return ()
    if not isinstance(given, list):
        violations.append(Violation("formats", "type", 'must be a list such as ["csv"]'))
        return ()
    offered = [*(str(f) for f in report.formats), BUNDLE]
    unknown = ((n, f[:100] if isinstance(f, str) else "") for n, f in enumerate(given) if f not in offered)
    wrong = [
        Violation(f"formats[{n}]", "unknown_format", f"{report.name} has no such format{did_you_mean(f, offered)}")
        for n, f in itertools.islice(unknown, MOST_VIOLATIONS)
    ]
    violations += wrong
    if wrong:
        return ()
    asked = tuple(dict.fromkeys(given))
    # The archive alone is an archive of everything that the report type makes.
    return (*report.formats, BUNDLE) if asked == (BUNDLE,) else asked


def _parameters(given: object, report: ReportType, violations: list[Violation]) -> Mapping[str, object]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        violations.append(Violation("parameters", "type", "must be an object"))
        return {}
    try:
        return validate_parameters(report, given)
    except InvalidParameters as error:
        violations += error.violations
        return {}
