"""Texts of others in the reader's language: those of a report type, as far as its folder has them, and violations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.api.console.texts import Texts
from shared.catalog.model import Locale, ReportType
from shared.catalog.parameters import Violation

_NONE = Locale()


def title(report: ReportType, language: str) -> str:
    """Return the report type's title."""
    return _locale(report, language).title or report.title


def description(report: ReportType, language: str) -> str:
    """Return the report type's description."""
    return _locale(report, language).description or report.description


def parameter_titles(report: ReportType, language: str) -> Mapping[str, str]:
    """Return the title of each parameter by its name, in their order."""
    translated = _locale(report, language).parameters
    return {p.name: translated.get(p.name) or p.title for p in report.parameters}


def column_titles(report: ReportType, language: str) -> Mapping[str, str]:
    """Return the title of each column by its name."""
    translated = _locale(report, language).columns
    return {name: translated.get(name) or column.title for name, column in report.columns.items()}


def violations(found: Sequence[Violation], texts: Texts) -> Sequence[Violation]:
    """Return the violations in the reader's language.

    The API's own words are English. For what they say there are often words in other languages; the others stand
    behind a few that say what it is about.
    """
    return [replace(one, message=_message(one, texts)) for one in found]


def _message(one: Violation, texts: Texts) -> str:
    if one.says and texts.has(key := f"violation_of.{one.says}"):
        return texts(key, message=one.message, **dict[str, Any](one.facts))
    key = f"violation.{one.code}"
    return texts(key, message=one.message) if texts.has(key) else one.message


def _locale(report: ReportType, language: str) -> Locale:
    return report.locales.get(language, _NONE)
