"""Say which values a parameter may have, given the values of others, and refuse other values where a type is strict."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import psycopg
from anyio import to_thread

from services.api.actions import visible
from services.api.actions.checks import Checked
from services.api.actions.errors import ChoicesUnavailable, InvalidRequest, NoChoices
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.scopes import Scope
from shared.catalog.asker import Asker
from shared.catalog.asking import POSTGRESQL, TIMEOUT_S, NoRole
from shared.catalog.choices import Choice, Choices, choices, not_among
from shared.catalog.model import ReportType
from shared.catalog.moment import Moment, zone_problem
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import Violation, check_value
from shared.catalog.schema import depends_on
from shared.catalog.shape import Shape
from shared.suggest import did_you_mean

_T = TypeVar("_T")
_MOST_WRONG = 20
"""Invalid values that are reported: finding a hint for each takes time."""


class Asked(NamedTuple):
    """The parameter whose choices are requested."""

    report_type: str
    parameter: str
    given: Sequence[str] = ()
    """Values of other parameters, as `name:value`; several with one name form a list."""
    time_zone: str | None = None


async def choices_of(parts: Parts, principal: Principal, asked: Asked) -> Choices:
    """Return the choices of a parameter for this principal, whether they are listed or come from its query.

    Raises UnknownReportType, NoChoices, InvalidRequest and ChoicesUnavailable.
    """
    principal.need(Scope.JOBS_CREATE)
    report = visible.report_type(parts.catalog, principal, asked.report_type)
    parameter = report.parameter(asked.parameter)
    if parameter is None or not (parameter.choices or parameter.choice_query):
        with_choices = [p.name for p in report.parameters if p.choices or p.choice_query]
        raise NoChoices(asked.report_type, asked.parameter, with_choices)
    values = _values(report, parameter, asked)
    if parameter.choice_query is None:
        return Choices([Choice(value, value) for value in parameter.choices], False)
    asker, shape = Asker(principal.tenant, principal.subject), Shape(asked.time_zone)
    key = (report.name, report.version, parameter.name, json_text.write(values), asker, shape)
    if (kept := parts.choices.get(key)) is not None:
        return kept
    found = await _ask(parts, report, partial(choices, _url(parts, report), report, parameter, values, asker, shape))
    parts.choices.keep(key, found)
    return found


async def check_strict(parts: Parts, principal: Principal, checked: Checked) -> None:
    """Refuse values that are not among the choices, where report.toml demands one of them.

    Raises InvalidRequest and ChoicesUnavailable. A type without such a parameter costs no query.
    """
    report = checked.report
    strict = [p for p in report.parameters if p.choice_query is not None and p.choice_query.strict]
    if not strict:
        return
    asker, url = Asker(principal.tenant, principal.subject), _url(parts, report)
    violations = []
    for parameter in strict:
        ask = partial(not_among, url, report, parameter, checked.parameters, asker, checked.shape)
        for value in (await _ask(parts, report, ask))[:20]:
            where = f"GET /v1/report-types/{report.name}/choices/{parameter.name} has them"
            message = f"{value[:60]!r} is not one of the choices: {where}"
            violations.append(Violation(f"parameters.{parameter.name}", "choice", message))
    if violations:
        raise InvalidRequest("A value is not among the choices.", violations)


def _values(report: ReportType, parameter: Parameter, asked: Asked) -> Mapping[str, object]:
    """Return the stored values of the parameters that the choices depend on. Raises InvalidRequest."""
    violations: list[Violation] = []
    if asked.time_zone is not None and (problem := zone_problem(asked.time_zone)):
        violations.append(Violation("timeZone", "unknown_time_zone", problem))
    known = depends_on(parameter)
    texts: dict[str, list[str]] = {}
    for one in asked.given:
        name, _, text = one.partition(":")
        if name in known:
            texts.setdefault(name, []).append(text)
        elif len(violations) < _MOST_WRONG:
            message = f"{name[:60]!r} is not a parameter that the choices depend on{did_you_mean(name[:60], known)}"
            violations.append(Violation("given", "unknown_parameter", message))
    moment = Moment.now("UTC" if violations else asked.time_zone or "UTC")
    values: dict[str, object] = {}
    for name in known:
        other = report.parameter(name)
        value = None if other is None else _value(other, texts.get(name, []))
        if other is not None and value is not None:
            values[name], wrong = check_value(other, value, f"given.{name}", moment)
            violations += wrong
    if violations:
        raise InvalidRequest("The query is not valid.", violations)
    return values


def _value(parameter: Parameter, texts: Sequence[str]) -> object:
    """Return the JSON value that the texts of a query string stand for; the default if there are none."""
    if not texts:
        return parameter.default
    if parameter.kind is ParameterKind.LIST:
        return [_item(parameter.item_kind, text) for text in texts]
    return _item(parameter.kind, texts[-1])


def _item(kind: ParameterKind, text: str) -> object:
    if kind is ParameterKind.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    if kind is ParameterKind.INTEGER and text.removeprefix("-").isdecimal() and len(text) < 40:
        return int(text)
    return text


def _url(parts: Parts, report: ReportType) -> str:
    url = parts.settings.sources.get(report.source, "")
    if not url.startswith(POSTGRESQL):
        raise ChoicesUnavailable("The API knows no PostgreSQL source for it: its operator sets REPORT_SOURCES.")
    return url


async def _ask(parts: Parts, report: ReportType, ask: Callable[[], _T]) -> _T:
    """Return the source's answer. It shares its places with the estimates. Raises ChoicesUnavailable."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await parts.estimating.acquire()
    except TimeoutError:
        raise ChoicesUnavailable("Others are asking the source. Try again.") from None
    try:
        return await to_thread.run_sync(ask)
    except NoRole:
        raise ChoicesUnavailable("The source has no role for your tenant.") from None
    except psycopg.Error as error:
        state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        raise ChoicesUnavailable(f"The source of {report.name} gave no choices within {TIMEOUT_S} s{state}.") from None
    finally:
        parts.estimating.release()
