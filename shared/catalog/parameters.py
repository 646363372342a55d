"""Turns the parameters of a client into those that the job stores, or gives every reason why it cannot."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import cast

from pydantic import BaseModel, ValidationError

from shared.catalog.model import ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.pattern import matches
from shared.catalog.pydantic_words import said_by_pydantic, worded
from shared.catalog.relative_dates import REMEDY, evaluate, is_relative
from shared.catalog.values import Refused, parse, show, store
from shared.errors import TodokeError
from shared.suggest import did_you_mean

MAX_CHARACTERS = 1000
"""The default `max` of a string, in characters: enough for a name or a search text, not for a document."""

MAX_ITEMS = 1000
"""The default `max` of a list, in items: a query with that many literals still parses in milliseconds."""

_MOST_WRONG = 20
"""Unknown names and wrong items that are explained one by one, so that junk causes neither a huge answer nor long
work."""
_MOST_OF_A_MODEL = 100
"""How many mistakes found by pydantic are reported."""


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request."""

    field: str
    """Where it is: `parameters.from`, `parameters.carriers[2]`."""
    code: str
    """What it is, for programs: unknown_parameter, required, type, range, minimum, too_long, choice, pattern, …"""
    message: str
    """What it is and what to do about it, for people."""
    says: str = ""
    """What the message says, for translations: required, date, minimum, …; empty for all others."""
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict, compare=False)
    """The bounds and names in it."""

    @classmethod
    def of(cls, where: str, refused: Refused) -> "Violation":
        """Return what is wrong there: the value that was refused."""
        return cls(where, refused.code, str(refused), refused.says, refused.facts)


class InvalidParameters(TodokeError):
    """The request does not fit the report type. `violations` has every mistake, not just the first."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.message}" for v in violations))
        self.violations = violations


def validate_parameters(
    report: ReportType, given: Mapping[str, object], moment: Moment | None = None
) -> dict[str, object]:
    """Return the parameters as the job stores them: a canonical JSON value for every declared name, defaults filled in.

    Null means "left out". A parameter that was left out and has no default is stored as None, and the query sees NULL.
    Words such as `yesterday` become the date that they stand for at `moment`, or now in UTC if it is None. Validating
    the result again returns it unchanged. Raises InvalidParameters with every violation.
    """
    moment = moment or Moment.now()
    if report.parameter_model is not None:
        return _by_model(report, report.parameter_model, given, moment)
    violations = list(_unknown(report, given))
    stored: dict[str, object] = {}
    for parameter in report.parameters:
        field = f"parameters.{parameter.name}"
        value = given.get(parameter.name)
        if value is None and parameter.required:
            violations.append(Violation(field, "required", f"is required: {describe(parameter)}", "required"))
            continue
        value = parameter.default if value is None else value
        if value is None:
            stored[parameter.name] = None
            continue
        stored[parameter.name], wrong = check_value(parameter, value, field, moment)
        violations += wrong
    if violations:
        raise InvalidParameters(violations)
    return stored


def words_in(report: ReportType, given: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters whose value, given or default, is in words such as `yesterday`: name → the words."""
    asked = ((p, p.default if given.get(p.name) is None else given[p.name]) for p in report.parameters)
    return {p.name: value for p, value in asked if has_words(p, value)}


def has_words(parameter: Parameter, value: object) -> bool:
    """True if the value of a date, or one in a list of dates, is in words."""
    kind = parameter.items if parameter.kind is ParameterKind.LIST else parameter.kind
    if kind not in {ParameterKind.DATE, ParameterKind.DATETIME}:
        return False
    return any(map(is_relative, value)) if isinstance(value, list | tuple) else is_relative(value)


def _by_model(
    report: ReportType, model: type[BaseModel], given: Mapping[str, object], moment: Moment
) -> dict[str, object]:
    """Return the parameters as a Python report type's own model accepts them. Raises InvalidParameters."""
    present = {name: value for name, value in given.items() if value is not None}
    fields = list(model.model_fields)
    unknown = dict.fromkeys(name for name in present if name not in fields)
    violations = [
        Violation(f"parameters.{name[:100]}", "unknown_parameter", f"is unknown{did_you_mean(name[:100], fields)}")
        for name in islice(unknown, _MOST_WRONG)
    ]
    known = {name: value for name, value in present.items() if name not in unknown}
    wrong_words = _put_dates(report, known, moment)
    try:
        accepted = model.model_validate_json(json.dumps(known))
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        for problem in problems[:_MOST_OF_A_MODEL]:
            if not wrong_words.keys() & problem["loc"][:1]:
                field = ".".join(["parameters", *(str(part) for part in problem["loc"])])
                says, facts = said_by_pydantic(problem["type"], problem.get("ctx", {}))
                violations.append(
                    Violation(field, problem["type"], worded(problem["type"], problem["msg"]), says, facts)
                )
    violations += wrong_words.values()
    if violations:
        raise InvalidParameters(violations)
    return dict(accepted.model_dump(mode="json"))


def _put_dates(report: ReportType, given: dict[str, object], moment: Moment) -> dict[str, Violation]:
    """Replace words, also those of defaults, by the dates that they stand for. Returns mistakes: name → violation."""
    wrong = {}
    for parameter in report.parameters:
        kind = parameter.items or parameter.kind
        usual = parameter.default if has_words(parameter, parameter.default) else None
        value = given.get(parameter.name, usual)
        if value is None or kind not in {ParameterKind.DATE, ParameterKind.DATETIME}:
            continue
        try:
            dates = [_date_in_words(kind, one, moment) for one in (value if isinstance(value, list) else [value])]
        except Refused as refused:
            wrong[parameter.name] = Violation.of(f"parameters.{parameter.name}", refused)
            continue
        given[parameter.name] = dates if isinstance(value, list) else dates[0]
    return wrong


def _date_in_words(kind: ParameterKind, value: object, moment: Moment) -> object:
    """The date as JSON, if the value is words; whatever else it is, the model will say."""
    words = isinstance(value, str) and value[:1].isalpha()
    return store(kind, read_date(kind, value, moment)) if words else value


def check_value(parameter: Parameter, value: object, field: str, moment: Moment) -> tuple[object, list[Violation]]:
    """Return the canonical form of one value, and what is wrong with it; if anything is, ignore the form."""
    if parameter.kind is ParameterKind.LIST:
        return _check_list(parameter, value, field, moment)
    try:
        meant = read_date(parameter.kind, value, moment)
        _check_bounds(parameter, meant)
        _check_text(parameter, meant)
    except Refused as refused:
        return None, [Violation.of(field, refused)]
    return store(parameter.kind, meant), []


def read_date(kind: ParameterKind, value: object, moment: Moment) -> object:
    """Return the Python value as `parse` does, or the date that words stand for at `moment`. Raises Refused."""
    if kind in {ParameterKind.DATE, ParameterKind.DATETIME} and isinstance(value, str):
        if is_relative(value):
            return evaluate(value, kind, moment)
        if value[:1].isalpha():
            says = "date" if kind is ParameterKind.DATE else "datetime"
            raise Refused("type", f"must be a date or a relative date, {REMEDY}; not {show(value)}", says)
    return parse(kind, value)


def describe(parameter: Parameter) -> str:
    """Name the parameter's title and type in a few words, for messages."""
    kind = f"list of {item_of(parameter).kind}s" if parameter.kind is ParameterKind.LIST else str(parameter.kind)
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    return f"{parameter.title}, a {kind}{choices}"


def item_of(parameter: Parameter) -> Parameter:
    """Return what each item of a list must be.

    Pattern and choices apply to the item; min and max applied to the list.
    """
    return Parameter(
        name=parameter.name,
        kind=parameter.item_kind,
        title=parameter.title,
        pattern=parameter.pattern,
        choices=parameter.choices,
        choice_query=parameter.choice_query,
    )


def _unknown(report: ReportType, given: Mapping[str, object]) -> Iterator[Violation]:
    names = [p.name for p in report.parameters]
    unknown = [name for name in given if name not in names]
    for name in unknown[:_MOST_WRONG]:
        # The name goes back to the client inside JSON, and an unpaired surrogate would break the answer.
        short = name[:100].encode("utf-8", "backslashreplace").decode()
        message = f"report type {report.name!r} has no such parameter{did_you_mean(short, names)}"
        yield Violation(f"parameters.{short}", "unknown_parameter", message)
    if len(unknown) > _MOST_WRONG:
        message = f"{len(unknown) - _MOST_WRONG} more unknown parameters{did_you_mean('', names)}"
        yield Violation("parameters", "unknown_parameter", message)


def _check_list(parameter: Parameter, value: object, field: str, moment: Moment) -> tuple[object, list[Violation]]:
    if not isinstance(value, list | tuple):
        return None, [Violation(field, "type", f"must be a list such as [...], not {show(value)}")]
    fewest = cast("int", parameter.minimum or 0)
    most = MAX_ITEMS if parameter.maximum is None else cast("int", parameter.maximum)
    if len(value) < fewest:
        return None, [
            Violation(
                field, "too_short", f"must have at least {fewest} items, not {len(value)}", "too_few", {"least": fewest}
            )
        ]
    if len(value) > most:
        # The items are not read: a million of them must not become a million violations.
        return None, [
            Violation(
                field, "too_long", f"must have at most {most} items, not {len(value)}", "too_many", {"most": most}
            )
        ]
    item = item_of(parameter)
    found: list[object] = []
    wrong: list[Violation] = []
    for index, one in enumerate(value):
        if len(wrong) >= _MOST_WRONG:
            wrong.append(Violation(field, wrong[-1].code, "has more items, which were not checked"))
            break
        stored, problems = check_value(item, one, f"{field}[{index}]", moment)
        found.append(stored)
        wrong += problems
    return found, wrong


def _check_bounds(parameter: Parameter, meant: object) -> None:
    minimum, maximum = parameter.minimum, parameter.maximum
    if isinstance(meant, str):
        fewest = cast("int", minimum or 0)
        most = MAX_CHARACTERS if maximum is None else cast("int", maximum)
        if len(meant) < fewest:
            raise Refused(
                "too_short", f"must have at least {fewest} characters, not {len(meant)}", "too_short", least=fewest
            )
        if len(meant) > most:
            raise Refused("too_long", f"must have at most {most} characters, not {len(meant)}", "too_long", most=most)
        return
    # Bounds are stored as JSON, so both sides are parsed alike: dates compare as dates, decimals exactly.
    if minimum is not None and _less(meant, parse(parameter.kind, minimum)):
        raise Refused(
            "minimum", f"must be {minimum} or more, not {show(store(parameter.kind, meant))}", "minimum", least=minimum
        )
    if maximum is not None and _less(parse(parameter.kind, maximum), meant):
        raise Refused(
            "maximum", f"must be {maximum} or less, not {show(store(parameter.kind, meant))}", "maximum", most=maximum
        )


def _less(left: object, right: object) -> bool:
    return bool(left < right)  # type: ignore[operator] # both came from the parser of one kind


def _check_text(parameter: Parameter, meant: object) -> None:
    if not isinstance(meant, str):
        return
    if parameter.kind is ParameterKind.CHOICE and not parameter.choice_query and meant not in parameter.choices:
        raise Refused(
            "choice",
            f"{show(meant)} is not one of the choices{did_you_mean(meant[:100], parameter.choices)}",
            "choice",
            choices=", ".join(parameter.choices[:20]),
        )
    if parameter.pattern is not None and not matches(parameter.pattern, meant):
        raise Refused(
            "pattern",
            f"{show(meant)} does not match the pattern {parameter.pattern}",
            "pattern",
            pattern=parameter.pattern,
        )
