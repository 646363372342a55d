"""Reads Excel's number formats (ECMA-376 part 1, 18.8.31, read 2026-11-28), as report.toml gives them to columns.

XLSX keeps a format as it is written, because Excel itself applies it. HTML and PDF apply what is read here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 255
"""Characters of a format (Microsoft, "Excel specifications and limits", read 2026-11-28)."""
_MOST_SECTIONS = 4
_TOKEN = re.compile(
    r"""
      "(?P<quoted>[^"]*)"
    | \\(?P<escaped>.)
    | _(?P<space>.)
    | \*(?P<fill>.)
    | \[(?P<bracket>[^\[\]]*)\]
    | (?P<general>General)
    | (?P<halves>AM/PM|A/P)
    | (?P<exponent>[Ee][+-])
    | (?P<date>y+|m+|d+|h+|s+(?:\.0+)?|g+|e+|a{3,})
    | (?P<text>@)
    | (?P<digit>[0\#?])
    | (?P<point>\.)
    | (?P<comma>,)
    | (?P<percent>%)
    | (?P<plain>[-$+/():!^&'~{}<>=\ ]|[^\x00-\x7f])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COLOURS = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color ?([1-9]|[1-4][0-9]|5[0-6])", re.IGNORECASE)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*-?[0-9]+(\.[0-9]+)?")
_CURRENCY = re.compile(r"\$([^-\]]*)(-[0-9A-Fa-f]{1,8})?")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_LANGUAGE = re.compile(r"\[\$[^\]-]*-([0-9A-Fa-f]{1,8})\]")
_DATE_CODES = {
    "yy", "yyyy", "m", "mm", "mmm", "mmmm", "d", "dd", "ddd", "dddd", "h", "hh", "s", "ss", "ss.000", "ss.000000",
    "mmmmm", "g", "gg", "ggg", "e", "ee", "aaa", "aaaa",
}  # fmt: skip


ELAPSED = frozenset({"[h]", "[hh]", "[m]", "[mm]", "[s]", "[ss]"})
"""Codes of hours, minutes and seconds that go on where a clock begins anew."""
ERAS = frozenset({"g", "gg", "ggg", "e", "ee"})
"""Codes of Japanese eras and their years."""
NAMES = frozenset({"mmm", "mmmm", "mmmmm", "ddd", "dddd", "aaa", "aaaa", "AM/PM"})
"""Codes of what has a name, which is another one in each language."""


class WrongFormat(ValueError):
    """The format is none, for Excel either. The message says why, and what to do."""


class Part(StrEnum):
    """The kind of a piece of a format."""

    TEXT = "text"
    """Letters that stand as they are."""
    DIGIT = "digit"
    """`0`, `#` or `?`."""
    POINT = "point"
    COMMA = "comma"
    PERCENT = "percent"
    DATE = "date"
    """A code such as `yyyy` or `AM/PM`; minutes are `min` and `minmin`, to tell them from months."""
    OTHER = "other"
    """What only a spreadsheet does; its text says what."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a section."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A format in its sections, of which Excel takes one by the value's sign."""

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
        """What keeps HTML and PDF from applying the format, in words; empty for nothing."""
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
    """The digits before the point in groups from left to right, each with the text behind it; the first takes all that
    the others leave."""
    least: int
    """Digits before the point at least."""
    grouped: bool
    """True with a comma between thousands."""
    thousands: int
    """How often the number is divided by a thousand."""
    hundreds: int
    """How often it is multiplied by a hundred: once for each `%`."""
    places: int
    least_places: int
    """Digits behind the point that stay even if they are zeros at the end."""
    point: bool
    after: str

    @property
    def has_digits(self) -> bool:
        """False for a section of text alone."""
        return bool(self.digits) or self.point


def shape_of(section: Sequence[Piece]) -> Shape:
    """Return the shape of a section without codes of dates."""
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
    """Say why a section is none for numbers here; empty if it is one."""
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


def read_format(text: str) -> NumberFormat:
    """Return the format that `text` writes. Raises WrongFormat."""
    if len(text) > LONGEST:
        raise WrongFormat(f"has {len(text)} characters, and Excel takes {LONGEST}")
    if bad := re.search(r"[\x00-\x1f\x7f\ufffe\uffff\ud800-\udfff]", text):
        raise WrongFormat(f"has the control character U+{ord(bad[0]):04X}: remove it")
    sections = [tuple(_with_minutes(list(_pieces(section)))) for section in _split(text)]
    if len(sections) > _MOST_SECTIONS:
        raise WrongFormat(f"has {len(sections)} sections, and Excel takes {_MOST_SECTIONS}: put ; in double quotes")
    named = _LANGUAGE.search(text)
    return NumberFormat(sections, int(named[1], 16) & 0xFFFF if named else None)


def format_problem(number_format: str, *, documents: bool) -> str:
    """Say what is wrong with a number format; empty if nothing is."""
    try:
        found = read_format(number_format)
    except WrongFormat as error:
        return str(error)
    if documents and number_format and found.only_in_excel:
        return (
            f"HTML and PDF cannot show {found.only_in_excel}: choose another format, or name formats without html and "
            'pdf: formats = ["xlsx", "csv"]'
        )
    return ""


def _split(text: str) -> Sequence[str]:
    """Split at semicolons outside quotes and brackets."""
    sections = [""]
    for piece in re.findall(r""""[^"]*"|[\\_*].|\[[^\]]*\]|.""", text, re.DOTALL):
        if piece == ";":
            sections.append("")
        else:
            sections[-1] += piece
    return sections


def _pieces(section: str) -> Iterator[Piece]:
    at = 0
    while at < len(section):
        found = _TOKEN.match(section, at)
        if found is None:
            raise WrongFormat(_why(section[at:]))
        kind, value = str(found.lastgroup), found[found.lastgroup or 0]
        at = found.end()
        yield from _piece(kind, value)


def _piece(kind: str, value: str) -> Iterator[Piece]:
    match kind:
        case "quoted" | "escaped" | "plain":
            yield Piece(Part.TEXT, value)
        case "space":
            yield Piece(Part.TEXT, " ")
        case "bracket":
            yield from _bracket(value)
        case "digit" | "point" | "comma" | "percent":
            yield Piece(Part(kind), value)
        case "halves":
            yield Piece(Part.DATE, "AM/PM") if "m" in value.lower() else Piece(Part.OTHER, "the code A/P")
        case "date":
            yield _date(value.lower())
        case "exponent":
            yield Piece(Part.OTHER, "powers of ten (E+)")
        case "general":
            yield Piece(Part.OTHER, "General")
        case "text":
            yield Piece(Part.OTHER, "the place of a text (@)")


def _date(code: str) -> Piece:
    return Piece(Part.DATE if code in _DATE_CODES else Part.OTHER, code if code in _DATE_CODES else f"the code {code}")


def _bracket(inside: str) -> Iterator[Piece]:
    if _COLOURS.fullmatch(inside):
        return  # documents are of one colour
    if currency := _CURRENCY.fullmatch(inside):
        yield from [Piece(Part.TEXT, currency[1])] if currency[1] else []
    elif _CONDITION.fullmatch(inside):
        yield Piece(Part.OTHER, f"the condition [{inside}]")
    elif _ELAPSED.fullmatch(inside):
        yield Piece(Part.DATE, f"[{inside.lower()[:2]}]")
    else:
        raise WrongFormat(f"has [{inside}], which is no colour, condition or currency: put it in double quotes")


def _why(rest: str) -> str:
    if rest[0] == '"':
        return 'has a " that is never closed: add one'
    if rest[0] in "[]":
        return f"has a {rest[0]} without its other half: put it in double quotes"
    if rest[0] in "\\_*":
        return f"ends in {rest[0]}: write the character that belongs to it"
    return f"has {rest[0]!r}, which means nothing in a format: put text in double quotes"


def _with_minutes(pieces: list[Piece]) -> list[Piece]:
    """Tell minutes from months: `m` and `mm` behind an hour or before a second."""
    codes = [at for at, piece in enumerate(pieces) if piece.part is Part.DATE and "/" not in piece.text]
    for here, at in enumerate(codes):
        if pieces[at].text not in {"m", "mm"}:
            continue
        before = pieces[codes[here - 1]].text if here else ""
        after = pieces[codes[here + 1]].text if here + 1 < len(codes) else ""
        if before.strip("[")[:1] == "h" or after[:1] == "s":
            pieces[at] = Piece(Part.DATE, "min" * len(pieces[at].text))
    return pieces
