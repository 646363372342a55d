"""What dates in words, such as `start_of_last_month`, would be at a schedule's next tick."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from services.api.console import translated
from shared.catalog.model import ReportType
from shared.catalog.moment import Moment
from shared.catalog.relative_dates import evaluate, is_relative
from shared.catalog.values import Refused


class Resolved(NamedTuple):
    """A parameter, and the date that it would be."""

    title: str
    words: str
    value: date | datetime


def resolved(
    report: ReportType, language: str, parameters: Mapping[str, object], tick: datetime, zone: str
) -> Sequence[Resolved]:
    """Every date in words among the parameters, those of the report type's defaults too, at that tick."""
    titles, moment, found = translated.parameter_titles(report, language), Moment(tick, zone), []
    for parameter in report.parameters:
        words = parameters.get(parameter.name, parameter.default)
        if isinstance(words, str) and is_relative(words):
            try:
                found.append(Resolved(titles[parameter.name], words, evaluate(words, parameter.kind, moment)))
            except Refused:
                continue  # told beside its field when the form is sent
    return found
