"""The filter of a list of jobs as it stands in a query, with every mistake reported at once."""

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from services.api.actions.errors import MOST_VIOLATIONS
from services.api.actions.labels import MOST, name_problem, value_problem
from shared.catalog.parameters import Violation
from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus
from shared.suggest import did_you_mean

AGO = r"-([0-9]{1,6})(s|m|h|d|w)"
"""A time before now."""
LASTED = r"([0-9]{1,6})(s|m|h|d|w)"
"""A duration."""
ID_BEGINS = r"[0-9a-fA-F]{4}(-?[0-9a-fA-F]){0,28}"
"""The beginning of a job's id, with or without hyphens."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+ -]\d\d:\d\d)", re.ASCII)
_LONGEST = 100
"""The most characters of a requester's name or an error's code."""


class Written(NamedTuple):
    """A filter as a client wrote it, by the names on the wire."""

    status: Sequence[str] | None = None
    reportType: str | None = None  # noqa: N815 - the wire's spelling
    label: Sequence[str] | None = None
    createdAfter: str | None = None  # noqa: N815
    createdBefore: str | None = None  # noqa: N815
    requester: str | None = None
    errorCode: str | None = None  # noqa: N815
    retryOf: str | None = None  # noqa: N815
    bulk: str | None = None
    schedule: str | None = None
    id: str | None = None
    """The beginning of an id, or the whole."""
    tookAtLeast: str | None = None  # noqa: N815

    @property
    def named(self) -> Mapping[str, object]:
        """What was given, by its name. The order of repeated values is ignored."""
        given = {name: value for name, value in self._asdict().items() if value}
        return {name: sorted(set(value)) if isinstance(value, list) else value for name, value in given.items()}


def read_filter(written: Written, violations: list[Violation]) -> JobFilter:
    """Return the filter. Mistakes are added to `violations`; the filter must not be used then."""
    for name in ("reportType", "requester", "errorCode"):
        _check_text(name, getattr(written, name), violations)
    return JobFilter(
        statuses=_statuses(written.status, violations),
        report_type=written.reportType,
        labels=_labels(written.label, violations),
        created_after=_moment("createdAfter", written.createdAfter, violations),
        created_before=_moment("createdBefore", written.createdBefore, violations),
        requester=written.requester,
        error_code=written.errorCode,
        retry_of=_id("retryOf", written.retryOf, "job", violations),
        bulk=_id("bulk", written.bulk, "bulk action", violations),
        schedule=_id("schedule", written.schedule, "schedule", violations),
        id_begins=_beginning(written.id, violations),
        took_s=_lasted("tookAtLeast", written.tookAtLeast, violations),
    )


def ago_in(written: Written) -> Mapping[str, str]:
    """Return those moments that are written relative to now, by their names in the filter."""
    given = {"created_after": written.createdAfter, "created_before": written.createdBefore}
    return {name: value for name, value in given.items() if value and re.fullmatch(AGO, value, re.ASCII)}


def _check_text(name: str, given: str | None, violations: list[Violation]) -> None:
    if given is None:
        return
    if "\0" in given:
        violations.append(Violation(name, "character", "contains U+0000"))
    elif len(given) > _LONGEST:
        violations.append(
            Violation(name, "too_long", f"has {len(given)} characters, but at most {_LONGEST} are allowed")
        )


def _statuses(given: Sequence[str] | None, violations: list[Violation]) -> list[JobStatus] | None:
    known = [str(s) for s in JobStatus]
    unknown = (name for name in given or [] if name not in known)
    violations.extend(
        Violation("status", "choice", f"{name[:40]!r} is not a state{did_you_mean(name[:40], known)}")
        for name in itertools.islice(unknown, MOST_VIOLATIONS)
    )
    return [JobStatus(name) for name in dict.fromkeys(given) if name in known] if given else None


def _labels(given: Sequence[str] | None, violations: list[Violation]) -> Mapping[str, str] | None:
    labels: dict[str, str] = {}
    for one in itertools.islice(dict.fromkeys(given or []), MOST_VIOLATIONS):
        name, colon, value = one.partition(":")
        if not colon:
            problem: str | None = f"{one[:100]!r} is not a label: write label=name:value, as in label=team:finance"
        else:
            problem = name_problem(name) or value_problem(value)
        if not problem and labels.setdefault(name, value) != value:
            problem = f"asks for two values of {name!r}: a job has one"
        if problem:
            violations.append(Violation("label", "label", problem))
    if len(labels) > MOST:
        violations.append(Violation("label", "too_long", f"has {len(labels)} labels, but a job has at most {MOST}"))
    return labels or None


def _moment(name: str, given: str | None, violations: list[Violation]) -> datetime | None:
    """Read a moment in the form of RFC 3339, or a time ago. A `+` that was decoded as a space is understood."""
    if given is None:
        return None
    try:
        if ago := re.fullmatch(AGO, given, re.ASCII):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _MOMENT.fullmatch(given):
            text = given[:10] + "T" + given[11:].replace(" ", "+")
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a 31st of February, or a moment long before the first year
    message = f"{given[:60]!r} is not a time: write 2026-01-31T12:00:00Z, with an offset, or a time ago such as -24h"
    violations.append(Violation(name, "date_time", message))
    return None


def _lasted(name: str, given: str | None, violations: list[Violation]) -> int | None:
    """Read a duration, in seconds."""
    if given is None:
        return None
    if lasted := re.fullmatch(LASTED, given, re.ASCII):
        return round(timedelta(**{_UNITS[lasted[2]]: int(lasted[1])}).total_seconds())
    message = f"{given[:60]!r} is not a length of time: write 30s, 5m or 2h"
    violations.append(Violation(name, "duration", message))
    return None


def _id(name: str, given: str | None, what: str, violations: list[Violation]) -> UUID | None:
    if given is None:
        return None
    try:
        return UUID(given)
    except ValueError:
        violations.append(Violation(name, "uuid", f"{given[:60]!r} is not the id of a {what}: give a UUID"))
        return None


def _beginning(given: str | None, violations: list[Violation]) -> str | None:
    """Read the beginning of an id, as its digits without hyphens."""
    if given is None or re.fullmatch(ID_BEGINS, given, re.ASCII):
        return given and given.replace("-", "").lower()
    message = f"{given[:60]!r} does not begin the id of a job: write at least 4 of its digits, as in 019acb2e-7c41"
    violations.append(Violation("id", "pattern", message))
    return None
