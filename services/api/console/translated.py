"""What others say in the reader's language: a report type's own texts, as far as its folder has them; violations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.api.console.texts import Texts
from shared.catalog.model import Locale, ReportType
from shared.catalog.parameters import Violation

_NONE = Locale()


def title(report: ReportType, language: str) -> str:
    """What the report type is called."""
    return _locale(report, language).title or report.title


def description(report: ReportType, language: str) -> str:
    """What it is about."""
    return _locale(report, language).description or report.description


def parameter_titles(report: ReportType, language: str) -> Mapping[str, str]:
    """What each of its parameters is called, by name, in their order."""
    translated = _locale(report, language).parameters
    return {p.name: translated.get(p.name) or p.title for p in report.parameters}


def column_titles(report: ReportType, language: str) -> Mapping[str, str]:
    """What each of its columns is called, by name."""
    translated = _locale(report, language).columns
    return {name: translated.get(name) or column.title for name, column in report.columns.items()}


def violations(found: Sequence[Violation], texts: Texts) -> Sequence[Violation]:
    """What is wrong, in words of the reader's language. The API's own, which name values and bounds, stand behind."""
    return [
        replace(one, message=texts(f"violation.{one.code}", message=one.message))
        if texts.has(f"violation.{one.code}")
        else one
        for one in found
    ]


def _locale(report: ReportType, language: str) -> Locale:
    return report.locales.get(language, _NONE)
