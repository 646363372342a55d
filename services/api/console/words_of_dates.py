"""The dates that relative dates, such as `start_of_last_month`, stand for at a schedule's next tick."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from services.api.console import translated
from shared.catalog.model import ReportType
from shared.catalog.moment import Moment
from shared.catalog.relative_dates import evaluate, is_relative
from shared.catalog.values import Refused


class Resolved(NamedTuple):
    """A parameter, and the date that it stands for."""

    title: str
    words: str
    value: date | datetime


def resolved(
    report: ReportType, language: str, parameters: Mapping[str, object], tick: datetime, zone: str
) -> Sequence[Resolved]:
    """Return every relative date among the parameters, including the report type's defaults, as of that tick."""
    titles, moment, found = translated.parameter_titles(report, language), Moment(tick, zone), []
    for parameter in report.parameters:
        words = parameters.get(parameter.name, parameter.default)
        if isinstance(words, str) and is_relative(words):
            try:
                found.append(Resolved(titles[parameter.name], words, evaluate(words, parameter.kind, moment)))
            except Refused:
                continue  # reported beside its field when the form is sent
    return found
