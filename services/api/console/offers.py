"""Choices from queries, for a form."""

import contextlib
from collections.abc import Mapping

from services.api.actions.choices import Asked, choices_of
from services.api.actions.errors import ChoicesUnavailable, InvalidRequest
from services.api.console.visit import Visit
from shared.catalog.choices import Choices
from shared.catalog.model import ReportType
from shared.catalog.schema import depends_on


async def offers_of(
    visit: Visit, report: ReportType, values: Mapping[str, str], zone: str | None
) -> dict[str, Choices]:
    """Return the choices from queries, by parameter; those not available now are left out, and the
    user types a value.
    """
    found: dict[str, Choices] = {}
    for parameter in report.parameters:
        if parameter.choice_query is None:
            continue
        given = [f"{n}:{one}" for n in depends_on(parameter) for one in values.get(f"p.{n}", "").split("\n") if one]
        asked = Asked(report.name, parameter.name, given, zone or None)
        with contextlib.suppress(ChoicesUnavailable, InvalidRequest):
            found[parameter.name] = await choices_of(visit.parts, visit.principal, asked)
    return found
