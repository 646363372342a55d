"""Report types and requests drawn at random, within what report.toml and a request allow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from shared.catalog import csv_dialect
from shared.catalog.asker import Asker
from shared.catalog.further import AGGREGATES
from shared.catalog.grouping import FUNCTIONS, NO_GROUPING, Grouping
from shared.catalog.model import (
    Chart,
    Column,
    CsvOptions,
    Format,
    FurtherQuery,
    Highlight,
    Locale,
    PdfOptions,
    ReportType,
    SummaryTable,
)  # fmt: skip
from shared.catalog.pivot import Pivot
from shared.catalog.shape import Shape
from shared.catalog.theme import USUAL, Theme
from shared.reports import duck
from shared.reports.interface import RenderRequest
from tests.reports.drawn.rows import DIALECTS, DrawnColumn, Rows, rows

SCOPE = "reports:secret"
_NUMBER_FORMATS = (
    "", "#,##0", "#,##0.00", "0.0%", "yyyy-mm-dd", "d mmm yy", '#,##0.0,,"M"', "[h]:mm", "0.00E+00", "ggge年m月d日",
    "#,##0;[Red]-#,##0", "yyyy-mm-dd hh:mm", "General", "@", "0;-0;;@", "¥#,##0", "hh:mm:ss", "000-000",
    '"yes";"no";"no"', "[$-411]yyyy年m月d日", "#,##0.###",
)  # fmt: skip
_DIALECTS: Sequence[Mapping[str, Any]] = (
    {"decimalMark": ",", "delimiter": ";"}, {"gzip": True}, {"header": "titles"}, {"encoding": "utf-16"},
)  # fmt: skip
_TITLES = ("Drawn", "Größe <&> 大きさ", "تقرير")
_LANGUAGES = ("en", "en", "ja", "ar", "pl", "de", "hi", "fr-CH")
_THEMES = (USUAL, Theme("Acme <&> Co", "#a8505a", "zebra"))
_ZONES = ("Asia/Tokyo", "America/St_Johns")
_CHART = {
    "mark": "bar",
    "encoding": {"x": {"field": "k", "type": "nominal"}, "y": {"field": "n", "type": "quantitative"}},
}
CHART_FILE = "chart.vl.json"


_T = TypeVar("_T")


def seldom(strategy: st.SearchStrategy[_T], nothing: _T, *, one_in: int = 4) -> st.SearchStrategy[_T]:
    """What the strategy draws, in one of so many cases; else `nothing`."""
    turns = st.sampled_from([False] * (one_in - 1) + [True])  # one_of() draws its simplest branches more often
    return turns.flatmap(lambda turn: strategy if turn else st.just(nothing))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request, but for where its files go."""

    source: str
    """One of `DIALECTS`."""
    report: ReportType
    formats: tuple[Format, ...]
    shape: Shape
    asker: Asker
    bundle: bool

    def request(self, dsn: str, folder: Path) -> RenderRequest:
        """The request for an attempt that has this empty folder."""
        return RenderRequest(
            self.report, {}, self.formats, dsn, folder, shape=self.shape, asker=self.asker, job_id="job",
            bundle=self.bundle, preview=True, figures=self.report.pdf.figures is not None,
        )  # fmt: skip


def write_chart(folder: Path) -> None:
    """Write the file of the charts into the folder of all report types."""
    (folder / CHART_FILE).write_text(json.dumps(_CHART))


@st.composite
def drawn(draw: st.DrawFn, folder: Path) -> Drawn:
    """A report type, and a request for it. `folder` has what `write_chart` writes."""
    source = draw(st.sampled_from(["postgres"] * 6 + ["files", "sqlite"]))
    main = draw(rows(DIALECTS[source]))
    columns = draw(_looks(main))
    formats = tuple(draw(st.lists(st.sampled_from(Format), min_size=1, max_size=6, unique=True)))
    grouping = draw(seldom(_groupings(main, columns), NO_GROUPING, one_in=2))
    further = draw(seldom(_further(source), (), one_in=6))
    report = ReportType(
        "drawn", draw(st.sampled_from(_TITLES)), "What it is", "1", "default", main.query, formats,
        columns=columns, grouping=grouping, queries=further, folder=folder,
        pivot=None if grouping else draw(seldom(_pivots(main), None, one_in=6)),
        pdf=draw(_documents([name for name in main.names if not _is_hidden(columns, name)] or main.names, further)),
        csv=draw(seldom(_csv_options(), CsvOptions())),
        language=draw(st.sampled_from(_LANGUAGES)),
        locales={"ja": Locale("題名", "説明", {main.names[0]: "列"}, texts={"Summary": "要約"})},
        theme=draw(st.sampled_from(_THEMES)),
    )  # fmt: skip
    asker = Asker("acme", "key", frozenset({SCOPE} if draw(st.booleans()) else ()))
    return Drawn(source, report, formats, draw(_shapes(main, report, asker)), asker, draw(seldom(st.just(True), False)))


def _is_hidden(columns: Mapping[str, Column], name: str) -> bool:
    return name in columns and columns[name].required_scope is not None


@st.composite
def _looks(draw: st.DrawFn, of: Rows) -> Mapping[str, Column]:
    """`[columns]`: how some of the columns look."""
    found = {}
    for column in of.columns:
        if draw(seldom(st.just(True), False, one_in=5)):
            continue
        found[column.name] = Column(
            column.name,
            draw(st.sampled_from([column.name, "Title", "長い見出しの列", "العمود"])),
            unit=draw(seldom(st.sampled_from(["EUR", "min", "%"]), "")),
            number_format=draw(seldom(st.sampled_from(_NUMBER_FORMATS), "", one_in=2)),
            width=draw(seldom(st.just(30.0), None, one_in=8)),
            required_scope=draw(seldom(st.just(SCOPE), None, one_in=12)),
            highlight=draw(seldom(_highlights(), None, one_in=6)) if column.kind.is_number else None,
            key=draw(seldom(st.just(True), False, one_in=8)),
        )
    return found


def _highlights() -> st.SearchStrategy[Highlight | None]:
    return st.sampled_from([Highlight(above=2.0), Highlight(below=0.0), Highlight(above=1e6, below=-1.0, bars=True)])


@st.composite
def _groupings(draw: st.DrawFn, of: Rows, columns: Mapping[str, Column]) -> Grouping:
    shown = [column for column in of.columns if column.name in columns]
    by = draw(st.lists(st.sampled_from(shown), max_size=2, unique=True)) if shown else []
    totals = {column.name: draw(st.sampled_from(_functions(column))) for column in shown
              if column not in by and draw(st.booleans())}  # fmt: skip
    return Grouping(tuple(column.name for column in by), totals)


def _functions(column: DrawnColumn) -> Sequence[str]:
    return FUNCTIONS if column.kind.is_number else ["count"] * 3 + (["min", "max"] if column.kind.has_order else [])


@st.composite
def _pivots(draw: st.DrawFn, of: Rows) -> Pivot | None:
    names = list(of.names)
    if len(names) < 3 or not of.numbers:
        return None
    value = draw(st.sampled_from(of.numbers))
    key, *lines = draw(st.permutations([name for name in names if name != value]))
    stay = tuple(lines[: draw(st.integers(1, 2))])
    return Pivot(stay, key, value, draw(st.sampled_from(AGGREGATES)), draw(st.sampled_from(["", "All"])))


@st.composite
def _further(draw: st.DrawFn, source: str) -> tuple[FurtherQuery, ...]:
    found = []
    for name in draw(st.sampled_from([["others"], ["others", "notes"]])):
        of = draw(rows(DIALECTS[source], most=3))
        found.append(FurtherQuery(name, name.title(), of.query, draw(_looks(of)), draw(seldom(_pivots(of), None))))
    return tuple(found)


@st.composite
def _documents(draw: st.DrawFn, shown: Sequence[str], further: Sequence[FurtherQuery]) -> PdfOptions:
    """`[pdf]`: paper, standards, figures, tables and charts, over these columns."""
    first, last = duck.identifier(shown[0]), duck.identifier(shown[-1])
    queries = _summaries(first, last, further)
    names = draw(seldom(st.lists(st.sampled_from(sorted(queries)), min_size=1, max_size=2, unique=True), [], one_in=2))
    looks = {"n": Column("n", "Count", unit="pcs", number_format=draw(st.sampled_from(_NUMBER_FORMATS)))}
    figures = f"SELECT count(*) AS n, max({last}) AS m, any_value({first}) AS a FROM report"
    chart = f"SELECT {first}::VARCHAR AS k, count(*) AS n FROM report GROUP BY ALL ORDER BY ALL LIMIT 20"
    return PdfOptions(
        paper=draw(st.sampled_from(["a4", "a4", "a5", "us-letter"])),
        standards=draw(seldom(st.sampled_from([("a-2u",), ("ua-1",)]), (), one_in=6)),
        appendix=draw(seldom(st.just(False), True, one_in=5)),
        figures=draw(seldom(st.just(SummaryTable("figures", "", figures, looks)), None, one_in=3)),
        tables=tuple(SummaryTable(name, "Summary", queries[name], looks) for name in names),
        charts=draw(seldom(st.just((Chart("chart", "Chart", chart, CHART_FILE),)), (), one_in=8)),
    )


def _summaries(first: str, last: str, further: Sequence[FurtherQuery]) -> Mapping[str, str]:
    """Queries over two of the columns, by name."""
    found = {
        "counts": f"SELECT {first}, count(*) AS n, max({last}) AS m FROM report GROUP BY ALL ORDER BY ALL",
        "rows": "SELECT * FROM report LIMIT 7",
        "none": "SELECT * FROM report WHERE false",
        "numbers": f"SELECT avg(TRY_CAST({last} AS DOUBLE)) AS mean, sum(TRY_CAST({last} AS DECIMAL(38, 4))) AS n "
                   "FROM report",
        "kinds": "SELECT NULL AS nothing, [1, 2] AS list, 1e20::DOUBLE AS large, INTERVAL 3 DAY AS lasted, "
                 "TIME '12:00' AS at, 5::HUGEINT AS huge, 0.5::DECIMAL(2, 2) AS n, true AS yes, "
                 "DATE '2024-02-29' AS day, TIMESTAMPTZ '2024-02-29 12:00:00+00' AS instant, 'nan'::DOUBLE AS nan, "
                 "{'a': 1} AS struct",
    }  # fmt: skip
    if further:
        found["further"] = f"SELECT count(*) AS n FROM {further[0].name}"
    return found


@st.composite
def _csv_options(draw: st.DrawFn) -> CsvOptions:
    options = CsvOptions(
        delimiter=draw(st.sampled_from(csv_dialect.DELIMITERS)), bom=draw(st.booleans()),
        encoding=draw(st.sampled_from(["utf-8", "utf-8", *csv_dialect.ENCODINGS])),
        line_end=draw(st.sampled_from(["\n", "\r\n"])), unencodable=draw(st.sampled_from(["strict", "replace"])),
        decimal_mark=draw(st.sampled_from(csv_dialect.DECIMAL_MARKS)),
        header=draw(st.sampled_from(csv_dialect.HEADERS)), formula_guard=draw(st.booleans()), gzip=draw(st.booleans()),
    )  # fmt: skip
    return options if csv_dialect.dialect_problem(options) is None else CsvOptions(delimiter=";")


@st.composite
def _shapes(draw: st.DrawFn, of: Rows, report: ReportType, asker: Asker) -> Shape:
    """What a request asks for. It chooses and sorts by columns that the asker may have."""
    names = [name for name in of.names if name not in report.hidden_columns(asker.scopes)]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True).map(tuple) if names else st.none()
    keys = st.sampled_from(names).flatmap(lambda name: st.sampled_from([(name,), (f"-{name}",)]))
    return Shape(
        time_zone=draw(seldom(st.sampled_from(_ZONES), None, one_in=10)),
        locale=draw(seldom(st.just("ja"), None)),
        columns=draw(seldom(some, None, one_in=12)),
        sort=draw(seldom(keys, None, one_in=12)) if names else None,
        limit=draw(seldom(st.sampled_from([1, 3, 70]), None, one_in=12)),
        csv=draw(seldom(st.sampled_from(_DIALECTS), None)),
    )
