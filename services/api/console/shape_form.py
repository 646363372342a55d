"""The collapsed part of a report type's form: time zone, columns, sorting, and how a CSV is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.api.console.translated import column_titles
from services.api.console.visit import Form
from shared.catalog.csv_dialect import REQUEST
from shared.catalog.locales import languages
from shared.catalog.model import Format, ReportType
from shared.catalog.shape import FIELDS

_CSV = ("delimiter", "decimalMark", "header", "encoding", "formulaGuard", "gzip")
"""The fields of `csv` that the form offers; the API has all of them."""
_LISTS = ("columns", "sort")


@dataclass(frozen=True, slots=True)
class ShapeField:
    """One field of the shape as a form shows it."""

    name: str
    """Its name in the form: `s.` and the request's field."""
    widget: str
    """text, number, checkboxes or select."""
    value: str
    """Its content; several values have one per line."""
    choices: Sequence[tuple[str, str]] = ()
    """Value and title of each; a select has an empty choice for the default."""
    errors: Sequence[str] = ()


def fields_of(
    report: ReportType, language: str, values: Mapping[str, str], wrong: Mapping[str, Sequence[str]]
) -> list[ShapeField]:
    """Return the fields that the report type allows. `wrong` has the messages by the request's field names."""
    if not report.formats:
        return []
    titles = [(name, title) for name, title in column_titles(report, language).items()]
    sorts = [(f"{sign}{name}", f"{title} {arrow}") for name, title in titles for sign, arrow in (("", "↑"), ("-", "↓"))]
    widgets: dict[str, tuple[str, Sequence[tuple[str, str]]]] = {"timeZone": ("text", ()), "limit": ("number", ())}
    if len(spoken := languages(report)) > 1:
        widgets["locale"] = ("select", [_option(one) for one in spoken])
    if titles:
        widgets |= {"columns": ("checkboxes", titles), "sort": ("select", sorts)}
    if Format.CSV in report.formats and "csv" not in report.options.forbid:
        widgets |= {f"csv.{name}": ("select", [_option(one) for one in REQUEST[name]]) for name in _CSV}
    shown = [
        name
        for name in ("timeZone", "locale", "columns", "sort", "limit", *(f"csv.{n}" for n in _CSV))
        if name in widgets
    ]
    return [
        ShapeField(f"s.{name}", widgets[name][0], values.get(f"s.{name}", ""), widgets[name][1], _errors(name, wrong))
        for name in shown
        if name not in report.options.forbid
    ]


def entered(form: Form) -> dict[str, str]:
    """Return the content of each field of the shape, as text."""
    names = ["timeZone", "locale", *_LISTS, "limit", *(f"csv.{name}" for name in _CSV)]
    return {f"s.{name}": "\n".join(one for one in form.many(f"s.{name}") if one) for name in names}


def as_entered(options: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the texts that the fields must have to request a job with these options again."""
    found: dict[str, str] = {}
    for name in FIELDS:
        value = (options or {}).get(name)
        if isinstance(value, Mapping):
            found |= {f"s.{name}.{key}": _option(one)[0] for key, one in value.items()}
        elif value is not None:
            found[f"s.{name}"] = "\n".join(value) if isinstance(value, list) else str(value)
    return found


def asked(values: Mapping[str, str]) -> dict[str, object]:
    """Return the fields of a request that the texts stand for. Empty ones are left out."""
    found: dict[str, object] = {}
    given = {name.removeprefix("s."): text.strip() for name, text in values.items() if name.startswith("s.")}
    for name, text in given.items():
        if not text or name.startswith("csv."):
            continue
        whole = name == "limit" and text.isdecimal() and len(text) < 20
        found[name] = text.split("\n") if name in _LISTS else int(text) if whole else text
    dialect = {name: _meant(name, given[f"csv.{name}"]) for name in _CSV if given.get(f"csv.{name}")}
    return {**found, "csv": dialect} if dialect else found


def _option(value: object) -> tuple[str, str]:
    text = ("false", "true")[value] if isinstance(value, bool) else "tab" if value == "\t" else str(value)
    return text, text


def _meant(name: str, text: str) -> object:
    return next((one for one in REQUEST[name] if _option(one)[0] == text), text)


def _errors(name: str, wrong: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return [one for field, messages in wrong.items() if field.partition("[")[0] == name for one in messages]
