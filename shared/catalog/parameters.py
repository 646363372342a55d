"""Check what a request gives for a report type's parameters, and bring it into the form the job stores."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from shared.catalog.model import Parameter, ParameterKind, ReportType
from shared.errors import TodokeError
from shared.nearest import did_you_mean

_MAX_CHARACTERS = 1_000
"""Of one string, unless the parameter says otherwise: a filter, not a document."""
_MAX_ITEMS = 1_000
"""Of one list, unless the parameter says otherwise."""
_BIGINT = range(-(2**63), 2**63)
_MAX_DIGITS = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request."""

    field: str
    """Where: `parameters.from`, `parameters.carriers[2]`."""
    code: str
    message: str
    """What is wrong with the value, and what would be right."""


class InvalidParameters(TodokeError):
    """The parameters do not fit the report type. `violations` names every problem, not just the first."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))
        self.violations = violations


class ValueProblem(Exception):
    """One value does not fit its parameter; `at` is where inside a list."""

    def __init__(self, code: str, message: str, at: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.at = at


def validate_parameters(report: ReportType, given: Mapping[str, object]) -> dict[str, object]:
    """The parameters as JSON values with defaults filled in, one for every declared name. Raises InvalidParameters.

    Types are strict: true is not 1, and "5" is not 5. Decimals may come as number or string and are kept
    exact, as strings. Dates are ISO 8601; a datetime without an offset is UTC.
    """
    violations = [
        Violation(
            f"parameters.{name}",
            "unknown_parameter",
            f"{report.name} has no such parameter" + did_you_mean(name, [p.name for p in report.parameters]),
        )
        for name in given
        if report.parameter(name) is None
    ]
    values: dict[str, object] = {}
    for parameter in report.parameters:
        value = given.get(parameter.name)
        try:
            values[parameter.name] = _value(parameter, value)
        except ValueProblem as wrong:
            violations.append(Violation(f"parameters.{parameter.name}{wrong.at}", wrong.code, str(wrong)))
    if violations:
        raise InvalidParameters(violations)
    return values


def _value(parameter: Parameter, value: object) -> object:
    if value is None:
        if parameter.required:
            raise ValueProblem("required", f"is required: {parameter.title}")
        return parameter.default
    return normalise(parameter, value)


def normalise(parameter: Parameter, value: object) -> object:
    """One value in its stored form. Raises an exception with `code` and message when it does not fit."""
    if parameter.kind is not ParameterKind.LIST:
        return _scalar(parameter, parameter.kind, value)
    if not isinstance(value, list):
        raise ValueProblem("type", f"must be a list of {parameter.items}, not {_name(value)}")
    _bounds(parameter, len(value), "items", 0, _MAX_ITEMS)
    items = []
    for index, item in enumerate(value):
        try:
            items.append(_scalar(parameter, parameter.item_kind, item))
        except ValueProblem as wrong:
            raise ValueProblem(wrong.code, str(wrong), at=f"[{index}]") from None
    return items


def _scalar(parameter: Parameter, kind: ParameterKind, value: object) -> object:
    own = parameter.kind is kind  # a list's minimum and maximum count its items
    match kind:
        case ParameterKind.STRING:
            return _string(parameter, value, own)
        case ParameterKind.CHOICE:
            return _choice(parameter, value)
        case ParameterKind.INTEGER:
            return _integer(parameter, value, own)
        case ParameterKind.DECIMAL:
            return _decimal(parameter, value, own)
        case ParameterKind.BOOLEAN:
            if not isinstance(value, bool):
                raise ValueProblem("type", f"must be true or false, not {_name(value)}")
            return value
        case ParameterKind.DATE:
            return _date(parameter, value, own)
        case ParameterKind.DATETIME:
            return _datetime(parameter, value, own)
        case ParameterKind.LIST:
            raise AssertionError("a list holds no lists")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueProblem("type", f"must be a string, not {_name(value)}")
    if "\0" in value:
        raise ValueProblem("character", "contains U+0000, which PostgreSQL cannot hold: remove it")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueProblem("character", "contains half a surrogate pair, which is not text: send whole characters")
    return value


def _string(parameter: Parameter, value: object, own: bool) -> str:
    text = _text(value)
    if own:
        _bounds(parameter, len(text), "characters", 0, _MAX_CHARACTERS)
    elif len(text) > _MAX_CHARACTERS:
        raise ValueProblem("too_long", f"has {len(text)} characters; at most {_MAX_CHARACTERS} are allowed")
    if parameter.pattern is not None and re.fullmatch(parameter.pattern, text) is None:
        raise ValueProblem("pattern", f"must match the pattern {parameter.pattern}")
    return text


def _choice(parameter: Parameter, value: object) -> str:
    text = _text(value)
    if text not in parameter.choices:
        raise ValueProblem("choice", f"{_shown(text)} is not a choice" + did_you_mean(text, parameter.choices))
    return text


def _integer(parameter: Parameter, value: object, own: bool) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueProblem("type", f"must be a whole number, not {_name(value)}")
    if value not in _BIGINT:
        raise ValueProblem("range", "is beyond 64 bits")
    if own:
        _range(parameter, value, int)
    return value


def _decimal(parameter: Parameter, value: object, own: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueProblem("type", f"must be a number or a string of digits, not {_name(value)}")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueProblem("type", f"{_shown(value)} is not a decimal number: write it like 12.50") from None
    if not number.is_finite():
        raise ValueProblem("range", "must be a finite number")
    if len(number.as_tuple().digits) > _MAX_DIGITS or abs(number.adjusted()) > _MAX_DIGITS:
        raise ValueProblem("range", f"has more than {_MAX_DIGITS} digits")
    if own:
        _range(parameter, number, lambda bound: Decimal(str(bound)))
    return format(number, "f")


def _date(parameter: Parameter, value: object, own: bool) -> str:
    try:
        day = date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueProblem("date", f"{_shown(value)} is not a date: write it like 2013-01-31") from None
    if own:
        _range(parameter, day, lambda bound: date.fromisoformat(str(bound)))
    return day.isoformat()


def _datetime(parameter: Parameter, value: object, own: bool) -> str:
    def read(text: object) -> datetime:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)

    try:
        moment = read(value)
    except (ValueError, OverflowError):
        raise ValueProblem(
            "datetime", f"{_shown(value)} is not a date and time: write it like 2013-01-31T09:00:00+01:00"
        ) from None
    if own:
        _range(parameter, moment, read)
    return moment.isoformat()


def _range(parameter: Parameter, value, read) -> None:  # type: ignore[no-untyped-def] # any ordered type
    if parameter.minimum is not None and value < read(parameter.minimum):
        raise ValueProblem("minimum", f"must be at least {parameter.minimum}, not {value}")
    if parameter.maximum is not None and value > read(parameter.maximum):
        raise ValueProblem("maximum", f"must be at most {parameter.maximum}, not {value}")


def _bounds(parameter: Parameter, count: int, what: str, least: int, most: int) -> None:
    least = parameter.minimum if isinstance(parameter.minimum, int) else least
    most = parameter.maximum if isinstance(parameter.maximum, int) else most
    if count < least:
        raise ValueProblem("too_short", f"has {count} {what}; at least {least} are needed")
    if count > most:
        raise ValueProblem("too_long", f"has {count} {what}; at most {most} are allowed")


def _name(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return "null" if value is None else names.get(type(value), "this")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…'"
