"""`todoke-server render`: a report made on this machine as a worker makes it, and again whenever its files change."""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A report's process needs it: if it is missing, this import reports it before the first process starts.
import shared.reports.render  # noqa: F401
from services.cli import made
from services.cli.catalogs import chosen_catalog
from services.cli.code_output import print_what_code_prints
from services.cli.errors import WrongCall
from services.cli.parameters import read_parameters
from services.cli.places import where_and_what
from services.cli.shapes import shape_of
from services.cli.sources import chosen_sources, fonts_of
from services.cli.watching import Changes, begin_anew
from shared.catalog.asker import Asker
from shared.catalog.load import BUILTIN, CatalogError, load_catalog
from shared.catalog.model import BUNDLE, Format, ReportKind, ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.python_report import code_of
from shared.catalog.shape import Shape
from shared.reports.explain import explain
from shared.reports.interface import RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.process.child import render
from shared.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the call requests, as far as it does not depend on the catalog's files."""

    given: argparse.Namespace
    catalog: Path
    urls: Mapping[str, str]
    fonts: Path | None

    @property
    def asker(self) -> Asker:
        return Asker(self.given.tenant, self.given.requester, self.given.scopes)


def run(given: argparse.Namespace) -> int:
    """Make the report, and continue with `--watch` until Ctrl-C. Returns 1 if it could not be made.

    Raises WrongCall for a report type, a parameter or a format that does not exist.
    """
    print_what_code_prints()
    catalog = chosen_catalog(given.catalog)
    if given.catalog is None and not os.environ.get("CATALOG_PATH") and not catalog.exists():
        catalog = BUILTIN
    wish = _Wish(given, catalog, chosen_sources("render", os.environ, given.source), fonts_of(os.environ))
    if not given.watch:
        return _once(wish, threading.Event())
    try:
        return _watch(wish)
    except KeyboardInterrupt:
        return 0


def _watch(wish: _Wish) -> int:
    """Make the report now and after each change. Returns only by KeyboardInterrupt."""
    code = code_of(wish.given.type)
    changes = Changes([wish.catalog, *([code] if code else [])])
    while True:
        try:
            _once(wish, changes.happened)
        except WrongCall as error:  # the next change may add what is missing
            print(error, file=sys.stderr)
        wish.given.open = False
        made.say(f"watching {', '.join(map(str, changes.paths))}; Ctrl-C ends")
        changes.wait()
        if code:  # Python has imported it already, and cannot reload it
            begin_anew()


def _once(wish: _Wish, cancel: threading.Event) -> int:
    """Make the report. Returns 1 after saying why it cannot be made; 0 also if `cancel` was set meanwhile."""
    try:
        report = _report(wish)
        shape = shape_of(report, wish.given)
        parameters = _validated(report, wish.given, shape)
        if report.kind is ReportKind.ANSWER:
            return _answer(report, parameters, wish)
        with tempfile.TemporaryDirectory(prefix="todoke-render-") as scratch:
            return _make(report, _request(report, parameters, shape, wish, Path(scratch)), wish, cancel)
    except CatalogError as error:
        made.tell_problems(error.problems, wish.given.output)
        return 1
    except RenderCancelled:
        return 0


def _report(wish: _Wish) -> ReportType:
    types, name = load_catalog(wish.catalog).types, wish.given.type
    if name not in types:
        unnamed = "; no catalog is named: set CATALOG_PATH, or give --catalog FOLDER"
        remedy = unnamed if wish.catalog == BUILTIN else ""
        raise WrongCall(f"there is no report type {name!r}{did_you_mean(name, types)}{remedy}")
    return types[name]


def _validated(report: ReportType, given: argparse.Namespace, shape: Shape) -> Mapping[str, object]:
    read = read_parameters(report, given.parameters, given.params)
    try:
        return validate_parameters(report, read, Moment.now(shape.zone))
    except InvalidParameters as error:
        raise WrongCall("\n".join(f"{v.field}: {v.message}" for v in error.violations)) from None


def _request(
    report: ReportType, parameters: Mapping[str, object], shape: Shape, wish: _Wish, scratch: Path
) -> RenderRequest:
    asked = _formats(report, wish.given.format)
    return RenderRequest(
        report=report,
        parameters=parameters,
        shape=shape,
        formats=tuple(Format(one) for one in asked if one != BUNDLE),
        bundle=BUNDLE in asked,
        source_dsn=wish.urls.get(report.source, "") if report.kind is ReportKind.QUERY else "",
        scratch=scratch,
        fonts=wish.fonts,
        asker=wish.asker,
    )


def _formats(report: ReportType, asked: Sequence[str]) -> Sequence[str]:
    """Return the formats as the API would: none requested means the first, and only the archive means all."""
    offered = [*(str(one) for one in report.formats), BUNDLE]
    for one in asked:
        if one not in offered:
            raise WrongCall(f"--format {one}: {report.name} has no such format{did_you_mean(one, offered)}")
    if list(dict.fromkeys(asked)) == [BUNDLE]:
        return offered
    return list(dict.fromkeys(asked)) or offered[:1]


def _make(report: ReportType, request: RenderRequest, wish: _Wish, cancel: threading.Event) -> int:
    """Make the report. `report` is the request's, with its folder as the user wrote it, which messages show."""
    began = time.monotonic()
    with made.progress() as show:
        try:
            files = render(request, deadline_s=report.limits.timeout_s, on_progress=show, cancel=cancel)
        except ReportError as error:
            made.tell_error(error, where_and_what(report, error), wish.given.output)
            return 1
    placed = _placed(files, wish.given.folder)
    made.tell(report, placed, time.monotonic() - began, wish.given.output)
    if wish.given.open and placed:
        made.open_file(placed[0].path)
    return 0


def _placed(files: Sequence[RenderedFile], folder: Path) -> Sequence[RenderedFile]:
    try:
        return made.place(files, folder)
    except OSError as error:
        raise WrongCall(f"-O {folder}: nothing can be written there: {error.strerror}") from None


def _answer(report: ReportType, parameters: Mapping[str, object], wish: _Wish) -> int:
    """Print the answer of a report type without files."""
    if report.answer is None:
        raise LookupError(f"{report.name} makes files")
    try:
        answer = report.answer(parameters, wish.asker)
    except Exception as raised:  # noqa: BLE001 - somebody else's code
        error = explain(raised, report.limits)
        made.tell_error(error, where_and_what(report, error), wish.given.output)
        return 1
    print(json.dumps(answer, ensure_ascii=False))
    return 0
