"""The folded part of a report type's form: in which zone, with which columns, how sorted, how a CSV is written."""

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
"""The fields of `csv` that the form offers; programs, which use the API, have all."""
_LISTS = ("columns", "sort")


@dataclass(frozen=True, slots=True)
class ShapeField:
    """One field of the shape as a form shows it."""

    name: str
    """Its name in the form: `s.` and the request's."""
    widget: str
    """text, number, checkboxes or select."""
    value: str
    """What is in it; of several, one per line."""
    choices: Sequence[tuple[str, str]] = ()
    """Value and title of each; a select has an empty one for the usual."""
    errors: Sequence[str] = ()


def fields_of(
    report: ReportType, language: str, values: Mapping[str, str], wrong: Mapping[str, Sequence[str]]
) -> list[ShapeField]:
    """The fields that the report type allows. `wrong` has the messages by the request's names."""
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
    """What the form has in each field of the shape, as texts."""
    names = ["timeZone", "locale", *_LISTS, "limit", *(f"csv.{name}" for name in _CSV)]
    return {f"s.{name}": "\n".join(one for one in form.many(f"s.{name}") if one) for name in names}


def as_entered(options: Mapping[str, Any] | None) -> dict[str, str]:
    """The texts that the fields have when a job with these options is asked for again."""
    found: dict[str, str] = {}
    for name in FIELDS:
        value = (options or {}).get(name)
        if isinstance(value, Mapping):
            found |= {f"s.{name}.{key}": _option(one)[0] for key, one in value.items()}
        elif value is not None:
            found[f"s.{name}"] = "\n".join(value) if isinstance(value, list) else str(value)
    return found


def asked(values: Mapping[str, str]) -> dict[str, object]:
    """The fields of a request that the texts stand for. An empty one is left out."""
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
