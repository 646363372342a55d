"""Writes one self-contained HTML page: no script, font or picture is loaded from elsewhere."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jinja2

from shared.catalog.theme import Theme
from shared.reports import duck
from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, bands_of, with_bands
from shared.reports.formats.display import culture_in, known
from shared.reports.formats.edition import edition, nothing_matches
from shared.reports.formats.html_bands import band_rows
from shared.reports.formats.html_summaries import summaries_of
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
    """Compile the page's template, for all pages of this process and of those forked from it."""
    _TEMPLATES.get_template(_PAGE)


def write_html(rendering: Rendering) -> int:
    """Write a self-contained page with parameters and all rows; further queries have sections of their own.

    Every value is escaped; DuckDB makes the rows.
    """
    answers, summaries = [rendering, *rendering.further], summaries_of(rendering)
    bands = [bands_of(one) for one in answers]
    shown = [_shown(one, of) for one, of in zip(answers, bands, strict=True)]
    page = _TEMPLATES.get_template(_PAGE).render(
        language=rendering.language,
        from_right=rendering.from_right,
        report=rendering.report,
        labels=labels_of(rendering.language),
        parameters=rendering.shown_parameters(),
        edition=edition(rendering),
        logo=_logo(rendering.report.theme),
        nothing=nothing_matches(rendering),
        summaries=summaries,
        rows=rendering.row_count,
        tables=[
            {"title": title, "headings": _headings(one, columns), "empty": one.extract.rows == 0}
            for title, one, columns in zip(_titles(rendering, summaries), answers, shown, strict=True)
        ],
        mark=_MARK,
    )
    pieces = page.split(_MARK)
    with rendering.path.open("wb", buffering=1 << 20) as file:
        for piece, one, of, columns in zip(pieces, answers, bands, shown, strict=False):
            file.write(piece.encode())
            rows = _rows(one, columns)
            if of is not None:
                rows = with_bands(rows, b"\n", band_rows(of, columns, one.extract.rows))
            file.writelines(rows)
        file.write(pieces[-1].encode())
    return rendering.all_rows


def _titles(rendering: Rendering, summaries: str) -> Sequence[str]:
    """Return the headings above the tables; none above the only one of a page."""
    own = labels_of(rendering.language).appendix if summaries else ""
    return [own, *(one.report.title for one in rendering.further)]


def _shown(rendering: Rendering, bands: Bands | None) -> Sequence[ExtractColumn]:
    every = rendering.extract.columns
    # A table row needs a cell, even if headings have shown everything in it.
    return [c for c in every if bands is None or c not in bands.levels] or every


def _headings(rendering: Rendering, columns: Sequence[ExtractColumn]) -> Sequence[Mapping[str, object]]:
    return [{"text": rendering.title(c), "number": c.source.at_right} for c in columns]


def _logo(theme: Theme) -> str:
    """Return the logo as a `data:` URL: the page loads nothing from elsewhere."""
    if not theme.logo:
        return ""
    media_type = "image/svg+xml" if theme.logo_kind == "svg" else "image/png"
    return f"data:{media_type};base64,{base64.b64encode(theme.logo).decode()}"


def _rows(rendering: Rendering, columns: Sequence[ExtractColumn]) -> Iterable[bytes]:
    if rendering.extract.is_small:
        return [_rows_from_cells(rendering, columns)]
    return rendering.lines("'<tr>'", *(_cell(c, rendering) for c in columns), "'</tr>'")


def _rows_from_cells(rendering: Rendering, columns: Sequence[ExtractColumn]) -> bytes:
    """Return the same rows as `_cell` makes. For small results, Python is faster than DuckDB's parsing of the query."""
    rows: Sequence[Sequence[str | None]]
    if rendering.extract.cells is not None:
        rows = rendering.shown_rows(columns, rendering.extract.cells_of(columns))
    else:
        shown = ", ".join(f"({rendering.displayed(c)})::VARCHAR" for c in columns)
        rows = rendering.connection.execute(f"SELECT {shown} FROM {rendering.extract.table}").fetchall()
    openings = [_opening(c) for c in columns]
    lines = []
    for row in rows:
        cells = [f"{o}{(text or '').translate(_ESCAPES)}</td>" for o, text in zip(openings, row, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>\n")
    rendering.progress(len(lines))
    return "".join(lines).encode()


def _opening(column: ExtractColumn) -> str:
    return '<td class="n">' if column.source.at_right else "<td>" if column.source.is_moment else '<td dir="auto">'


def _cell(column: ExtractColumn, rendering: Rendering) -> str:
    text = rendering.displayed(column)
    # Testing each text once is four times as fast as replacing eight characters that it does not contain.
    if not _is_bare(column, rendering):
        text = f"CASE WHEN regexp_matches({text}, {duck.literal(_SPECIAL)}) THEN {_escaped(text)} ELSE {text} END"
    return f"'{_opening(column)}', {text}, '</td>'"


def _is_bare(column: ExtractColumn, rendering: Rendering) -> bool:
    """True if the column shows nothing that must be escaped in HTML.

    Numbers, moments and truth values have no such characters, but a format, and perhaps a language, may.
    """
    if column.may_be_any_text:
        return False
    found = known(rendering.shown(column).number_format)
    texts = [piece.text for section in found.sections for piece in section] if found else []
    for of in (rendering.culture, culture_in(found, rendering.culture)):
        texts += [*of.marks.values(), *of.months, *of.short_months, *of.days, *of.short_days, *of.halves]
    return not any(character in text for text in texts for character in _CHARACTERS)


def _escaped(text: str) -> str:
    for character, entity in _ENTITIES.items():
        letter = "chr(0)" if character == "\0" else f"'{character}'"
        text = f"replace({text}, {letter}, '{entity}')"
    # Line feeds end rows, by which progress is counted, so a line feed in a cell becomes a character reference.
    return text


_ENTITIES: Mapping[str, str] = {
    "\0": "\ufffd",  # not allowed in any page, and a browser would drop it
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "''": "&#39;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_ESCAPES = str.maketrans({letter[0]: entity for letter, entity in _ENTITIES.items()})
_CHARACTERS = [letter[0] for letter in _ENTITIES]
_SPECIAL = "[\\x00&<>\"'\\n\\r]"
"""Finds any of these characters."""
