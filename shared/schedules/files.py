"""Schedules as files: `_schedules/NAME.toml` in the catalog, each with its tenant and owner.

Report types skip a folder that begins with `_`. The content is what a client could request; the file's name identifies
the schedule, whatever is changed in it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.moment import Moment, zone_problem
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.report_file import parse_toml, read_text
from shared.catalog.toml import Table, TomlFile
from shared.schedules.schedule import Misfire, Overlap
from shared.schedules.timing import cron_problem
from shared.suggest import did_you_mean, did_you_mean_one_of

FOLDER = "_schedules"
_WIRE = {
    "name": "name", "report_type": "reportType", "parameters": "parameters", "formats": "formats", "labels": "labels",
    "cron": "cron", "every_seconds": "everySeconds", "time_zone": "timeZone", "until": "until",
    "jitter_seconds": "jitterSeconds", "misfire": "misfire", "misfire_most": "misfireMost", "overlap": "overlap",
    "file_name": "fileName", "priority": "priority", "max_attempts": "maxAttempts",
    "keep_files_seconds": "keepFilesSeconds", "keep_seconds": "keepSeconds", "callback_url": "callbackUrl",
    "notify_when": "notifyWhen", "locale": "locale", "columns": "columns", "sort": "sort", "limit": "limit",
}  # fmt: skip
"""The settings of a file, and the corresponding fields of a request."""
_TABLES = ("parameters", "labels")
_KEYS = ("tenant", "owner", *_WIRE)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")


class ScheduleFile(NamedTuple):
    """A schedule as its file defines it."""

    name: str
    """The file's name without `.toml`, which identifies the schedule."""
    tenant: str
    owner: str | None
    """The name of the API key that it acts with; None where no keys are required."""
    fields: Mapping[str, object]
    """The fields of a request that creates such a schedule."""
    digest: str


class FoundFiles(NamedTuple):
    """The files of a catalog: an invalid one keeps no other from being read."""

    right: Sequence[ScheduleFile]
    wrong: Mapping[str, Sequence[str]]
    """Each invalid file, by its name, with every mistake as `file:line: what is wrong: remedy`."""

    @property
    def problems(self) -> list[str]:
        """Every mistake in any of them."""
        return [problem for each in self.wrong.values() for problem in each]


def read_schedule_files(catalog: Path, types: Mapping[str, ReportType]) -> FoundFiles:
    """Return every schedule of the catalog's files, by name, and the mistakes of invalid files."""
    right, wrong = [], {}
    for path in sorted((catalog / FOLDER).glob("*.toml")):
        problems: list[str] = []
        found = _read(path, types, problems)
        if problems or found is None:
            wrong[path.stem] = problems
        else:
            right.append(found)
    return FoundFiles(right, wrong)


def _read(path: Path, types: Mapping[str, ReportType], problems: list[str]) -> ScheduleFile | None:
    text = read_text(path, problems, "restore it")
    if text is None:
        return None
    toml = TomlFile(path, text, problems)
    values = parse_toml(toml)
    if values is None:
        return None
    table = Table(toml, values)
    if not _NAME.fullmatch(path.stem):
        table.wrong("", "rename the file to lower-case letters, digits, hyphens and underscores")
    table.only(_KEYS)
    tenant, owner = table.text("tenant"), table.text("owner") or None
    if not tenant:
        table.wrong(
            "tenant",
            'is missing: write tenant = "…", whose schedule it is, or "default" where no API keys are asked for',
        )
    fields = {wire: _value(table, key) for key, wire in _WIRE.items() if key in table}
    fields.setdefault("name", path.stem)
    _check_timing(table)
    _check_report(table, fields, tenant, types)
    return ScheduleFile(path.stem, tenant, owner, fields, hashlib.sha256(text.encode()).hexdigest())


def _value(table: Table, key: str) -> object:
    if key in _TABLES:
        inner = table.table(key)
        return {name: inner.json(name) for name, _ in inner.items()}
    return table.json(key)


def _check_timing(table: Table) -> None:
    cron, zone = table.text("cron"), table.text("time_zone") or "UTC"
    if ("cron" in table) == ("every_seconds" in table):
        table.wrong("cron", 'write either cron = "0 7 * * MON" or every_seconds = 86400')
    if cron and (problem := cron_problem(cron)):
        table.wrong("cron", problem)
    if problem := zone_problem(zone):
        table.wrong("time_zone", problem)
    for key, choices in (("misfire", [*Misfire]), ("overlap", [*Overlap])):
        if (given := table.text(key)) and given not in choices:
            table.wrong(key, f"{given!r} is not one of {', '.join(choices)}{did_you_mean_one_of(given, choices)}")


def _check_report(table: Table, fields: Mapping[str, Any], tenant: str, types: Mapping[str, ReportType]) -> None:
    name = table.text("report_type")
    visible = [one for one, report in types.items() if report.may_be_asked_by(tenant, None)]
    if name not in visible:
        of = f" of the tenant {tenant!r}" if name in types else ""
        table.wrong("report_type", f"{name!r} is not a report type{of}{did_you_mean(name, visible)}")
        return
    report = types[name]
    offered = [*map(str, report.formats), BUNDLE]
    for one in table.strings("formats") or ():
        if one not in offered:
            table.wrong("formats", f"{name} makes no {one!r}{did_you_mean(one, offered)}")
    zone = table.text("time_zone") or "UTC"
    try:
        validate_parameters(report, fields.get("parameters") or {}, Moment.now("UTC" if zone_problem(zone) else zone))
    except InvalidParameters as error:
        for violation in error.violations:
            table.wrong("parameters", f"{violation.field.removeprefix('parameters.')}: {violation.message}")
