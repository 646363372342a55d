"""Parses Excel's number formats (ECMA-376 part 1, 18.8.31, read 2026-11-28), as report.toml gives them to columns."""

import re
from collections.abc import Iterator, Sequence

from shared.catalog.number_format import NumberFormat, Part, Piece

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


class WrongFormat(ValueError):
    """The text is not a valid format, in Excel either. The message says why, and what to do."""


def read_format(text: str) -> NumberFormat:
    """Return the parsed format. Raises WrongFormat."""
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
    """Distinguish minutes from months: `m` and `mm` after an hour or before a second are minutes."""
    codes = [at for at, piece in enumerate(pieces) if piece.part is Part.DATE and "/" not in piece.text]
    for here, at in enumerate(codes):
        if pieces[at].text not in {"m", "mm"}:
            continue
        before = pieces[codes[here - 1]].text if here else ""
        after = pieces[codes[here + 1]].text if here + 1 < len(codes) else ""
        if before.strip("[")[:1] == "h" or after[:1] == "s":
            pieces[at] = Piece(Part.DATE, "min" * len(pieces[at].text))
    return pieces
