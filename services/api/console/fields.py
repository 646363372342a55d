"""The form of a report type: one field per parameter, and the way back to the API's parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.api.console.translated import parameter_titles
from services.api.console.visit import Form
from shared import json_text
from shared.catalog.choices import Choices
from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import Violation

_RADIOS = 5
"""At most this many choices are shown at once."""
_MOST_OFFERED, _MOST_BOXES = 500, 60
"""The most choices of a query that a list, or check boxes, show. With more, the user types a value."""
_WHOLE = "parameters"
"""The field of a report type whose parameters are not all single values, or lists of them: one JSON object."""


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter as a form shows it."""

    name: str
    """Its name in the form: `p.` and the parameter's name. No other field begins with that prefix."""
    title: str
    help: str
    widget: str
    """text, password, number, decimal, date, datetime, words (for a date), radios, select, checkboxes, lines, json."""
    required: bool
    value: str
    """Its content; a list has one item per line."""
    choices: Sequence[str] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    """The titles of choices whose title differs from their value."""
    default: str = ""
    computed: bool = False
    """True if the source computes the default when the report runs."""
    bounds: str = ""
    """The text that states its bounds: new.between, new.least, new.most, each for values, characters or items; or
    none."""
    minimum: str = ""
    maximum: str = ""
    errors: Sequence[str] = field(default_factory=tuple)
    ahead: bool = False
    """True for a moment that usually lies in the future, for which buttons propose other moments."""


def fields_of(
    report: ReportType,
    language: str,
    values: Mapping[str, str],
    violations: Sequence[Violation],
    offers: Mapping[str, Choices],
) -> list[Field]:
    """Return the fields of the report type's form, with what was entered and its mistakes.

    `offers` are the choices that queries returned, by the parameter's name.
    """
    if not report.single_values:
        wrong = [f"{v.field}: {v.message}" for v in violations if v.field.startswith(_WHOLE)]
        required = any(parameter.required for parameter in report.parameters)
        return [Field("p", "", "", "json", required, values.get("p", "{}"), errors=wrong)]
    titles = parameter_titles(report, language)
    return [
        _field(_offered(parameter, offers, values), titles[parameter.name], values, violations, offers)
        for parameter in report.parameters
    ]


def _offered(parameter: Parameter, offers: Mapping[str, Choices], values: Mapping[str, str]) -> Parameter:
    """Return the parameter with the choices of its query, and with the value entered, which need not be among them."""
    offer = offers.get(parameter.name)
    if offer is None or offer.more or len(offer.found) > (_MOST_BOXES if parameter.items else _MOST_OFFERED):
        return parameter
    entered = [one for one in values.get(_name(parameter), "").split("\n") if one]
    return replace(parameter, choices=tuple(dict.fromkeys([*(c.value for c in offer.found), *entered])))


def entered(report: ReportType, form: Form) -> dict[str, str]:
    """Return the content of each field of the report type, as text."""
    if not report.single_values:
        return {"p": form.one("p")}
    return {_name(p): "\n".join(form.many(_name(p))) for p in report.parameters}


def as_entered(report: ReportType, parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the texts that the fields must have to request these parameters again."""
    if not report.single_values:
        return {"p": json_text.write(parameters or {p.name: p.default for p in report.parameters})}
    return {_name(p): _text(parameters.get(p.name)) for p in report.parameters}


def parameters_of(report: ReportType, values: Mapping[str, str]) -> tuple[dict[str, object], list[Violation]]:
    """Return the parameters that the texts stand for. An empty field is left out, so that its default applies."""
    if not report.single_values:
        return _whole(values.get("p", ""))
    found: dict[str, object] = {}
    for parameter in report.parameters:
        text = values.get(_name(parameter), "").strip("\r\n")
        if text.strip():
            found[parameter.name] = _value(parameter, text)
    return found, []


def _whole(text: str) -> tuple[dict[str, object], list[Violation]]:
    try:
        value = json_text.read(text.strip().encode() or b"{}")
    except ValueError as error:
        return {}, [Violation(_WHOLE, "malformed_json", f"is not JSON: {error}")]
    if not isinstance(value, dict):
        return {}, [Violation(_WHOLE, "type", 'must be an object such as {"name": "value"}')]
    return value, []


def _name(parameter: Parameter) -> str:
    return f"p.{parameter.name}"


def _field(
    parameter: Parameter,
    title: str,
    values: Mapping[str, str],
    violations: Sequence[Violation],
    offers: Mapping[str, Choices],
) -> Field:
    name, own = _name(parameter), f"parameters.{parameter.name}"
    return Field(
        name=name,
        title=title,
        help=parameter.description,
        widget=_widget(parameter),
        required=parameter.required,
        value=values.get(name, ""),
        choices=_choices(parameter),
        titles={c.value: c.title for c in offers[parameter.name].found} if parameter.name in offers else {},
        default=_text(parameter.default),
        computed=bool(parameter.default_query),
        bounds=_bounds(parameter),
        minimum="" if parameter.minimum is None else str(parameter.minimum),
        maximum="" if parameter.maximum is None else str(parameter.maximum),
        errors=[
            v.message if v.field == own else f"{v.field.removeprefix(own)} {v.message}"
            for v in violations
            if v.field == own or v.field.startswith((f"{own}[", f"{own}."))
        ],
    )


def _bounds(parameter: Parameter) -> str:
    """Return the key of the text that states the bounds of the value, of its characters or of its items."""
    low, high = parameter.minimum is not None, parameter.maximum is not None
    if not low and not high:
        return ""
    of = {ParameterKind.LIST: "_items", ParameterKind.STRING: "_characters"}.get(parameter.kind, "")
    return f"new.{'between' if low and high else 'least' if low else 'most'}{of}"


def _choices(parameter: Parameter) -> Sequence[str]:
    return ("true", "false") if parameter.kind is ParameterKind.BOOLEAN else parameter.choices


def _widget(parameter: Parameter) -> str:
    if parameter.kind is ParameterKind.LIST:
        return "checkboxes" if parameter.choices else "lines"
    if choices := _choices(parameter):
        return "radios" if len(choices) <= _RADIOS else "select"
    return _WIDGETS.get(parameter.kind, "text")


_WIDGETS = {
    ParameterKind.INTEGER: "number",
    ParameterKind.DECIMAL: "decimal",
    ParameterKind.DATE: "date",
    ParameterKind.DATETIME: "datetime",
}


def _value(parameter: Parameter, text: str) -> object:
    if parameter.kind is ParameterKind.LIST:
        return [_item(parameter.item_kind, line.strip()) for line in text.splitlines() if line.strip()]
    return _item(parameter.kind, text if parameter.kind is ParameterKind.STRING else text.strip())


def _item(kind: ParameterKind, text: str) -> object:
    """Return the JSON value. A text that stands for none stays a text, and the API reports the mistake."""
    if kind is ParameterKind.INTEGER:
        try:
            return int(text)
        except ValueError:
            return text
    if kind is ParameterKind.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    return text


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "\n".join(_text(one) for one in value)
    return ("false", "true")[value] if isinstance(value, bool) else str(value)
