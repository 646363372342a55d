"""The options of a request: when its job runs and with which priority, how often it is tried, how long it is kept, what
its files are called, and who is notified of its end.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from uuid import UUID

from services.api.actions.conditions import read_conditions
from services.api.settings import ApiSettings
from shared.catalog.figures import figures_of
from shared.catalog.model import ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation, read_date
from shared.catalog.values import Refused, store
from shared.jobs import file_name
from shared.jobs.held import USUAL_PRIORITY
from shared.jobs.read import Job
from shared.webhooks.conditions import FIELD as NOTIFY_WHEN
from shared.webhooks.conditions import Condition
from shared.webhooks.url import Target, read_url

FIELDS = (
    "runAt", "notAfter", "maxAttempts", "keepFilesSeconds", "keepSeconds", "fileName", "priority", "callbackUrl",
    NOTIFY_WHEN,
)  # fmt: skip
"""The option fields of a request. Each may be left out or null."""
MOMENTS = ("runAt", "notAfter")
"""Options that are moments: one moment may be written with different offsets."""
CALLBACK = "callbackUrl"
MOST_URGENT = 9
LEAST_KEEP_FILES_S = 60
LEAST_KEEP_S = 86_400
"""A client that waits for a job finds it for a day after its end, as with JOB_KEEP_DAYS. To remove it sooner, delete
it."""


class Options(NamedTuple):
    """Checked options. None means that the option was not requested."""

    run_at: datetime | None = None
    not_after: datetime | None = None
    max_attempts: int | None = None
    keep_files_s: int | None = None
    keep_s: int | None = None
    file_name: str | None = None
    """A template (shared/jobs/file_name.py)."""
    priority: int | None = None
    callback_url: str | None = None
    """The address that is notified of the job's end, besides webhooks. It may contain a secret."""
    notify_when: Sequence[Condition] | None = None
    """The conditions for that notification; None means always."""

    def as_asked(self) -> Mapping[str, object] | None:
        """Return the options as the job stores them for a retry, without `run_at`; None if there are none."""
        asked = {
            "notAfter": self.not_after and store(ParameterKind.DATETIME, self.not_after),
            "maxAttempts": self.max_attempts,
            "keepFilesSeconds": self.keep_files_s,
            "keepSeconds": self.keep_s,
            "fileName": self.file_name,
            "priority": self.priority,
            CALLBACK: self.callback_url,
            NOTIFY_WHEN: None if self.notify_when is None else list(self.notify_when),
        }
        return {name: value for name, value in asked.items() if value is not None} or None

    def kept_for(self, settings: ApiSettings) -> tuple[int, int]:
        """Return the seconds for which files and job are kept.

        A job outlives its files, so requesting one may change the other.
        """
        keep_s = self.keep_s or max(settings.keep_s, self.keep_files_s or 0)
        return min(self.keep_files_s or settings.keep_artifacts_s, keep_s), keep_s

    def named(self, report: ReportType, job_id: UUID) -> str | None:
        """Return the name of the job's files without extension; None for the report type's default."""
        if self.file_name is None:
            return None
        now = datetime.now(UTC)
        day = max(now, self.run_at or now)
        return file_name.expand(
            self.file_name, report_type=report.name, report_version=report.version, job_id=job_id, day=day
        )


def read_options(
    fields: Mapping[str, object],
    report: ReportType,
    settings: ApiSettings,
    violations: list[Violation],
    moment: Moment,
    *,
    retry_of: Job | None = None,
) -> Options:
    """Return the options of a request, and of the job that it repeats; mistakes are added to `violations`.

    `moment` is now, in the request's time zone: moments may be written in words, such as `tomorrow+9h`.
    """
    given = {name: fields.get(name) for name in FIELDS if fields.get(name) is not None}
    kept = _kept(retry_of, fields, report, settings, moment) if retry_of is not None else {}
    return _Reader({**kept, **given}, report, settings, violations, moment).read() if given or kept else Options()


def _kept(
    old: Job, fields: Mapping[str, object], report: ReportType, settings: ApiSettings, moment: Moment
) -> dict[str, object]:
    """Return the old job's options that the new request does not name.

    An option that is no longer possible, such as a moment that has passed, is left out, because nobody requests it now.
    """
    asked = {**(old.options or {})}
    if old.scheduled_for is not None and old.scheduled_for > datetime.now(UTC):
        asked["runAt"] = store(ParameterKind.DATETIME, old.scheduled_for.astimezone(UTC))
    asked = {name: value for name, value in asked.items() if name in FIELDS and name not in fields}
    while True:
        wrong: list[Violation] = []
        _Reader(asked, report, settings, wrong, moment).read()
        if not wrong:
            return asked
        for violation in wrong:
            asked.pop(violation.field.partition("[")[0], None)


class _Reader:
    """Reads one request's options."""

    def __init__(
        self,
        given: Mapping[str, object],
        report: ReportType,
        settings: ApiSettings,
        violations: list[Violation],
        moment: Moment,
    ) -> None:
        self._given = given
        self._report = report
        self._settings = settings
        self._violations = violations
        self._moment = moment
        self._now = moment.instant

    def read(self) -> Options:
        """Return all options."""
        run_at = self._run_at()
        keep_files_s, keep_s = self._keep()
        return Options(
            run_at=run_at,
            not_after=self._not_after(run_at or self._now),
            max_attempts=cast("int | None", self._read("maxAttempts", ParameterKind.INTEGER, self._attempts_problem)),
            keep_files_s=keep_files_s,
            keep_s=keep_s,
            file_name=cast("str | None", self._read("fileName", ParameterKind.STRING, self._name_problem)),
            priority=cast("int | None", self._read("priority", ParameterKind.INTEGER, _priority_problem)),
            callback_url=self._callback(),
            notify_when=self._conditions(),
        )

    def _read(self, field: str, kind: ParameterKind, problem: Callable[..., str | None]) -> object:
        """Return the field's value; None if it is left out, of a wrong type, or rejected by `problem`."""
        if (given := self._given.get(field)) is None:
            return None
        try:
            value = read_date(kind, given, self._moment)
        except Refused as refused:
            self._violations.append(Violation(field, refused.code, str(refused)))
            return None
        if wrong := problem(value):
            self._violations.append(Violation(field, "pattern" if kind is ParameterKind.STRING else "range", wrong))
            return None
        return value

    def _callback(self) -> str | None:
        """Check what the address alone can show; `check_callback` decides whether it may be notified."""
        if (given := self._given.get(CALLBACK)) is None:
            return None
        target = read_url(given, self._settings.egress)
        if isinstance(target, Target):
            return target.url
        self._violations.append(Violation(CALLBACK, "url", target))
        return None

    def _conditions(self) -> Sequence[Condition] | None:
        given = self._given.get(NOTIFY_WHEN)
        if given is not None and self._given.get(CALLBACK) is None:
            told = f"is about {CALLBACK}: name that, too; webhooks have conditions of their own"
            self._violations.append(Violation(NOTIFY_WHEN, "conflict", told))
        return read_conditions(given, figures_of(self._report), self._violations)

    def _run_at(self) -> datetime | None:
        most = self._settings.run_at_max_days

        def problem(run_at: datetime) -> str | None:
            if run_at <= self._now + timedelta(days=most):
                return None
            return f"must be within {most:g} days from now (JOB_RUN_AT_MAX_DAYS); for later ask later"

        run_at = cast("datetime | None", self._read("runAt", ParameterKind.DATETIME, problem))
        return run_at if run_at is not None and run_at > self._now else None

    def _not_after(self, begin: datetime) -> datetime | None:
        latest = begin + timedelta(seconds=self._settings.job_deadline_s)

        def problem(not_after: datetime) -> str | None:
            if not_after <= begin:
                return "must be later than now, and than runAt: the job would fail before it could run"
            if not_after > latest:
                return (
                    f"must be within {self._settings.job_deadline_s:g} s of now, or of runAt (JOB_DEADLINE_S), when "
                    "the job fails anyway; leave it out for that"
                )
            return None

        return cast("datetime | None", self._read("notAfter", ParameterKind.DATETIME, problem))

    def _attempts_problem(self, attempts: int) -> str | None:
        most = self._report.limits.max_attempts
        if 1 <= attempts <= most:
            return None
        return f"must be from 1 to {most}, the report type's own; leave it out for {most}"

    def _keep(self) -> tuple[int | None, int | None]:
        settings = self._settings
        files_s = self._seconds("keepFilesSeconds", LEAST_KEEP_FILES_S, settings.most_keep_artifacts_s)
        keep_s = self._seconds("keepSeconds", LEAST_KEEP_S, settings.most_keep_s)
        if files_s is not None and keep_s is not None and keep_s < files_s:
            message = "must be at least keepFilesSeconds: a job outlives its files"
            self._violations.append(Violation("keepSeconds", "range", message))
        return files_s, keep_s

    def _seconds(self, field: str, least: int, most: int) -> int | None:
        def problem(seconds: int) -> str | None:
            if field == "keepFilesSeconds" and not self._report.formats:
                return f"is for files, and {self._report.name} makes none: leave it out"
            return None if least <= seconds <= most else f"must be from {least} to {most} seconds after the job's end"

        return cast("int | None", self._read(field, ParameterKind.INTEGER, problem))

    def _name_problem(self, template: str) -> str | None:
        if not self._report.formats:
            return f"is for files, and {self._report.name} makes none: leave it out"
        if wrong := file_name.problem(template):
            return wrong
        name = Options(file_name=template).named(self._report, UUID(int=0)) or ""
        if len(name.encode()) > file_name.MAX_BYTES:
            return f"is too long: with its placeholders filled in it may have {file_name.MAX_BYTES} bytes in UTF-8"
        return None


def _priority_problem(priority: int) -> str | None:
    if 0 <= priority <= MOST_URGENT:
        return None
    return f"must be from 0 to {MOST_URGENT}, the most urgent; leave it out for {USUAL_PRIORITY}"
