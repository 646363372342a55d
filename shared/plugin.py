"""All that a report package may import of Todoke, and what it may rely on.

The promise: what `__all__` names keeps its name, its arguments and its meaning within a major version. New names,
optional arguments with a default, and members with a default may be added. Every other module of Todoke may move or
change at any time, so a report package imports this one and nothing else. docs/reference/python-reports.md shows how
a report type and a data source are written with it.

A report type in Python (entry points of the group `todoke.reports`) is a class as `PythonReport` or `InlineReport`
describes it. It needs `PythonColumn`, `Format` and `Limits` to say what it is, gets a `Context` when it runs, and
raises `ReportError` to decide itself what the client reads.

A data source (group `todoke.sources`) is a function as `OpenSource` describes it. It gets a `Question`: a `ReportType`
with its `Parameter`s, their values, and the `Asker` whose rows to give. It yields a subclass of `SourceResult` with
`SourceColumn`s, which reports its `RowProgress` and raises `row_limit_exceeded`, `byte_limit_exceeded` and
`row_too_long` where the report's `Limits` end.

Importing this module is cheap, because the API loads report packages too: it brings no engine, no database driver and
no library of any format.
"""

from shared.catalog.asker import Asker
from shared.catalog.model import Format, Limits, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.python_report import Context, InlineReport, PythonColumn, PythonReport
from shared.reports.columns import SourceColumn
from shared.reports.errors import byte_limit_exceeded, row_limit_exceeded, row_too_long
from shared.reports.interface import RenderCancelled, ReportError
from shared.reports.progress import RowProgress
from shared.reports.question import Question
from shared.reports.sources.result import OpenSource, SourceResult

__all__ = [
    "Asker",
    "Context",
    "Format",
    "InlineReport",
    "Limits",
    "OpenSource",
    "Parameter",
    "ParameterKind",
    "PythonColumn",
    "PythonReport",
    "Question",
    "RenderCancelled",
    "ReportError",
    "ReportType",
    "RowProgress",
    "SourceColumn",
    "SourceResult",
    "byte_limit_exceeded",
    "row_limit_exceeded",
    "row_too_long",
]
