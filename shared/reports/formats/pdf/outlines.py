"""Draws texts of a chart as outlines where letters join or are invisible.

Typst typesets the texts of an SVG letter by letter, and cannot record in a PDF standard which letters such glyphs are.
A screen reader reads the chart's title instead.
"""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.letters import composed, is_invisible
from shared.reports.formats.pdf.shaping import Shaped, harfbuzz

_TEXT = re.compile(r"<text\b([^<>]*)>(.*?)</text>", re.DOTALL)
_LINE = re.compile(r"<tspan\b([^<>]*)>(.*?)</tspan>", re.DOTALL)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_OF_TEXT = re.compile(r' (?:text-anchor|font-[a-z]+)="[^"]*"')
_BOLD = frozenset({"bold", "600", "700", "800", "900"})
_ANCHORS = {"middle": 0.5, "end": 1.0}
"""The share of a line that precedes its anchor."""


def with_outlines(drawn: str, font_set: FontSet) -> str:
    """Return the SVG with outlines for the texts that need it.

    A letter that no font has is left for Typst to refuse.
    """
    return _TEXT.sub(lambda found: _outlined(found[1], found[2], font_set) or found[0], drawn)


def _outlined(attributes: str, content: str, font_set: FontSet) -> str | None:
    lines = list(_lines(content))
    whole = "".join(text for _, text in lines)
    hidden = any(is_invisible(letter) and not letter.isspace() for letter in whole)
    if not (hidden or font_set.is_joined(whole)):
        return None
    if not all(is_invisible(letter) or font_set.has(letter) for letter in composed(whole)):
        return None
    look = dict(_ATTRIBUTE.findall(attributes))
    size, before = float(look["font-size"].removesuffix("px")), _ANCHORS.get(look.get("text-anchor", ""), 0.0)
    path: list[str] = []
    for down, text in lines:
        pieces = font_set.drawn(composed(text), bold=look.get("font-weight", "") in _BOLD)
        glyphs = [glyph for font, piece in pieces for glyph in _glyphs(font, piece)]
        at = -before * sum(advance for *_, advance in glyphs) * size
        for font, number, right, up, advance in glyphs:
            path += _drawn(font, number, at + right * size, down - up * size, size)
            at += advance * size
    return f'<g{_OF_TEXT.sub("", attributes)}><path d="{"".join(path)}"/></g>'


def _lines(content: str) -> Iterator[tuple[float, str]]:
    """Yield each line, and its distance below the first one."""
    down, found = 0.0, _LINE.findall(content)
    for attributes, text in found or [("", content)]:
        down += float(dict(_ATTRIBUTE.findall(attributes)).get("dy", 0))
        yield down, html.unescape(text)


def _glyphs(font: Any, piece: str | Shaped) -> Iterator[tuple[Any, int, float, float, float]]:
    """Yield the font and number of each glyph, its offset, and the distance to the next, in ems."""
    face = font.face
    if isinstance(piece, str):
        for letter in map(ord, piece):
            yield font, face.charToGlyph[letter], 0.0, 0.0, face.getCharWidth(letter) / 1000
        return
    for glyph in piece.glyphs:
        number = face.charToGlyph[ord(glyph.code)]
        yield font, number, glyph.right / 1000, glyph.up / 1000, glyph.advance / 1000


def _drawn(font: Any, number: int, x: float, y: float, size: float) -> Iterator[str]:
    """Yield the outline of a glyph in SVG's coordinates, whose y axis points down."""
    of, upem = harfbuzz(Path(str(font.face.filename)))
    steps: list[tuple[str, Sequence[float]]] = []
    of.draw_glyph(number, _functions(), steps)
    for command, places in steps:
        points = zip(places[::2], places[1::2], strict=True)
        yield command + " ".join(f"{x + right * size / upem:.2f} {y - up * size / upem:.2f}" for right, up in points)


def _functions() -> Any:
    import uharfbuzz  # imported here, because most documents need none of it

    functions = uharfbuzz.DrawFuncs()
    functions.set_move_to_func(lambda x, y, steps: steps.append(("M", (x, y))))
    functions.set_line_to_func(lambda x, y, steps: steps.append(("L", (x, y))))
    functions.set_quadratic_to_func(lambda cx, cy, x, y, steps: steps.append(("Q", (cx, cy, x, y))))
    functions.set_cubic_to_func(lambda a, b, c, d, x, y, steps: steps.append(("C", (a, b, c, d, x, y))))
    functions.set_close_path_func(lambda steps: steps.append(("Z", ())))
    return functions
