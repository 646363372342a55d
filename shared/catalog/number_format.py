"""What an Excel number format does to a number or a date, once `number_format_text` has parsed it.

XLSX keeps a format as it is written, because Excel itself applies it. HTML and PDF apply what is described here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ELAPSED = frozenset({"[h]", "[hh]", "[m]", "[mm]", "[s]", "[ss]"})
"""Codes of hours, minutes and seconds that keep counting where a clock would start again."""
ERAS = frozenset({"g", "gg", "ggg", "e", "ee"})
"""Codes of Japanese eras and their years."""
NAMES = frozenset({"mmm", "mmmm", "mmmmm", "ddd", "dddd", "aaa", "aaaa", "AM/PM"})
"""Codes of names, which differ between languages."""


class Part(StrEnum):
    """The kind of a piece of a format."""

    TEXT = "text"
    """Literal text."""
    DIGIT = "digit"
    """`0`, `#` or `?`."""
    POINT = "point"
    COMMA = "comma"
    PERCENT = "percent"
    DATE = "date"
    """A code such as `yyyy` or `AM/PM`; minutes are `min` and `minmin`, to tell them from months."""
    OTHER = "other"
    """What only a spreadsheet can do; its text names it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a section."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A format in its sections, of which Excel chooses one by the value's sign."""

    sections: Sequence[Sequence[Piece]]
    lcid: int | None = None
    """The number of the language that it names for dates, as 0x411 in `[$-411]`."""

    @property
    def is_elapsed(self) -> bool:
        """True if it shows a whole duration, as `[h]:mm` does."""
        return any(piece.text in ELAPSED for section in self.sections for piece in section)

    @property
    def is_date(self) -> bool:
        """True if it has codes of dates or times."""
        return any(piece.part is Part.DATE for section in self.sections for piece in section)

    @property
    def only_in_excel(self) -> str:
        """Say what keeps HTML and PDF from applying the format; empty if nothing does."""
        for section in self.sections:
            for piece in section:
                if piece.part is Part.OTHER:
                    return piece.text
            parts = {piece.part for piece in section}
            if Part.DATE in parts and Part.DIGIT in parts:
                return "digits beside codes of dates"
            if Part.DATE not in parts and (wrong := _shapeless(section)):
                return wrong
        if self.is_date and len(self.sections) > 1:
            return "codes of dates in more than one section"
        return ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What one section for numbers does."""

    before: str
    """What stands before the first digit."""
    digits: Sequence[tuple[int, str]]
    """The digits before the point in groups from left to right, each with the text that follows it; the first takes all
    that the others leave."""
    least: int
    """The least number of digits before the point."""
    grouped: bool
    """True with a separator between thousands."""
    thousands: int
    """How often the number is divided by a thousand."""
    hundreds: int
    """How often it is multiplied by a hundred: once for each `%`."""
    places: int
    least_places: int
    """Digits after the point that are kept even if they are trailing zeros."""
    point: bool
    after: str


def shape_of(section: Sequence[Piece]) -> Shape:
    """Return the shape of a section without date codes."""
    spots = [at for at, piece in enumerate(section) if piece.part in {Part.DIGIT, Part.POINT}]
    first, last = (spots[0], spots[-1]) if spots else (len(section), len(section) - 1)
    body = section[first : last + 1]
    point = next((at for at, piece in enumerate(body) if piece.part is Part.POINT), len(body))
    whole, places = body[:point], "".join(p.text for p in body[point + 1 :] if p.part is Part.DIGIT)
    digits: list[tuple[int, str]] = []
    for piece in whole:
        if piece.part is Part.DIGIT:
            if not digits or digits[-1][1]:
                digits.append((0, ""))
            digits[-1] = (digits[-1][0] + 1, "")
        elif piece.part is Part.TEXT:
            digits[-1] = (digits[-1][0], digits[-1][1] + piece.text)
    marks = "".join(piece.text for piece in whole if piece.part is Part.DIGIT)
    behind = section[last + 1 :]
    return Shape(
        before=_as_text(section[:first]),
        digits=digits,
        least=len(marks) - marks.index("0") if "0" in marks else 0,
        grouped=any(piece.part is Part.COMMA for piece in whole),
        thousands=sum(piece.part is Part.COMMA for piece in behind),
        hundreds=sum(piece.part is Part.PERCENT for piece in section),
        places=len(places),
        least_places=places.rindex("0") + 1 if "0" in places else 0,
        point=point < len(body),
        after=_as_text(behind),
    )


def _as_text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if piece.part is not Part.COMMA)


def _shapeless(section: Sequence[Piece]) -> str:
    """Say why a section cannot be used for numbers here; empty if it can."""
    spots = [at for at, piece in enumerate(section) if piece.part in {Part.DIGIT, Part.POINT}]
    if not spots:
        return ""
    body = section[spots[0] : spots[-1] + 1]
    points = [at for at, piece in enumerate(body) if piece.part is Part.POINT]
    if len(points) > 1:
        return "more than one decimal point"
    fraction = body[points[0] + 1 :] if points else ()
    texts = any(piece.part is Part.TEXT for piece in body)
    if any(piece.part is not Part.DIGIT for piece in fraction) or any(p.part is Part.PERCENT for p in body):
        return "something else between digits"
    if texts and any(piece.part is Part.COMMA for piece in body):
        return "text and commas between digits"
    if texts and any(piece.text == "/" for piece in body):
        return "a fraction (/)"
    if any(piece.text == "?" for piece in body):
        return "places for blanks (?)"
    return ""
