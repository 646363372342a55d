"""The form of a schedule: its timing, in simple terms or cron; what it requests; and how it treats unusual ticks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from services.api.actions.passwords import FIELD as PASSWORD
from services.api.actions.schedule_request import as_fields
from services.api.console import fields, option_fields, shape_form
from services.api.console.fields import Field
from services.api.console.visit import Form
from shared.catalog.choices import Choices
from shared.catalog.model import ReportType
from shared.catalog.parameters import Violation
from shared.schedules.schedule import Misfire, Overlap, Schedule

KINDS = ("day", "workdays", "week", "month", "cron", "every")
"""The ways to state the timing: the first four produce cron."""
WEEKDAYS = ("1", "2", "3", "4", "5", "6", "0")
"""Numbered as in cron, from Monday on."""
MONTH_DAYS = (*(str(n) for n in range(1, 32)), "L")
WORDS = (
    "today", "yesterday", "tomorrow", "start_of_week", "start_of_last_week", "end_of_last_week", "start_of_month",
    "start_of_last_month", "end_of_last_month", "start_of_last_quarter", "end_of_last_quarter", "start_of_year",
)  # fmt: skip
"""Relative dates that the form proposes; each tick resolves them anew."""
_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS = {"day": "*", "workdays": "1-5"}
_OWN = {"name": "name", "timeZone": "zone", "until": "until", "misfire": "misfire", "misfireMost": "misfireMost",
        "jitterSeconds": "jitter", "overlap": "overlap", "cron": "cron", "everySeconds": "minutes"}  # fmt: skip
"""Fields of the request that have a name of their own in the form."""
_USUAL = {"kind": "day", "time": "07:00", "weekday": "1", "day": "1", "zone": "UTC", "misfire": str(Misfire.RUN_ONCE),
          "overlap": str(Overlap.SKIP)}  # fmt: skip
_ENTERED = ("name", "kind", "time", "weekday", "day", "cron", "minutes", "zone", "until", "misfire", "misfireMost",
            "jitter", "overlap", "version")  # fmt: skip
_NOT_HERE = ("runAt", "notAfter", "callbackUrl", PASSWORD, option_fields.PROTECTED)


@cache
def zones() -> Sequence[str]:
    """Return every time zone that may be named."""
    return sorted(zone for zone in available_timezones() if not zone.startswith(("Etc/", "SystemV/", "posix")))


def entered(report: ReportType, form: Form) -> dict[str, str]:
    """Return the content of each field, as text."""
    own = {name: form.one(name).strip() for name in _ENTERED}
    formats = {"format": "\n".join(form.many("format"))}
    options = {f"o.{name}": text for name, text in option_fields.entered(form).items() if name not in _NOT_HERE}
    return {**fields.entered(report, form), **shape_form.entered(form), **options, **formats, **own}


def new(report: ReportType) -> dict[str, str]:
    """Return the form of a new schedule: daily, so that none is too frequent by accident."""
    usual = {"format": str(report.formats[0]) if report.formats else ""}
    return {**dict.fromkeys(_ENTERED, ""), **fields.as_entered(report, {}), **usual, **_USUAL}


def of_schedule(report: ReportType, schedule: Schedule) -> dict[str, str]:
    """Return the form filled in from the schedule as it was written."""
    wanted, timing = schedule.wanted, schedule.wanted.timing
    asked = as_fields(wanted)
    options = wanted.options or {}
    own = {
        "name": wanted.name, "zone": timing.zone, "until": str(asked["until"] or ""), "misfire": str(wanted.misfire),
        "misfireMost": str(wanted.misfire_most) if wanted.misfire is Misfire.RUN_ALL else "",
        "jitter": str(timing.jitter_s or ""), "overlap": str(wanted.overlap),
        "version": str(schedule.version), "format": "\n".join(wanted.formats),
        "o.priority": str(options.get("priority", "")), "o.fileName": str(options.get("fileName") or ""),
        "o.labels": "\n".join(f"{name}: {value}" for name, value in (wanted.labels or {}).items()),
    }  # fmt: skip
    return {
        **new(report), **fields.as_entered(report, wanted.parameters), **shape_form.as_entered(options), **own,
        **_when(timing.cron, timing.every_s),
    }  # fmt: skip


def asked(report: ReportType, values: Mapping[str, str]) -> tuple[dict[str, Any], list[Violation]]:
    """Return the request that the form makes, as the API takes it; null for fields that the form
    shows but are empty.
    """
    parameters, wrong = fields.parameters_of(report, values)
    options, more = option_fields.options_of({name[2:]: text for name, text in values.items() if name[:2] == "o."})
    timed, late = _timed(values)
    shape = {name: value for name, value in shape_form.asked(values).items() if name != "timeZone"}
    shown = dict.fromkeys(("labels", "priority", "fileName", "locale", "columns", "sort", "limit", "csv"))
    return {
        "name": values["name"] or None,
        "reportType": report.name,
        "parameters": parameters,
        "formats": values["format"].split("\n") if values["format"] else None,
        **shown, **options, **shape, **timed,
        "timeZone": values["zone"] or None,
        "until": values["until"] or None,
        "misfire": values["misfire"] or None,
        "misfireMost": _number(values["misfireMost"]) if values["misfire"] == Misfire.RUN_ALL else None,
        "jitterSeconds": _number(values["jitter"]),
        "overlap": values["overlap"] or None,
    }, [*wrong, *more, *late]  # fmt: skip


def context(
    report: ReportType,
    language: str,
    texts: Any,
    values: Mapping[str, str],
    violations: Sequence[Violation],
    offers: Mapping[str, Choices],
) -> dict[str, Any]:
    """Return the template context of the form."""
    wrong: dict[str, list[str]] = {}
    for violation in violations:
        wrong.setdefault(_OWN.get(violation.field, violation.field), []).append(violation.message)
    parameters = [_in_words(one) for one in fields.fields_of(report, language, values, violations, offers)]
    shape = [one for one in shape_form.fields_of(report, language, values, wrong) if one.name != "s.timeZone"]
    given = {name[2:]: text for name, text in values.items() if name[:2] == "o."}
    options = [one for one in option_fields.option_fields(given, violations, texts) if one.name[2:] not in _NOT_HERE]
    beside = {error for each in (*parameters, *options) for error in each.errors}
    beside |= {error for one in shape for error in one.errors}
    return {
        "fields": parameters, "shape": shape, "options": options, "own": values, "wrong": wrong,
        "shape_open": any(one.value or one.errors for one in shape),
        "elsewhere": [v for v in violations if v.field not in _OWN and v.message not in beside],
        "kinds": KINDS, "weekdays": WEEKDAYS, "month_days": MONTH_DAYS, "zones": zones(), "words": WORDS,
        "misfires": list(Misfire), "overlaps": list(Overlap),
    }  # fmt: skip


def _in_words(field: Field) -> Field:
    """Let a date be entered in words: a schedule needs relative dates, which a calendar control cannot hold."""
    return replace(field, widget="words") if field.widget in ("date", "datetime") else field


def _timed(values: Mapping[str, str]) -> tuple[dict[str, Any], list[Violation]]:
    kind = values["kind"]
    if kind == "cron":
        return {"cron": values["cron"] or None, "everySeconds": None}, []
    if kind == "every":
        minutes = _number(values["minutes"])
        seconds = minutes * 60 if isinstance(minutes, int) else minutes
        return {"cron": None, "everySeconds": seconds}, []
    time = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00)?", values["time"])
    if time is None:
        return {"cron": None, "everySeconds": None}, [Violation("time", "time", "must be a time such as 07:00")]
    hour, minute = int(time[1]), int(time[2])
    if kind == "month":
        day = values["day"] if values["day"] in MONTH_DAYS else "1"
        return {"cron": f"{minute} {hour} {day} * *", "everySeconds": None}, []
    weekday = values["weekday"] if values["weekday"] in WEEKDAYS else "1"
    return {"cron": f"{minute} {hour} * * {_DAYS.get(kind, weekday)}", "everySeconds": None}, []


def _when(cron: str | None, every_s: int | None) -> dict[str, str]:
    """Return how the form states this timing: in simple terms where possible."""
    if every_s is not None and every_s % 60 == 0:
        return {"kind": "every", "minutes": str(every_s // 60)}
    told = {"kind": "cron", "cron": cron or ""}
    numbered = re.sub("|".join(_NAMES), lambda name: str(_NAMES.index(name[0])), (cron or "").upper())
    simple = re.fullmatch(r"([0-9]{1,2}) ([0-9]{1,2}) (\*|[0-9]{1,2}|L) \* (\*|1-5|[0-6])", numbered)
    if simple is None:
        return told
    minute, hour, day, weekday = simple.groups()
    at = {"time": f"{int(hour):02}:{int(minute):02}", "cron": cron or ""}
    if day != "*":
        return {**at, "kind": "month", "day": day} if weekday == "*" else told
    kind = {"*": "day", "1-5": "workdays"}.get(weekday, "week")
    return {**at, "kind": kind, "weekday": weekday if kind == "week" else "1"}


def _number(text: str) -> int | str | None:
    """Return the number; a text that is none is sent as it is, because the API explains the mistake best."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text or None
