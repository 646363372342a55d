"""Gathers the content of a PDF besides long tables: texts, figures, charts and short tables, in the form that Typst is
given.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.catalog.theme import Theme
from shared.json_text import with_texts
from shared.reports import errors
from shared.reports.formats import chart
from shared.reports.formats.edition import data_date, footer_text, nothing_matches
from shared.reports.formats.labels import NOTHING, labels_of, left_to_right
from shared.reports.formats.pdf import fonts
from shared.reports.formats.pdf.bidi import isolated
from shared.reports.formats.pdf.layout import blocks
from shared.reports.formats.pdf.letters import composed, of_letters
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import Summaries, Table

_MOST_TYPESET = 5_000
"""The most rows of a PDF that Typst must typeset completely, because it keeps all of them in memory."""
_FEW_ROWS = 60
"""The most rows within the document itself; more rows, or wide ones, become an appendix."""
_MOST_TOGETHER, _LETTERS_PER_ROW = 20, 100


def content_of(rendering: Rendering, summaries: Summaries, folder: Path, font_set: fonts.FontSet) -> dict[str, Any]:
    """Return the content by the template's names, after writing charts and logo into the folder. Raises ReportError."""
    nothing = nothing_matches(rendering)
    content = {
        **_edition(rendering, folder),
        "nothing": nothing,
        "fonts": font_set.families,
        "paper": rendering.report.pdf.paper,
        "pageSize": None,
        "fromRight": rendering.from_right,
        "appendixPages": 0,
        "parameters": [{"name": name, "value": value} for name, value in rendering.shown_parameters()],
        "rowCount": rendering.row_count,
        **_summed_up(rendering, summaries, folder, font_set),
        **_rows(rendering, summaries, font_set, nothing=bool(nothing)),
    }
    font_set.look_at(_texts(content))
    if rendering.report.pdf.standards:
        content = with_texts(content, of_letters)
    content |= _in_their_direction(content, rendering)
    if nothing:  # run all the same, so that a wrong query is noticed; without rows the sentence says more than they do
        content |= {"figures": [], "tables": [], "charts": []}
    return content


def _edition(rendering: Rendering, folder: Path) -> dict[str, Any]:
    """Return what the document is, of which data, and how it looks."""
    report, labels = rendering.report, labels_of(rendering.language)
    return {
        "title": report.title,
        "description": report.description,
        "author": "Todoke",
        "keywords": [report.name, f"version {report.version}"],
        "language": rendering.language.partition("-")[0],
        "labels": {**asdict(labels), "dataOf": labels.data_of},
        "theme": _theme(report.theme, folder),
        "takenAt": left_to_right(data_date(rendering), from_right=rendering.from_right),
        "version": report.version,
        "jobId": rendering.job_id,
        "footer": footer_text(rendering),
        "date": _date(rendering) if report.pdf.standards else None,
    }


def _summed_up(rendering: Rendering, summaries: Summaries, folder: Path, font_set: fonts.FontSet) -> dict[str, Any]:
    """Return the figures, tables and charts that are computed from the rows."""
    pdf = rendering.report.pdf
    figures = pdf.figures and summaries.table("figures", "", pdf.figures.query, pdf.figures.columns)
    tables = [_measured(summaries.table(t.name, t.title, t.query, t.columns), rendering, font_set) for t in pdf.tables]
    charts: list[Mapping[str, object]] = []
    for one in pdf.charts:
        values = summaries.objects(one.name, one.query)
        drawn = chart.draw_of(one, values, rendering, outlined_by=font_set)
        if not drawn:
            charts.append({"title": one.title, "nothing": NOTHING})
            continue
        (folder / f"chart-{one.name}.svg").write_text(drawn)
        font_set.look_at(chart.texts(drawn))
        width, height = chart.size_of(drawn)
        charts.append({"title": one.title, "file": f"chart-{one.name}.svg", "width": width, "height": height})
    return {"figures": _figures(figures) if figures else [], "tables": tables, "charts": charts}


def _rows(rendering: Rendering, summaries: Summaries, font_set: fonts.FontSet, *, nothing: bool) -> dict[str, Any]:
    """Return the rows within the document: if there are few, or if Typst must typeset them."""
    pdf = rendering.report.pdf
    table = None
    if pdf.appendix and not nothing:
        typeset = _is_typeset(rendering, summaries, font_set)
        table = _few(labels_of(rendering.language).appendix, rendering, rendering, summaries, font_set, typeset=typeset)
    # A document that must meet a standard is typeset by Typst alone.
    sections = [
        _few(one.report.title, one, rendering, summaries, font_set, typeset=bool(pdf.standards))
        for one in rendering.further
    ]
    return {"table": table, "sections": sections}


def _few(
    title: str, one: Rendering, whole: Rendering, summaries: Summaries, font_set: fonts.FontSet, *, typeset: bool
) -> dict[str, Any] | None:
    """Return the rows of one answer of `whole`; None if they need a long table."""
    if not typeset and one.extract.rows > _FEW_ROWS:
        return None
    if not (found := summaries.all_rows(title, one, whole=typeset)):
        return None
    table = {**_measured(found, whole, font_set), "together": _stays_together(found)}
    return table if typeset or len(table["blocks"]) == 1 else None


def _measured(table: Table, rendering: Rendering, font_set: fonts.FontSet) -> dict[str, Any]:
    paper = rendering.report.pdf.paper
    return {**asdict(table), "blocks": [asdict(block) for block in blocks(table, paper, font_set)]}


def _stays_together(table: Table) -> bool:
    """True for a table that must not be split between pages, and that fits on one."""
    letters = sum(len(text) for row in table.rows for text in row)
    return len(table.rows) <= _MOST_TOGETHER and letters <= _MOST_TOGETHER * _LETTERS_PER_ROW


def _in_their_direction(content: Mapping[str, Any], rendering: Rendering) -> dict[str, Any]:
    """Return the part of the content that is data, each text in its own direction, whatever the document's is."""

    of_block = ("columns", "rows")

    def directed(part: object) -> Any:
        return with_texts(part, lambda text: isolated(composed(text), from_right=rendering.from_right))

    def table(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "blocks": [{**block, **directed({k: block[k] for k in of_block})} for block in one["blocks"]]}

    some = {name: directed(content[name]) for name in ("parameters", "rowCount", "figures")}
    tables = {name: [one and table(one) for one in content[name]] for name in ("tables", "sections")}
    return {**some, **tables, "table": content["table"] and table(content["table"])}


def _texts(content: object) -> Iterator[str]:
    """Yield every text of the document."""
    match content:
        case str():
            yield content
        case Mapping():
            for value in content.values():
                yield from _texts(value)
        case list() | tuple():
            for value in content:
                yield from _texts(value)


def _is_typeset(rendering: Rendering, summaries: Summaries, font_set: fonts.FontSet) -> bool:
    """True if Typst must typeset all rows: for a standard, or because some letters change with their neighbours."""
    rows = rendering.extract.rows
    if rendering.report.pdf.standards:
        if rows > _MOST_TYPESET:
            raise errors.rows_too_many(_MOST_TYPESET)
        return True
    return _FEW_ROWS < rows <= _MOST_TYPESET and any(map(font_set.has, summaries.joined_letters()))


def _date(rendering: Rendering) -> Sequence[int]:
    """Return year to second of the data: the document's date where a standard requires one."""
    moment = dt.datetime.fromisoformat(rendering.taken_at or "2000-01-01T00:00:00Z").astimezone(dt.UTC)
    return moment.timetuple()[:6]


def _theme(theme: Theme, folder: Path) -> Mapping[str, object]:
    logo = f"theme-logo.{theme.logo_kind}" if theme.logo else None
    if logo:
        (folder / logo).write_bytes(theme.logo)
    return {"organisation": theme.organisation, "accent": theme.accent, "rows": theme.rows, "logo": logo}


def _figures(table: Table) -> Sequence[Mapping[str, object]]:
    if len(table.rows) > 1:
        raise errors.summary_too_large("figures", 1)
    values = table.rows[0] if table.rows else [""] * len(table.columns)
    return [
        {"title": c["name"], "unit": c["unit"], "value": v or NOTHING}
        for c, v in zip(table.columns, values, strict=True)
    ]
