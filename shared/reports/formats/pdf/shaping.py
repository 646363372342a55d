"""Shapes letters that change and move with their neighbours, with HarfBuzz: which glyphs are drawn where.

A glyph gets a code of its own in the font's file, beside those of plain letters, together with the text to copy for it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

_FIRST_CODE, _PLAIN_CODE = 0xF0000, 0x100000
"""Numbers of Unicode's private use areas: for glyphs that carry their text, and for plain glyphs."""


@dataclass(frozen=True, slots=True)
class Glyph:
    """One drawn glyph. Sizes are in thousandths of the type size."""

    code: str
    """The letter that stands for it in the font."""
    advance: float
    """The distance to the next glyph's position."""
    width: float
    """The width that the font declares, by which a PDF reader moves on."""
    right: float
    up: float
    """Its vertical offset."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """Adjacent glyphs in one font, from left to right."""

    glyphs: Sequence[Glyph]
    copied: str = ""
    """The text that they represent together, if it has fewer letters than glyphs; otherwise each glyph represents its
    own."""

    @property
    def advance(self) -> float:
        """The ems that they take."""
        return sum(glyph.advance for glyph in self.glyphs) / 1000


class ShapedFont:
    """The glyphs that one font of one document draws for words."""

    def __init__(self, font: Any) -> None:
        self._font = font
        self._codes: dict[tuple[int, str], str] = {}
        face = font.face
        face.charToGlyph, face.charWidths = dict(face.charToGlyph), dict(face.charWidths)  # otherwise every document's
        self._harfbuzz, upem = harfbuzz(Path(str(face.filename)))
        self._scale = 1000 / upem

    def shaped(self, word: str, *, from_right: bool) -> Sequence[Shaped]:
        """Return the word's glyphs, from left to right."""
        import uharfbuzz  # imported here, because most documents need none of it

        buffer = uharfbuzz.Buffer()
        buffer.add_str(word)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if from_right else "ltr"
        uharfbuzz.shape(self._harfbuzz, buffer)
        found = list(zip(buffer.glyph_infos, buffer.glyph_positions, strict=True))
        starts = sorted({info.cluster for info, _ in found})
        ends = dict(zip(starts, [*starts[1:], len(word)], strict=True))
        pieces: list[Shaped] = []
        for start, group in groupby(found, lambda one: int(one[0].cluster)):
            members, letters = list(group), word[start : ends[start]]
            texts = self._texts(letters, len(members), from_right=from_right)
            glyphs = [self._glyph(i.codepoint, t, at) for (i, at), t in zip(members, texts, strict=True)]
            copied = letters if len(members) > len(letters) else ""
            if pieces and not copied and not pieces[-1].copied:
                pieces[-1] = Shaped([*pieces[-1].glyphs, *glyphs])
            else:
                pieces.append(Shaped(glyphs, copied))
        return pieces

    def _glyph(self, number: int, text: str, position: Any) -> Glyph:
        width, scale = self._harfbuzz.get_glyph_h_advance(number) * self._scale, self._scale
        code = self._codes.get((number, text)) or self._new_code(number, text, width)
        moved = (position.x_advance, position.x_offset, position.y_offset)
        advance, right, up = (value * scale for value in moved)
        return Glyph(code, advance, width, right, up)

    def _new_code(self, number: int, text: str, width: float) -> str:
        at = _FIRST_CODE + len(self._codes)
        if at < _PLAIN_CODE - 2:
            self._codes[number, text] = chr(at)
        else:  # words beyond all reason: the text of this glyph is no longer distinguished
            at = _PLAIN_CODE + number
        self._font.face.charToGlyph[at], self._font.face.charWidths[at] = number, width
        self._font.copied[at] = text
        return chr(at)

    @staticmethod
    def _texts(letters: str, count: int, *, from_right: bool) -> Sequence[str]:
        """Return the text of each of `count` glyphs that belong together: one letter each, and the rest for the last
        one.
        """
        shares = [*(letters[n : n + 1] for n in range(count - 1)), letters[count - 1 :]]
        return shares[::-1] if from_right else shares


@functools.cache
def harfbuzz(path: Path) -> tuple[Any, int]:
    """Return the font of a file, read once per process, and its units per em."""
    import uharfbuzz

    face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))
    return uharfbuzz.Font(face), face.upem
