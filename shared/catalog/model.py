"""The report type and its parts, as they are after a folder of the catalog has been read and checked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from shared.catalog.asker import Asker
from shared.catalog.grouping import NO_GROUPING, Grouping
from shared.catalog.parameter import Parameter
from shared.catalog.pivot import Pivot
from shared.catalog.shape import NO_OPTIONS, TypeOptions
from shared.catalog.source_role import SourceRole
from shared.catalog.theme import USUAL, Theme


class Format(StrEnum):
    """A kind of file that a report can be delivered as."""

    CSV = "csv"
    """RFC 4180 text, in UTF-8 unless the report type says otherwise, with one header line."""
    XLSX = "xlsx"
    """An Excel workbook with typed cells."""
    PARQUET = "parquet"
    """Apache Parquet with exact decimals and time zones, compressed by zstd."""
    JSONL = "jsonl"
    """JSON Lines: one object per row."""
    HTML = "html"
    """One self-contained page."""
    PDF = "pdf"
    """A typeset document: parameters, summaries, charts, and the rows as an appendix."""


BUNDLE = "zip"
"""Requests add this to their formats to get all files of the job in one archive as well."""

MEDIA_TYPES: Mapping[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.JSONL: "application/jsonl; charset=utf-8",
    Format.HTML: "text/html; charset=utf-8",
    Format.PDF: "application/pdf",
}


@dataclass(frozen=True, slots=True)
class Highlight:
    """Which values of a column a workbook highlights, with conditional formats."""

    above: float | None = None
    below: float | None = None
    bars: bool = False
    """True draws a bar behind each number."""


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of the result is shown. The query decides which columns exist; this decides how they look."""

    name: str
    title: str
    unit: str = ""
    number_format: str = ""
    """An Excel number format, for example `#,##0.0` or `yyyy-mm-dd`; empty means the type's default."""
    width: float | None = None
    """In characters; None lets the format choose."""
    required_scope: str | None = None
    """Files have this column only for requesters with this scope."""
    highlight: Highlight | None = None
    key: bool = False
    """True repeats the column where a table continues in further blocks of columns."""


@dataclass(frozen=True, slots=True)
class FurtherQuery:
    """One more query of a report type, whose rows are of the same moment as those of query.sql."""

    name: str
    title: str
    query: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    """How columns of its own look; columns of query.sql look as they do there."""
    pivot: Pivot | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt of this report type may use. Beyond a limit the job fails with a code that names the limit."""

    timeout_s: float = 600.0
    memory_mb: int = 512
    max_rows: int = 5_000_000
    max_mb: int = 8_192
    """Megabytes of text that the source may send."""
    scratch_mb: int = 16_384
    """Megabytes of all unfinished files together."""
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How the CSV of a report type is written."""

    delimiter: str = ","
    bom: bool = False
    """True begins the file with a byte order mark, which tells Excel that it is UTF-8."""
    encoding: str = "utf-8"
    """One of shared.catalog.csv_dialect; UTF-16 is little-endian and always begins with a byte order mark."""
    line_end: str = "\n"
    """Line feed, or CR LF as in RFC 4180."""
    unencodable: str = "strict"
    """For a character that the encoding lacks: `strict` fails the job, `replace` writes a question mark."""
    decimal_mark: str = "."
    header: str = "names"
    """The first line: `names` of the query, `titles` as people see them, or `none`."""
    formula_guard: bool = True
    """True puts an apostrophe in front of text that a spreadsheet would take for a formula."""
    gzip: bool = False

    @property
    def is_postgresqls(self) -> bool:
        """True if cells and header are those of a source that writes CSV itself."""
        return self.decimal_mark == "." and self.header == "names" and self.formula_guard


@dataclass(frozen=True, slots=True)
class SummaryTable:
    """A summary table of a PDF, computed from the report's rows."""

    name: str
    title: str
    query: str
    """DuckDB SQL over the table `report`."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """How columns of its own look; the report's columns look as they do elsewhere."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of a PDF."""

    name: str
    title: str
    query: str
    """DuckDB SQL over the table `report`, which returns the chart's data."""
    spec: str
    """The file name of its Vega-Lite specification, in the report type's folder."""


@dataclass(frozen=True, slots=True)
class PdfOptions:
    """What a PDF contains besides the title page."""

    paper: str = "a4"
    standards: tuple[str, ...] = ()
    """PDF standards for archives and accessibility that the file must meet: then Typst typesets all of it."""
    appendix: bool = True
    """True prints all rows at the end."""
    figures: SummaryTable | None = None
    """One row, whose values are shown large below the title."""
    tables: tuple[SummaryTable, ...] = ()
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, slots=True)
class Locale:
    """The texts of a report type in another language. Missing texts stay in the report type's own language."""

    title: str = ""
    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """For tables, charts and units: the original → the translation."""


class ReportKind(StrEnum):
    """Where a report type's result comes from."""

    QUERY = "query"
    """`query.sql` of a catalog folder, which runs on the data source."""
    ROWS = "rows"
    """A Python class, which yields the rows."""
    ANSWER = "answer"
    """A Python class, which returns a JSON object and makes no file. It runs in the worker's own process."""


@dataclass(frozen=True, slots=True)
class ReportType:
    """A report that can be requested: one folder of the catalog, or one class of a report package."""

    name: str
    title: str
    description: str
    version: str
    """Recorded on each job: as stated in `report.toml`, else the first 12 hex digits of the folder's SHA-256."""
    source: str
    """The name of the data source that the query runs on."""
    query: str
    """The text of query.sql, with `:name` placeholders."""
    formats: tuple[Format, ...]
    kind: ReportKind = ReportKind.QUERY
    queries: tuple[FurtherQuery, ...] = ()
    """Further queries, of the same moment: each becomes a sheet, a section or a file of its own."""
    pivot: Pivot | None = None
    parameters: tuple[Parameter, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)
    limits: Limits = Limits()
    options: TypeOptions = NO_OPTIONS
    csv: CsvOptions = CsvOptions()
    pdf: PdfOptions = PdfOptions()
    grouping: Grouping = NO_GROUPING
    language: str = "en"
    """The language of its texts, as a BCP 47 tag."""
    locales: Mapping[str, Locale] = field(default_factory=dict)
    """Its texts in other languages, by BCP 47 tag. The parameter `locale` chooses one."""
    theme: Theme = USUAL
    """How its documents look, the same for the whole catalog."""
    folder: Path | None = None
    """The catalog folder; None for a report type written in Python."""
    tenants: tuple[str, ...] = ()
    """The tenants that may request it; it does not exist for others. Empty means all."""
    required_scope: str | None = None
    """For requesters without this scope, the report type does not exist."""
    shared: bool = False
    """True confirms that all tenants get the same rows on purpose."""
    role: SourceRole | None = None
    """The role of a PostgreSQL source under which a tenant's query runs; None for the source's own user."""
    parameter_model: type[BaseModel] | None = None
    """The pydantic model that validates the parameters of a report type written in Python."""
    single_values: bool = True
    """False if that model asks for more than single values and lists of them: a form then has one field, for JSON."""
    network: bool = False
    """True if the code of a report type in Python opens connections of its own."""
    files: tuple[Path, ...] = ()
    """What the code of a report type in Python reads besides its package: files, or folders with everything below."""
    answer: Callable[[Mapping[str, object], Asker], Mapping[str, object]] | None = None
    """Stored parameters and requester → JSON object, for the kind `answer`; None for the others."""

    @property
    def translations(self) -> Mapping[str, str]:
        """Texts of units, tables and charts in the report type's language: the original → the translation."""
        locale = self.locales.get(self.language)
        return locale.texts if locale else {}

    @property
    def column_scopes(self) -> frozenset[str]:
        """The scopes that its columns require."""
        columns = [*self.columns.values(), *(c for query in self.queries for c in query.columns.values())]
        return frozenset(c.required_scope for c in columns if c.required_scope)

    def may_be_asked_by(self, tenant: str, scopes: Collection[str] | None) -> bool:
        """True if this report type exists for a requester with these scopes; None stands for every scope."""
        if self.tenants and tenant not in self.tenants:
            return False
        return self.required_scope is None or scopes is None or self.required_scope in scopes

    def scopes_of_files(self, scopes: Collection[str] | None) -> list[str] | None:
        """Return the scopes that files of a job require whose requester had these scopes (None: every scope).

        They are the report type's own, and those of the columns that the requester may see. None if there are none.
        """
        own = {self.required_scope} if self.required_scope else set()
        columns = {scope for scope in self.column_scopes if scopes is None or scope in scopes}
        return sorted(own | columns) or None

    def hidden_columns(self, scopes: Collection[str]) -> frozenset[str]:
        """Return the names of the columns that are left out of files for a requester with these scopes."""
        return frozenset(
            name for name, c in self.columns.items() if c.required_scope and c.required_scope not in scopes
        )

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter called `name`, or None."""
        return next((p for p in self.parameters if p.name == name), None)


class CatalogView(Protocol):
    """The report types by name, as they are at the time of each call."""

    @property
    def types(self) -> Mapping[str, "ReportType"]:
        """Every report type."""

    @property
    def default(self) -> str | None:
        """The name of the report type that runs when a request names none."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Every report type of one installation, by name."""

    types: Mapping[str, ReportType]
    default: str | None
    """The name of the report type that runs when a request names none."""
