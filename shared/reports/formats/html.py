"""Writes one self-contained HTML page: no script, font or picture from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

import jinja2

from shared.reports.extract import ExtractColumn
from shared.reports.formats.display import displayed
from shared.reports.formats.labels import labels_of
from shared.reports.formats.rendering import Rendering

_MARK = "\0"
_PAGE = "report.html.j2"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def prepare() -> None:
    """Compile the page's template, for all pages of this process and of those that are forked from it."""
    _TEMPLATES.get_template(_PAGE)


def write_html(rendering: Rendering) -> int:
    """Write a self-contained page with parameters and all rows. Every value is escaped; DuckDB makes the rows."""
    columns = rendering.extract.columns
    cells = "" if rendering.extract.is_small else "".join(f", {_cell(c, rendering)}" for c in columns)
    page = _TEMPLATES.get_template(_PAGE).render(
        language=rendering.language,
        report=rendering.report,
        labels=labels_of(rendering.language),
        parameters=rendering.shown_parameters(),
        rows=f"{rendering.extract.rows:,}",
        headings=[{"text": rendering.title(c), "number": c.source.is_number} for c in columns],
        mark=_MARK,
    )
    head, _, tail = page.rpartition(_MARK)
    with rendering.path.open("wb", buffering=1 << 20) as file:
        file.write(head.encode())
        if rendering.extract.is_small:
            file.write(_rows_here(rendering))
        else:
            for piece in rendering.lines(f"concat('<tr>'{cells}, '</tr>')"):
                file.write(piece)
        file.write(tail.encode())
    return rendering.extract.rows


def _rows_here(rendering: Rendering) -> bytes:
    """The same rows as `_cell` makes. For few, Python takes less time over them than DuckDB over the question."""
    columns = rendering.extract.columns
    shown = ", ".join(f"({displayed(c, rendering.shown(c))})::VARCHAR" for c in columns)
    rows = rendering.connection.execute(f"SELECT {shown} FROM {rendering.extract.table}").fetchall()
    openings = [_opening(c) for c in columns]
    lines = []
    for row in rows:
        cells = [f"{o}{(text or '').translate(_ESCAPES)}</td>" for o, text in zip(openings, row, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    rendering.progress(len(lines))
    return "".join(lines).encode()


def _opening(column: ExtractColumn) -> str:
    return '<td class="n">' if column.source.is_number else "<td>" if column.source.is_moment else '<td dir="auto">'


def _cell(column: ExtractColumn, rendering: Rendering) -> str:
    text = displayed(column, rendering.shown(column))
    for character, entity in _ENTITIES.items():
        letter = "chr(0)" if character == "\0" else f"'{character}'"
        text = f"replace({text}, {letter}, '{entity}')"
    # Line feeds end rows, by which progress is counted. So one in a cell is written as its character reference.
    return f"'{_opening(column)}', {text}, '</td>'"


_ENTITIES: Mapping[str, str] = {
    "\0": "\ufffd",  # no page can have this one, and a browser would drop it
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "''": "&#39;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_ESCAPES = str.maketrans({(letter if letter != "''" else "'"): entity for letter, entity in _ENTITIES.items()})
