"""What a client wants of a schedule: read, checked, and returned as it was written."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import cast

from services.api.actions import options, passwords
from services.api.actions.checks import Checked, check
from services.api.actions.checks import Wanted as WantedJob
from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.catalog.moment import zone_problem
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation
from shared.catalog.shape import FIELDS as SHAPE_FIELDS
from shared.catalog.values import Refused, parse, store, whole
from shared.schedules.schedule import Misfire, Overlap, Schedule, Terms, Wanted
from shared.schedules.submission import zone_of_jobs
from shared.schedules.timing import (
    LEAST_EVERY_S,
    MOST_EVERY_S,
    MOST_JITTER_S,
    Timing,
    cron_problem,
)
from shared.suggest import did_you_mean

_SHAPE = tuple(name for name in SHAPE_FIELDS if name != "timeZone")
ASKED = (
    "reportType", "parameters", "formats", "labels",
    *(name for name in options.FIELDS if name not in options.MOMENTS), *_SHAPE,
)  # fmt: skip
"""What each of its jobs asks for, by the fields of a submission. The time zone is the schedule's."""
TIMED = ("cron", "everySeconds", "timeZone", "until", "jitterSeconds", "misfire", "misfireMost", "overlap")
FIELDS = ("name", *ASKED, *TIMED)
MOST_MISFIRE = 100
"""The most missed ticks that are made up for."""
OFTEN_S = 300
"""The least pause between ticks; only an operator may request ticks that are closer to each other."""


def read_schedule(
    parts: Parts, principal: Principal, given: Mapping[str, object], now: datetime, before: Schedule | None = None
) -> Wanted:
    """Return what is wanted: a new schedule, or `before` with the given fields replaced.

    Null stands for the field's value when it is left out. Raises InvalidRequest, which names every mistake, and
    UnknownReportType.
    """
    fields = {**(as_fields(before.wanted) if before else {}), **given}
    if before is not None:
        # A new way of timing replaces the old one, which need not be set to null.
        for one, other in (("cron", "everySeconds"), ("everySeconds", "cron")):
            if given.get(one) is not None and other not in given:
                fields[other] = None
    violations = [
        Violation(name[:100], "unknown_field", _unknown(name[:100]))
        for name in islice((name for name in given if name not in FIELDS), MOST_VIOLATIONS)
    ]
    reader = _Reader(fields, violations)
    name = reader.name()
    timing = reader.timing(before.wanted.timing.begins_at if before else now)
    misfire, most, overlap = reader.policies()
    asked = {name: fields[name] for name in ASKED if fields.get(name) is not None}
    report = parts.catalog.types.get(str(fields.get("reportType")))
    if report is not None:
        asked |= zone_of_jobs(report, timing.zone)
    if not violations:
        _check_ticks(timing, now, principal, violations)
    checked = check(WantedJob(asked), principal, parts, violations)
    formats = checked.formats if fields.get("formats") is not None else ()
    parameters = cast("Mapping[str, object]", fields.get("parameters") or {})
    return Wanted(
        name, checked.report.name, parameters, formats, checked.labels, _beside(fields, checked),
        _terms(parts, checked), timing, misfire, most, overlap,
    )  # fmt: skip


def _unknown(name: str) -> str:
    if name == passwords.FIELD:
        return "is not kept for a schedule: a password stays no longer than one job. Ask for such reports one by one"
    return f"is not a field of a schedule{did_you_mean(name, FIELDS)}"


def read_timing(principal: Principal, given: Mapping[str, object], now: datetime) -> Timing:
    """Return when a schedule with these fields would be due, ignoring mistakes in other fields.

    Raises InvalidRequest.
    """
    violations: list[Violation] = []
    timing = _Reader(given, violations).timing(now)
    if not violations:
        _check_ticks(timing, now, principal, violations)
    if violations:
        raise InvalidRequest("The request is not valid.", violations)
    return timing


def as_fields(wanted: Wanted) -> dict[str, object]:
    """Return the fields that request the same schedule again; null for those that are left out."""
    timing = wanted.timing
    return {
        "name": wanted.name,
        "reportType": wanted.report_type,
        "parameters": wanted.parameters,
        "formats": list(wanted.formats) or None,
        "labels": wanted.labels,
        **(wanted.options or {}),
        "cron": timing.cron,
        "everySeconds": timing.every_s,
        "timeZone": timing.zone,
        "until": timing.until and store(ParameterKind.DATETIME, timing.until),
        "jitterSeconds": timing.jitter_s,
        "misfire": str(wanted.misfire),
        "misfireMost": wanted.misfire_most,
        "overlap": str(wanted.overlap),
    }


def _beside(fields: Mapping[str, object], checked: Checked) -> Mapping[str, object] | None:
    """Return the options of its jobs as they were written: a default of the report type is looked up on the day."""
    shape = {name: fields[name] for name in _SHAPE if fields.get(name) is not None}
    return {**(checked.options.as_asked() or {}), **shape} or None


def _terms(parts: Parts, checked: Checked) -> Terms:
    settings, asked = parts.settings, checked.options
    keep_artifacts_s, keep_s = asked.kept_for(settings)
    return Terms(
        max_attempts=asked.max_attempts,
        max_crashes=settings.job_max_crashes,
        deadline_s=settings.job_deadline_s,
        keep_artifacts_s=keep_artifacts_s,
        keep_s=keep_s,
        priority=asked.priority,
        file_name=asked.file_name,
    )


def _check_ticks(timing: Timing, now: datetime, principal: Principal, violations: list[Violation]) -> None:
    ticks = list(islice(timing.ticks(now), 10))
    if not ticks:
        violations.append(Violation("until", "range", "must be later than the schedule's first time"))
    if principal.has(Scope.ADMIN_WRITE):
        return
    if any(later - tick < timedelta(seconds=OFTEN_S) for tick, later in pairwise(ticks)):
        wrong = f"comes more often than every {OFTEN_S} seconds, which needs the scope {Scope.ADMIN_WRITE}"
        violations.append(Violation("everySeconds" if timing.every_s else "cron", "range", wrong))


class _Reader:
    """Reads the schedule's own fields. Mistakes are added to `violations`."""

    def __init__(self, fields: Mapping[str, object], violations: list[Violation]) -> None:
        self._fields = fields
        self._violations = violations

    def name(self) -> str:
        """Return its name."""
        name = self._text("name", "Carrier delays on Mondays")
        if self._fields.get("name") is None:
            told = 'is required: what people call it, for example "Carrier delays on Mondays"'
            self._wrong("name", "required", told, "required")
        elif name is not None and not (len(name.strip()) >= 1 and len(name) <= 100 and name.isprintable()):
            self._wrong("name", "name", "must have 1 to 100 characters that can be shown, in one line", "name")
        return name or ""

    def timing(self, begins_at: datetime) -> Timing:
        """Return when it is due."""
        cron, every_s = self._text("cron", "0 7 * * MON"), self._number("everySeconds", LEAST_EVERY_S, MOST_EVERY_S)
        if (self._fields.get("cron") is None) == (self._fields.get("everySeconds") is None):
            self._wrong("cron", "required", 'give either cron, such as "0 7 * * MON", or everySeconds, such as 86400')
        if cron is not None and (problem := cron_problem(cron)):
            self._wrong("cron", "cron", problem)
        zone = self._text("timeZone", "Asia/Tokyo") or "UTC"
        if problem := zone_problem(zone):
            self._wrong("timeZone", "unknown_time_zone", problem)
            zone = "UTC"
        jitter_s = self._number("jitterSeconds", 0, MOST_JITTER_S) or 0
        return Timing(cron and " ".join(cron.split()), every_s, zone, begins_at, self._until(), jitter_s)

    def policies(self) -> tuple[Misfire, int, Overlap]:
        """Return what happens to ticks that were missed, and to ticks that come while a job is unfinished."""
        misfire = Misfire(self._choice("misfire", [*Misfire]) or Misfire.RUN_ONCE)
        most = self._number("misfireMost", 1, MOST_MISFIRE) or 1
        if most > 1 and misfire is not Misfire.RUN_ALL:
            self._wrong("misfireMost", "range", f"is for misfire {str(Misfire.RUN_ALL)!r}: leave it out")
        return misfire, most, Overlap(self._choice("overlap", [*Overlap]) or Overlap.SKIP)

    def _until(self) -> datetime | None:
        given = self._fields.get("until")
        try:
            return None if given is None else cast("datetime", parse(ParameterKind.DATETIME, given))
        except Refused as refused:
            self._violations.append(Violation.of("until", refused))
            return None

    def _text(self, field: str, example: str) -> str | None:
        given = self._fields.get(field)
        if given is None or isinstance(given, str):
            return given
        self._wrong(field, "type", f"must be a string, for example {example!r}", "string")
        return None

    def _number(self, field: str, least: int, most: int) -> int | None:
        given = self._fields.get(field)
        number = whole(given)
        if given is None or (number is not None and least <= number <= most):
            return number
        self._wrong(field, "range", f"must be a whole number from {least} to {most}", "between", least=least, most=most)
        return None

    def _choice(self, field: str, choices: list[str]) -> str | None:
        given = self._fields.get(field)
        if given is None or given in choices:
            return given
        shown = given[:60] if isinstance(given, str) else ""
        listed = ", ".join(choices)
        told = f"must be one of {listed}{did_you_mean(shown, choices)}"
        self._wrong(field, "choice", told, "choice", choices=listed)
        return None

    def _wrong(self, field: str, code: str, message: str, says: str = "", **facts: object) -> None:
        self._violations.append(Violation(field, code, message, says, facts))
