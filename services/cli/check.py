"""`todoke check`: try a catalog before it is deployed."""

import json
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Parameter, ParameterKind, ReportKind, ReportType
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.toml import line_of
from shared.errors import TodokeError
from shared.reports.explain import explain
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.process.child import render
from shared.reports.sources.open import open_source
from shared.reports.sources.urls import sources_of
from shared.suggest import did_you_mean

_ROWS = 50
_DEADLINE_S = 120.0
_SAMPLES: Mapping[ParameterKind, object] = {
    ParameterKind.STRING: "x",
    ParameterKind.INTEGER: 1,
    ParameterKind.DECIMAL: "1",
    ParameterKind.BOOLEAN: True,
    ParameterKind.DATE: "2026-01-01",
    ParameterKind.DATETIME: "2026-01-01T00:00:00Z",
}


class CheckFailed(TodokeError):
    """Nothing could be tried."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to try."""

    reports: Sequence[str] = ()
    """Names; none means all."""
    settings: Sequence[str] = ()
    """`name=value` for parameters."""
    files: bool = True
    """Make files, not plans only."""


def check(path: Path, wanted: Wanted, environment: Mapping[str, str]) -> int:
    """Try each report type and print one line for it, or one for each problem. Returns 1 if there is a problem."""
    try:
        catalog = load_catalog(path)
    except CatalogError as error:
        for problem in error.problems:
            print(problem)  # noqa: T201
        return 1
    if unknown := [name for name in wanted.reports if name not in catalog.types]:
        raise CheckFailed(f"there is no report type {unknown[0]!r}{did_you_mean(unknown[0], catalog.types)}")
    settings = _values(wanted.settings)
    chosen = [report for name, report in catalog.types.items() if name in wanted.reports or not wanted.reports]
    _refuse_unknown(settings, chosen)
    urls = _sources(environment)
    fonts = Path(environment["REPORT_FONTS"]) if environment.get("REPORT_FONTS") else None
    wrong = 0
    for report in chosen:
        problems = list(_try(report, settings, urls, fonts, files=wanted.files))
        wrong += len(problems)
        print("\n".join(problems) if problems else f"{report.name}: fine")  # noqa: T201
    return 1 if wrong else 0


def _refuse_unknown(settings: Mapping[str, object], reports: Sequence[ReportType]) -> None:
    known = {parameter.name for report in reports for parameter in report.parameters}
    for name in settings:
        if name not in known:
            raise CheckFailed(f"--set {name}=…: no report type has such a parameter{did_you_mean(name, sorted(known))}")


def _sources(environment: Mapping[str, str]) -> Mapping[str, str]:
    try:
        return sources_of(environment)
    except ValueError as error:
        raise CheckFailed(f"REPORT_SOURCES: {error}") from None


def _try(
    report: ReportType, given: Mapping[str, object], urls: Mapping[str, str], fonts: Path | None, *, files: bool
) -> Iterator[str]:
    try:
        parameters = validate_parameters(report, {**_samples(report), **_known(report, given)})
    except InvalidParameters as error:
        for violation in error.violations:
            yield f"{_place(report, 'report.toml')}: no sample for {violation.field}: {violation.message}: pass --set"
        return
    url = urls.get(report.source, "")
    few = replace(report, query=_first_rows(report.query))
    with tempfile.TemporaryDirectory(prefix="todoke-check-") as folder:
        try:
            with open_source(url, report, parameters, Path(folder)) as source:
                source.estimated_rows()
        except Exception as error:  # noqa: BLE001 - whatever it is, explain() has words for it
            yield _line(report, explain(error, report.limits))
            return
        for format_ in report.formats if files else ():
            scratch = Path(folder) / format_
            scratch.mkdir()
            request = RenderRequest(few, parameters, (format_,), url, scratch, fonts=fonts, first_rows=_ROWS)
            try:
                render(request, deadline_s=_DEADLINE_S, on_progress=lambda _: None, cancel=threading.Event())
            except ReportError as error:
                yield _line(report, error, format_)


def _line(report: ReportType, error: ReportError, format_: str = "") -> str:
    of = f"{format_}: " if format_ else ""
    return f"{_file_and_line(report, error)}: {of}{error} {error.hint}".rstrip()


def _file_and_line(report: ReportType, error: ReportError) -> str:
    message = str(error)
    if found := re.search(r" in line (\d+) of query\.sql", message):
        return f"{_place(report, 'query.sql')}:{found[1]}"
    if found := re.search(r"The template (\S+) in line (\d+)", message):
        return f"{_place(report, found[1])}:{found[2]}"
    if found := re.search(r"The chart (\S+) could", message):
        return f"{_place(report, found[1])}:1"
    if found := re.search(r"The query of '(\S+)'", message):
        path = Path(_place(report, "report.toml"))
        kind = "charts" if any(c.name == found[1] for c in report.pdf.charts) else "tables"
        return f"{path}:{line_of(path.read_text(), 'pdf', kind, found[1], 'query')}"
    return _place(report, "report.toml") + (":1" if report.folder else "")


def _place(report: ReportType, name: str) -> str:
    if report.kind is not ReportKind.QUERY:
        return f"{report.name}, a Python report type"
    return str((report.folder or Path()) / name)


def _first_rows(query: str) -> str:
    """The query cut to a few rows, its lines where they were."""
    return f"SELECT * FROM ({query.strip().rstrip(';')}\n) AS sample LIMIT {_ROWS}"


def _samples(report: ReportType) -> dict[str, object]:
    """A value for each parameter that a request must give."""
    return {p.name: _sample(p) for p in report.parameters if p.required}


def _sample(parameter: Parameter) -> object:
    if parameter.kind is ParameterKind.LIST:
        item = parameter.choices[0] if parameter.choices else _SAMPLES.get(parameter.item_kind, "x")
        least = parameter.minimum if isinstance(parameter.minimum, int) else 1
        return [item] * max(1, least)
    if parameter.choices:
        return parameter.choices[0]
    if parameter.kind is ParameterKind.STRING:
        least = parameter.minimum if isinstance(parameter.minimum, int) else 1
        return "x" * max(1, least)
    return _SAMPLES[parameter.kind] if parameter.minimum is None else parameter.minimum


def _values(given: Sequence[str]) -> Mapping[str, object]:
    values = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise CheckFailed(f"--set {one}: write --set NAME=VALUE")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _known(report: ReportType, given: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in given.items() if report.parameter(name)}
