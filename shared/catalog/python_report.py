"""Report types written in Python, which packages provide by an entry point of the group `todoke.reports`.

They are for what SQL cannot express: a call to another system, a model, a file that another program makes. The class
returns rows; everything after that (formats, limits, progress, artifacts) is the same as for a query. Packages import
all of this from `shared.plugin`; see docs/reference/python-reports.md.
"""

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from shared.access.scopes import scope_problem
from shared.access.tenants import tenant_problem
from shared.catalog.asker import Asker
from shared.catalog.model import Column, Format, Limits, ReportKind, ReportType
from shared.catalog.model_parameters import read_model
from shared.catalog.names import language_problem
from shared.catalog.number_format_text import format_problem

GROUP, SOURCES_GROUP = "todoke.reports", "todoke.sources"
"""Entry points of the second group add sources, each named after the scheme of its URLs."""
_DOCUMENTS = frozenset({Format.HTML, Format.PDF})

TYPES: Mapping[str, str] = {
    "integer": "int8",
    "decimal": "numeric",
    "float": "float8",
    "boolean": "bool",
    "date": "date",
    "datetime": "timestamptz",
    "text": "text",
}
"""The types that a column may have, with PostgreSQL's name for each."""


@dataclass(frozen=True, slots=True)
class PythonColumn:
    """One column of a Python report."""

    name: str
    type: str
    """`integer` (`int`), `decimal` (`Decimal`), `float`, `boolean` (`bool`), `date`, `datetime` (with a zone) or `text`
    (`str`). None is allowed in every column."""
    title: str = ""
    unit: str = ""
    format: str = ""
    """An Excel number format."""
    required_scope: str | None = None
    """Files have this column only for requesters with this scope."""


class Context(Protocol):
    """What Todoke offers to a running report."""

    @property
    def tenant(self) -> str | None:
        """The tenant whose rows to return. None only where the report is tried without a requester."""

    @property
    def requester(self) -> str | None:
        """The requester within the tenant: the name of an API key. None where no keys are required."""

    @property
    def time_zone(self) -> str:
        """The IANA time zone of the answer; `UTC` unless another one was requested."""

    def progress(self, rows: int, of: int | None = None) -> None:
        """Report how far the work is before the first row. Rows that are yielded are counted anyway."""

    def check_cancelled(self) -> None:
        """Raise RenderCancelled if the report is no longer wanted.

        A cancelled report is ended in any case; this is for work that must first clean something up.
        """

    def attach(self, name: str, media_type: str) -> AbstractContextManager[BinaryIO]:
        """Add a file to the job, beside the formats. The block writes its content."""


@runtime_checkable
class PythonReport(Protocol):
    """A report type whose class yields rows. An instance is created without arguments, once per process.

    It may have `limits`, and `language`, `tenants`, `required_scope` and `shared` as in report.toml.
    """

    title: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[str]
    """Recorded on each job: change it with the code."""
    formats: ClassVar[Sequence[Format]]
    columns: ClassVar[Sequence[PythonColumn]]
    Parameters: ClassVar[type[BaseModel]]
    """The API validates requests with it, and violations name its fields. Defaults are stored with the job."""

    def rows(self, parameters: Any, context: Context) -> Iterable[Sequence[object]]:
        """Yield the rows, one value per column. Memory stays flat if it yields them one by one.

        An exception fails the attempt, which may be retried; `ReportError` controls what the client sees.
        """


@runtime_checkable
class InlineReport(Protocol):
    """A report type without files, whose answer is a small JSON object that the client reads in the job itself.

    It runs in the worker's own process, many one after another, without a child process, a memory limit or a deadline.
    It is meant for trusted code that finishes in milliseconds. One that blocks holds up those behind it, and no
    cancellation or stop can end it.
    """

    title: ClassVar[str]
    description: ClassVar[str]
    version: ClassVar[str]
    Parameters: ClassVar[type[BaseModel]]

    def answer(self, parameters: Any, asker: Asker, /) -> Mapping[str, object]:
        """Return the answer, which must contain nothing of a tenant other than the requester's.

        An exception fails the attempt, as with `PythonReport.rows`.
        """


def python_report_types(taken: Iterable[str], problems: list[str]) -> Iterator[ReportType]:
    """Yield every installed Python report type, and add the mistakes of invalid ones to `problems`."""
    taken = set(taken)
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        where = f"{point.value} ({GROUP}: {point.name})"
        if point.name in taken:
            problems.append(f"{where}: the catalog has a report type of this name already: rename one")
            continue
        try:
            yield _report_type(point)
        except Exception as error:  # noqa: BLE001 - somebody else's code, at import
            problems.append(f"{where}: cannot be loaded: {type(error).__name__}: {error}")


def load_python_report(name: str) -> PythonReport:
    """Return an instance of the class that makes this report type. Raises LookupError."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            report: PythonReport = point.load()()
            return report
    raise LookupError(f"no package brings the Python report type {name!r}")


def code_of(name: str) -> Path | None:
    """Return the file or folder of the code behind a Python report type; None if no package provides such a type.

    The code is not run, so its place is known even if it cannot be loaded.
    """
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _place_of(point.module.partition(".")[0])
    return None


def code_of_plugins() -> Iterator[Path]:
    """Yield the files and folders of the code behind all report types and sources that packages provide.

    `pip install --editable` leaves them where they are, which need not be on `sys.path`. None of their code is run.
    """
    for point in (point for group in (GROUP, SOURCES_GROUP) for point in entry_points(group=group)):
        beside = (point.dist.read_text("top_level.txt") or "").split() if point.dist else []
        for name in sorted({point.module.partition(".")[0], *beside}):
            with contextlib.suppress(ImportError, ValueError):
                if place := _place_of(name):
                    yield place


def _place_of(name: str) -> Path | None:
    """Return the file of a module, or the folder of a package, with a name without dots; None if there is none."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        return None
    origin = Path(found.origin)
    return origin.parent if origin.name == "__init__.py" else origin


def _report_type(point: EntryPoint) -> ReportType:
    report = point.load()()
    if isinstance(report, InlineReport):
        return inline_report_type(point.name, report)
    if not isinstance(report, PythonReport):
        raise TypeError("it lacks one of title, description, version, formats, columns, Parameters, rows (or answer)")
    if not report.columns:
        raise ValueError("it has no columns")
    for column in report.columns:
        if column.type not in TYPES:
            raise ValueError(f"column {column.name!r} has the type {column.type!r}; there are {', '.join(TYPES)}")
        if wrong := format_problem(column.format, documents=not _DOCUMENTS.isdisjoint(report.formats)):
            raise ValueError(f"column {column.name!r}: its format {wrong}")
    return ReportType(
        name=point.name,
        title=report.title,
        description=report.description,
        version=report.version,
        source="python",
        query="",
        formats=tuple(report.formats),
        kind=ReportKind.ROWS,
        columns={
            c.name: Column(c.name, c.title or c.name, c.unit, c.format, required_scope=c.required_scope)
            for c in report.columns
        },
        parameter_model=report.Parameters,
        **read_model(report.Parameters)._asdict(),
        network=bool(getattr(report, "network", False)),
        files=_files(getattr(report, "files", ())),
        **_optional(report),
    )


def inline_report_type(name: str, report: InlineReport) -> ReportType:
    """Return the report type of that name, whose answers come from `report`."""
    return ReportType(
        name=name,
        title=report.title,
        description=report.description,
        version=report.version,
        source="python",
        query="",
        formats=(),
        kind=ReportKind.ANSWER,
        parameter_model=report.Parameters,
        **read_model(report.Parameters)._asdict(),
        answer=lambda stored, asker: report.answer(report.Parameters.model_validate(stored), asker),
        **_optional(report),
    )


def _optional(report: object) -> dict[str, Any]:
    """Return the optional settings of a class."""
    limits, tenants = getattr(report, "limits", Limits()), tuple(getattr(report, "tenants", ()))
    scope, shared = getattr(report, "required_scope", None), bool(getattr(report, "shared", False))
    language = getattr(report, "language", "en")
    if wrong := language_problem(language):
        raise ValueError(f"language: {wrong}")
    for name in tenants:
        if wrong := tenant_problem(name):
            raise ValueError(f"tenants: {name!r} {wrong}")
    for asked in filter(None, (scope, *(c.required_scope for c in getattr(report, "columns", ())))):
        if wrong := scope_problem(asked):
            raise ValueError(f"required_scope: {asked!r} {wrong}")
    return {"limits": limits, "tenants": tenants, "required_scope": scope, "shared": shared, "language": language}


def _files(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    if isinstance(paths, str | Path):
        raise TypeError("`files` is one path: write a tuple of paths")
    found = tuple(Path(path) for path in paths)
    for path in found:
        if not path.is_absolute():
            raise ValueError(f"`files` has {str(path)!r}: write an absolute path")
    return found
