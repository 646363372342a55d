"""The job of a tick: what a schedule requests, as of that moment, on behalf of its owner."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.access.scopes import Scope
from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.moment import Moment, zone_problem
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters, words_in
from shared.catalog.read_shape import read_shape
from shared.catalog.shape import UTC_NAME, WORDS
from shared.ids import uuid7
from shared.jobs import file_name
from shared.jobs.submission import Submission
from shared.schedules.due import Due, HistoryLine
from shared.schedules.schedule import Fate, Reason, Schedule


class Refused(NamedTuple):
    """There is no job, and there will be none until somebody changes something."""

    reason: Reason
    detail: str | None = None


def submission_of(
    one: Due, types: Mapping[str, ReportType], *, job_id: UUID | None = None
) -> tuple[HistoryLine, Submission | None]:
    """Return the history line of the tick, and its job, if it has one; with the given id, if there is one."""
    owner = one.schedule.owner
    if owner.key_id is not None and one.key_id is None:
        return HistoryLine(one.tick, one.cause, Fate.FAILED, Reason.OWNER_GONE), None
    if owner.until is not None and one.now >= owner.until:
        return HistoryLine(one.tick, one.cause, Fate.FAILED, Reason.GRANT_OVER), None
    scopes = owner.scopes if owner.key_id is None else one.key_scopes
    answer = submission_for(one.schedule, one.tick, types, scopes, job_id or uuid7())
    if isinstance(answer, Refused):
        return HistoryLine(one.tick, one.cause, Fate.FAILED, answer.reason, answer.detail), None
    return HistoryLine(one.tick, one.cause, Fate.SUBMITTED, job_id=answer.id), answer


def submission_for(
    schedule: Schedule, tick: datetime, types: Mapping[str, ReportType], scopes: Collection[str] | None, job_id: UUID
) -> Submission | Refused:
    """Return the submission of that tick, requested with these scopes (None: every scope)."""
    wanted = schedule.wanted
    if scopes is not None and Scope.JOBS_CREATE not in scopes:
        return Refused(Reason.OWNER_LACKS_SCOPE, f"the scope {Scope.JOBS_CREATE} is missing")
    if problem := zone_problem(wanted.timing.zone):
        return Refused(Reason.PARAMETERS_WRONG, f"timeZone: {problem}")
    report = types.get(wanted.report_type)
    if report is None or not report.may_be_asked_by(schedule.tenant, None):
        return Refused(Reason.REPORT_TYPE_GONE)
    if not report.may_be_asked_by(schedule.tenant, scopes):
        return Refused(Reason.OWNER_LACKS_SCOPE, f"the scope {report.required_scope} is missing")
    if gone := [one for one in wanted.formats if one not in (*report.formats, BUNDLE)]:
        return Refused(Reason.REPORT_TYPE_GONE, f"it makes no {', '.join(gone)} any more")
    beside = {**(wanted.options or {}), **zone_of_jobs(report, wanted.timing.zone)}
    wrong: list[Violation] = []
    shape = read_shape(report, beside, scopes, wrong)
    parameters: Mapping[str, object] = {}
    try:
        parameters = validate_parameters(report, wanted.parameters, Moment(tick, wanted.timing.zone))
    except InvalidParameters as error:
        wrong += error.violations
    if wrong:
        return Refused(Reason.PARAMETERS_WRONG, "; ".join(f"{v.field}: {v.message}" for v in wrong)[:1_000])
    words = words_in(report, wanted.parameters)
    options = {**beside, **shape.as_json(), **({WORDS: words} if words else {})}
    made = _submission(schedule, tick, report, scopes, job_id)
    return made._replace(parameters=parameters, options=options or None)


def zone_of_jobs(report: ReportType, zone: str) -> Mapping[str, str]:
    """Return the zone of a schedule's jobs, as a field of a request: the schedule's own, if the
    report type allows one.
    """
    takes = bool(report.formats) and "timeZone" not in report.options.forbid
    return {"timeZone": zone} if takes and zone != UTC_NAME else {}


def _submission(
    schedule: Schedule, tick: datetime, report: ReportType, scopes: Collection[str] | None, job_id: UUID
) -> Submission:
    wanted = schedule.wanted
    terms = wanted.terms
    return Submission(
        id=job_id,
        tenant=schedule.tenant,
        report_type=report.name,
        report_version=report.version,
        parameters={},
        formats=list(wanted.formats) or [str(one) for one in report.formats[:1]],
        requester=schedule.owner.subject,
        scopes=report.scopes_of_files(scopes),
        labels=wanted.labels,
        max_attempts=min(terms.max_attempts or report.limits.max_attempts, report.limits.max_attempts),
        max_crashes=terms.max_crashes,
        deadline_s=terms.deadline_s,
        file_name=_file_name(terms.file_name, report, job_id, tick),
        priority=terms.priority,
        keep_artifacts_s=terms.keep_artifacts_s,
        keep_s=terms.keep_s,
        schedule_id=schedule.id,
    )


def _file_name(template: str | None, report: ReportType, job_id: UUID, day: datetime) -> str | None:
    """Use the tick's day, not the day on which a late relay submits the job."""
    if template is None:
        return None
    return file_name.expand(template, report_type=report.name, report_version=report.version, job_id=job_id, day=day)
