"""Check what a schedule requests against the choices of its report type, as for a single request."""

from collections.abc import Awaitable, Callable, Mapping

from services.api.actions.checks import Wanted, check
from services.api.actions.choices import check_strict
from services.api.actions.errors import InvalidRequest, UnknownReportType
from services.api.actions.parts import Parts
from services.api.actions.schedule_request import ASKED, as_fields
from services.api.auth.principal import Principal
from shared.catalog.model import ReportType
from shared.schedules.schedule import Schedule


async def check_choices(
    parts: Parts,
    principal: Principal,
    given: Mapping[str, object],
    before: Callable[[], Awaitable[Schedule]] | None = None,
) -> None:
    """Refuse values that are not among the choices, where only those are allowed; `before` returns the schedule that is
    being changed.

    Other mistakes are reported by the code that reads the schedule. The source is asked outside any transaction, and
    only for report types with such a parameter. Raises InvalidRequest, ChoicesUnavailable and UnknownSchedule.
    """
    if not any(map(_is_strict, parts.catalog.types.values())):
        return
    if before is not None and not {"parameters", "reportType"} & given.keys():
        return
    fields = {**(as_fields((await before()).wanted) if before is not None else {}), **given}
    report = parts.catalog.types.get(str(fields.get("reportType")))
    if report is None or not _is_strict(report):
        return
    asked = {name: fields[name] for name in ASKED if fields.get(name) is not None}
    try:
        checked = check(Wanted(asked), principal, parts)
    except (InvalidRequest, UnknownReportType):
        return
    await check_strict(parts, principal, checked)


def _is_strict(report: ReportType) -> bool:
    return any(one.choice_query is not None and one.choice_query.strict for one in report.parameters)
