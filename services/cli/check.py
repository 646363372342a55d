"""`todoke-server check`: try a catalog before it is deployed."""

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# The child processes that make the files need it: if it is missing, this import reports it before the first of them
# starts.
import shared.reports.render  # noqa: F401
from services.cli.audience import audience_notes
from services.cli.catalogs import chosen_catalog
from services.cli.code_output import print_what_code_prints
from services.cli.columns import column_notes, column_problems
from services.cli.errors import WrongCall
from services.cli.places import place, where_and_what
from services.cli.sources import chosen_sources, fonts_of
from shared.catalog.further import FOLDER
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import ReportKind, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.reports.answers import further_question
from shared.reports.explain import explain
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.process.child import render
from shared.reports.question import Question
from shared.reports.source_errors import of_query
from shared.reports.sources.open import open_source
from shared.schedules.files import read_schedule_files
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


@dataclass(frozen=True, slots=True)
class _Trial:
    """How every report type is tried."""

    settings: Mapping[str, object]
    """Values of parameters given by the caller."""
    urls: Mapping[str, str]
    """Source → its URL."""
    fonts: Path | None
    files: bool
    """True makes files, instead of only planning queries."""


def run(given: argparse.Namespace) -> int:
    """Try each report type and print one line for it, or one per problem. Returns 1 if there is a problem."""
    path = chosen_catalog(given.path)
    if (path / "report.toml").exists():
        raise WrongCall(f"{path} is a report type: name the folder that holds it, {path.resolve().parent}")
    try:
        catalog = load_catalog(path)
    except CatalogError as error:
        for problem in error.problems:
            print(problem)
        return 1
    if problems := read_schedule_files(path, catalog.types).problems:
        print("\n".join(problems))
        return 1
    chosen = _chosen(catalog.types, given.report)
    print_what_code_prints()
    settings = _values(given.set)
    _refuse_unknown(settings, chosen)
    urls = chosen_sources("check", os.environ)
    trial = _Trial(settings, urls, fonts_of(os.environ), files=not given.no_files)
    for note in audience_notes(catalog.types, chosen):
        print(note, file=sys.stderr)
    wrong = 0
    for report in chosen:
        problems = list(_try(report, trial))
        wrong += len(problems)
        print("\n".join(problems) if problems else f"{report.name}: {_fine(report)}")
    return 1 if wrong else 0


def _fine(report: ReportType) -> str:
    untried = report.kind is ReportKind.ANSWER
    return "its parameters are fine; an answer is made in the worker only, and was not tried" if untried else "fine"


def _chosen(types: Mapping[str, ReportType], names: Sequence[str]) -> Sequence[ReportType]:
    """Return the report types with these names, or all of them if no name is given. Raises WrongCall."""
    if unknown := [name for name in names if name not in types]:
        raise WrongCall(f"there is no report type {unknown[0]!r}{did_you_mean(unknown[0], types)}")
    return [report for name, report in types.items() if name in names or not names]


def _refuse_unknown(settings: Mapping[str, object], reports: Sequence[ReportType]) -> None:
    known = {parameter.name for report in reports for parameter in report.parameters}
    for name in settings:
        if name not in known:
            raise WrongCall(f"--set {name}=…: no report type has such a parameter{did_you_mean(name, sorted(known))}")


def _try(report: ReportType, trial: _Trial) -> Iterator[str]:
    """Yield the problems of one report type, one line each."""
    try:
        parameters = validate_parameters(report, {**_samples(report), **_known(report, trial.settings)})
    except InvalidParameters as error:
        for violation in error.violations:
            name = violation.field.removeprefix("parameters.")
            where = f"{place(report, 'report.toml')}: no sample for {violation.field}"
            yield f"{where}: {violation.message}: pass --set {name}=VALUE"
        return
    if report.kind is ReportKind.ANSWER:  # it reads no source and makes no file
        return
    url = trial.urls.get(report.source, "")
    with tempfile.TemporaryDirectory(prefix="todoke-check-") as folder:
        try:
            with open_source(url, Question(report, parameters), Path(folder)) as source:
                source.estimated_rows()
                names = [column.name for column in source.columns]
            of_further = dict(_further_names(report, url, parameters, Path(folder)))
        except Exception as error:  # noqa: BLE001 - whatever it is, explain() has words for it
            yield where_and_what(report, explain(error, report.limits))
            return
        yield from column_problems(report, names, of_further)
        for note in column_notes(report, names):
            print(note, file=sys.stderr)
        if trial.files:
            yield from _make_files(report, trial, parameters, Path(folder))


def _further_names(
    report: ReportType, url: str, parameters: Mapping[str, object], folder: Path
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the name of each further query with those of its columns."""
    for query in report.queries:
        question = further_question(Question(report, parameters), query)
        place = folder / query.name
        place.mkdir()
        try:
            with open_source(url, question, place) as source:
                yield query.name, [column.name for column in source.columns]
        except Exception as error:  # noqa: BLE001 - whatever it is, explain() has words for it
            raise of_query(explain(error, report.limits), f"{FOLDER}/{query.name}.sql") from None


def _make_files(report: ReportType, trial: _Trial, parameters: Mapping[str, object], folder: Path) -> Iterator[str]:
    """Make every format of the first rows, and of no rows, because a day without data is a report, too.

    Yield the problems.
    """
    told: dict[str, list[str]] = {}
    for rows in (_ROWS, 0):
        queries = tuple(replace(one, query=_first_rows(one.query, rows)) for one in report.queries)
        few = replace(report, query=_first_rows(report.query, rows), queries=queries)
        for format_ in report.formats:
            scratch = folder / f"{format_}-{rows}"
            scratch.mkdir()
            url = trial.urls.get(report.source, "")
            request = RenderRequest(few, parameters, (format_,), url, scratch, fonts=trial.fonts, first_rows=rows)
            try:
                _note_warnings(report, _render(request))
            except ReportError as error:
                of = told.setdefault(where_and_what(report, error), [])
                if format_ not in of:
                    of.append(format_ if rows else f"{format_} of no rows")
    for line, of in told.items():
        # A mistake in the query is one line, whatever was made from it.
        if len(of) >= len(report.formats) > 1:
            yield line
        else:
            at, _, message = line.partition(": ")
            yield f"{at}: {', '.join(of)}: {message}"


def _render(request: RenderRequest) -> Sequence[RenderedFile]:
    return render(request, deadline_s=_DEADLINE_S, on_progress=lambda _: None, cancel=threading.Event())


def _note_warnings(report: ReportType, files: Sequence[RenderedFile]) -> None:
    """Print what readers of the files should know, for example letters that no font has."""
    for warning in (warning for file in files for warning in file.warnings):
        letters = "; ".join(warning.characters)
        print(f"{place(report, 'report.toml')}: note: {warning.message} {letters}", file=sys.stderr)


def _first_rows(query: str, rows: int) -> str:
    """Return the query, limited to a few rows; its lines keep their numbers."""
    return f"SELECT * FROM ({query.strip().rstrip(';')}\n) AS sample LIMIT {rows}" if query else ""


def _samples(report: ReportType) -> dict[str, object]:
    """Return a value for each parameter that a request must give."""
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
            raise WrongCall(f"--set {one}: write --set NAME=VALUE")
        try:
            values[name] = json.loads(text)
        except (ValueError, RecursionError):
            values[name] = text
    return values


def _known(report: ReportType, given: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in given.items() if report.parameter(name)}
