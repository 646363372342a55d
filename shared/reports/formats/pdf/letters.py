"""Determines what a letter needs to be drawn: nothing, a glyph, or a glyph that depends on its neighbours."""

import re
import unicodedata

# The scripts whose letters change or move with their neighbours, besides right-to-left ones (Unicode 17, Scripts.txt,
# read 2026-11-28): South and South-East Asia, Tibet, Mongolia; flags and skin tones.
_JOINED = re.compile(
    "[\u0900-\u109f\u1100-\u11ff\u135d-\u135f\u1700-\u18af\u1900-\u1cff\ua800-\ua8ff\ua900-\ua9ff\uaa00-\uaaff"
    "\uabc0-\uabff\U00010a00-\U00010a5f\U00011000-\U00011fff\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]"
)
_FROM_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})
_MARKS = frozenset({"Mn", "Mc", "Me"})
_JOINER = "\u200d"
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_MOST_NAMED = 50
_CONTROLS = "\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_NOT_CHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_NO_LETTERS = re.compile(f"[{_CONTROLS}{_NOT_CHARACTERS}]")
_NO_LETTERS_OF_XML = re.compile(f"[\x0b\x0c\x85{_CONTROLS}{_NOT_CHARACTERS}]")
_REPLACEMENT = "\ufffd"


def composed(text: str) -> str:
    """Return the text with a letter and its mark as one letter where Unicode has it, and tabs as spaces.

    Glyphs are drawn side by side, and Typst omits tabs, so that two words would become one.
    """
    text = text.expandtabs(4)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def of_letters(text: str) -> str:
    """Return the text as a PDF that must meet a standard may contain it: U+FFFD for noncharacters, and no byte order
    mark.

    Line ends stay.
    """
    return _NO_LETTERS.sub(_REPLACEMENT, text).replace("\ufeff", "")


def of_letters_in_xml(text: str) -> str:
    """Return the text with U+FFFD for noncharacters, and for what no SVG can contain."""
    return _NO_LETTERS_OF_XML.sub(_REPLACEMENT, text)


def is_invisible(letter: str) -> bool:
    """True for invisible characters: direction marks, joiners, soft hyphens, variation selectors, tabs."""
    return letter.isspace() or unicodedata.category(letter) == "Cf" or _VARIANTS.match(letter) is not None


def is_mark(letter: str) -> bool:
    """True for a mark above, below or beside the letter before it."""
    return unicodedata.category(letter) in _MARKS


def needs_neighbours(letter: str) -> bool:
    """True if the letter is drawn wrong where letters are placed one by one, from left to right."""
    if _VARIANTS.match(letter):
        return False
    return (
        letter == _JOINER
        or unicodedata.category(letter) in _MARKS
        or unicodedata.bidirectional(letter) in _FROM_RIGHT_TO_LEFT
        or _JOINED.match(letter) is not None
    )


def named(letters: set[str]) -> list[str]:
    """Return the letters' names, ordered by their numbers: `U+0627 ARABIC LETTER ALEF`."""
    ordered = sorted(letters)
    names = [f"U+{ord(one):04X} {unicodedata.name(one, 'without a name')}" for one in ordered[:_MOST_NAMED]]
    return [*names, f"and {len(ordered) - _MOST_NAMED} more"] if len(ordered) > _MOST_NAMED else names
