"""Breaks text into lines that fit a column. No letter is lost."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

_WIDE = "\u2e80-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U0001f000-\U0003ffff"
"""East Asian letters and emoji: a line may break between any two of them."""
_NOT_FIRST = "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】°′″％ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ"  # noqa: RUF001 - they are meant
"""Characters that must not begin a line (JIS X 4051's usual set)."""
_NOT_LAST = "‘“（〔［｛〈《「『【￥＄"  # noqa: RUF001 - they are meant
_BEGINS = "\u0e40-\u0e44\u0ec0-\u0ec4"
"""Vowels that begin a syllable in Thai and Lao, which have no spaces between words. Typst itself knows the words."""
_PIECE = re.compile(
    rf"\s+|[(\[{_NOT_LAST}]*[{_WIDE}][{_NOT_FIRST})\],.;:!?%\ufe00-\ufe0f\u200d]*"
    rf"|(?![{_WIDE}{_NOT_LAST}])[^\s\-](?:(?![{_WIDE}{_NOT_LAST}{_BEGINS}])(?:[^\s\-]|-(?=\d)))*-*|-+(?:\d[^\s\-]*)?|."
)  # fmt: skip
_JOINER = "\u200d"

Measure = Callable[[str], float]
"""Text → its width."""


def pieces(text: str) -> Sequence[str]:
    """Cut the text where a line may break: around white space, after hyphens, between East Asian letters."""
    return _PIECE.findall(text)


def longest_piece(text: str, measure: Measure) -> float:
    """Return the width of the widest piece that should not be broken."""
    return max((measure(piece) for piece in pieces(text) if not piece.isspace()), default=0.0)


def with_broken_pieces(text: str, width: float, measure: Measure) -> str:
    """Return the text with line ends in pieces that are longer than a line; other breaks are left to a typesetter."""
    if measure(text) <= width:
        return text
    return "".join(
        piece if piece.isspace() or measure(piece) <= width else "\n".join(_letters(piece, width, measure))
        for piece in pieces(text)
    )


def broken(text: str, width: float, measure: Measure) -> Sequence[str]:
    """Return the lines of the text: broken at its own line ends, and where `width` is used up.

    A piece that is longer than a line is broken between two letters.
    """
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines += [paragraph] if measure(paragraph) <= width else _filled(paragraph, width, measure)
    return lines


def _filled(paragraph: str, width: float, measure: Measure) -> Iterator[str]:
    line, taken = "", 0.0
    for piece in pieces(paragraph):
        wide = measure(piece)
        if taken + wide <= width or (piece.isspace() and line):
            line, taken = line + piece, taken + wide
            continue
        if line:
            yield line.rstrip()
        line, taken = "", 0.0
        if wide <= width:
            line, taken = piece, wide
        elif not piece.isspace():
            *whole, line = _letters(piece, width, measure)
            yield from whole
            taken = measure(line)
    if line:
        yield line.rstrip()


def _letters(piece: str, width: float, measure: Measure) -> Iterator[str]:
    """Break a piece between letters; marks and joined emoji stay together."""
    line, taken = "", 0.0
    for letter in piece:
        wide = measure(letter)
        belongs = unicodedata.category(letter)[0] == "M" or letter == _JOINER or line[-1:] == _JOINER
        if line and taken + wide > width and not belongs:
            yield line
            line, taken = "", 0.0
        line, taken = line + letter, taken + wide
    yield line
