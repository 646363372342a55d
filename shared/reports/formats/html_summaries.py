"""Writes the figures, charts and summary tables of a report into its page."""

import base64
import html
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from shared.catalog.model import Chart
from shared.reports.errors import summary_too_large
from shared.reports.formats import chart
from shared.reports.formats.labels import NOTHING
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import Summaries, Table, open_summaries

_ENLARGED = 1.3
"""Pixels of a screen for a pixel of a chart, whose letters are sized for a printed page."""
_MOST_TOGETHER = 20
"""The most rows of a table that is kept on one printed page."""


def summaries_of(rendering: Rendering) -> Markup:
    """Return what stands between the title and the rows; nothing if there are no rows. Raises ReportError."""
    pdf = rendering.report.pdf
    if not rendering.extract.rows or not (pdf.figures or pdf.tables or pdf.charts):
        return Markup()
    with open_summaries(rendering) as summaries:
        return Markup("".join(_parts(rendering, summaries)))  # noqa: S704 - every text in it is escaped # nosec B704


def _parts(rendering: Rendering, summaries: Summaries) -> Iterator[str]:
    pdf = rendering.report.pdf
    if pdf.figures:
        yield _tiles(summaries.table("figures", "", pdf.figures.query, pdf.figures.columns))
    for one in pdf.charts:
        yield _chart(one, rendering, summaries)
    for table in pdf.tables:
        yield f'<h2 dir="auto">{html.escape(table.title)}</h2>\n'
        yield _table(summaries.table(table.name, table.title, table.query, table.columns))


def _tiles(table: Table) -> str:
    if len(table.rows) > 1:
        raise summary_too_large("figures", 1)
    values = table.rows[0] if table.rows else [""] * len(table.columns)
    tiles = "".join(
        f'<div><span dir="auto">{html.escape(str(c["name"]))}</span><b>{html.escape(v or NOTHING)}'
        f"{_unit(str(c['unit']))}</b></div>"
        for c, v in zip(table.columns, values, strict=True)
    )
    return f'<div class="tiles">{tiles}</div>\n'


def _unit(unit: str) -> str:
    return f" <small>{html.escape(unit)}</small>" if unit else ""


def _chart(one: Chart, rendering: Rendering, summaries: Summaries) -> str:
    drawn = chart.draw_of(one, summaries.objects(one.name, one.query), rendering)
    title = html.escape(one.title)
    if not drawn:
        return f'<h2 dir="auto">{title}</h2>\n<p>{NOTHING}</p>\n'
    packed, width = base64.b64encode(drawn.encode()).decode(), round(chart.size_of(drawn)[0] * _ENLARGED)
    image = f'<img src="data:image/svg+xml;base64,{packed}" width="{width}" alt="{title}">'
    return f'<h2 dir="auto">{title}</h2>\n<figure tabindex="0" role="group" aria-label="{title}">{image}</figure>\n'


def _table(table: Table) -> str:
    head = "".join(_cell(str(c["title"]), c, "th") for c in table.columns)
    cells = ["".join(_cell(text, c, "td") for text, c in zip(row, table.columns, strict=True)) for row in table.rows]
    rows = "".join(f'<tr class="summary">{row}</tr>\n' for row in cells)
    short = " short" if len(cells) <= _MOST_TOGETHER else ""
    region = f'<div class="wide{short}" tabindex="0" role="region" aria-label="{html.escape(table.title)}">'
    return f"{region}<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"


def _cell(text: str, column: Mapping[str, object], tag: str) -> str:
    look = ' class="n"' if column["number"] else ' dir="auto"'
    scope = ' scope="col"' if tag == "th" else ""
    return f"<{tag}{scope}{look}>{html.escape(text)}</{tag}>"
