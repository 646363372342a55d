"""Shows moments and durations by number formats, as SQL: months in any language, Japanese eras, hours beyond 24."""

import itertools
from collections.abc import Mapping, Sequence

from shared.catalog.cultures import ENGLISH, JAPANESE_ERAS, Culture
from shared.catalog.number_format import ELAPSED, ERAS, NumberFormat, Part, Piece
from shared.reports import duck

DATE_CODES: Mapping[str, str] = {
    "yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m", "m": "%-m", "dddd": "%A", "ddd": "%a",
    "dd": "%d", "d": "%-d", "hh": "%H", "h": "%-H", "minmin": "%M", "min": "%-M", "ss": "%S", "s": "%-S",
    "ss.000": "%S.%g", "ss.000000": "%S.%f", "AM/PM": "%p",
}  # fmt: skip
"""The strftime codes for a format's codes."""
_HALF_DAYS: Mapping[str, str] = {"hh": "%I", "h": "%-I"}
_NAMES = frozenset({"mmmm", "mmm", "dddd", "ddd", "AM/PM"})
_NO_STRFTIME = frozenset({"mmmmm", "aaa", "aaaa", *ERAS})
_DAY_US, _HOUR_US, _MINUTE_US, _SECOND_US = 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000


def pattern_of(section: Sequence[Piece]) -> str:
    """Return the section for strftime, as DuckDB understands it."""
    halves = any(piece.text == "AM/PM" for piece in section)
    codes = {**DATE_CODES, **(_HALF_DAYS if halves else {})}
    return "".join(codes[piece.text] if piece.part is Part.DATE else piece.text.replace("%", "%%") for piece in section)


def by_strftime(piece: Piece, culture: Culture) -> bool:
    """True if strftime writes the piece correctly: it knows English names only, and no eras."""
    return piece.part is not Part.DATE or (
        piece.text not in _NO_STRFTIME and (culture is ENGLISH or piece.text not in _NAMES)
    )


def moment(value: str, section: Sequence[Piece], culture: Culture) -> str:
    """Return SQL for a moment; NULL for NULL."""
    halves = [piece for piece in section if piece.text == "AM/PM"]
    parts = []
    for plain, pieces in itertools.groupby(section, lambda piece: by_strftime(piece, culture)):
        if plain:
            # A twelve-hour clock is one even if its AM/PM is in another run.
            pattern = pattern_of([*pieces, *halves]).removesuffix("%p" if halves else "")
            parts.append(_in_digits(f"strftime({value}, {duck.literal(pattern)})", culture))
        else:
            parts += [_named(value, piece.text, culture) for piece in pieces]
    if len(parts) == 1:
        return parts[0]
    return f"CASE WHEN {value} IS NOT NULL THEN concat({', '.join(parts)}) END"


def _in_digits(text: str, culture: Culture) -> str:
    return f"translate({text}, '0123456789', {duck.literal(culture.digits)})" if culture.digits else text


def _named(value: str, code: str, culture: Culture) -> str:
    if code in ERAS:
        return _in_digits(_era(value, code), culture)
    if code == "AM/PM":
        return f"CASE WHEN hour({value}) < 12 THEN {_listed(culture.halves)}[1] ELSE {_listed(culture.halves)}[2] END"
    names, at = _names(code, culture)
    return f"{_listed(names)}[{at}({value})]"


def _names(code: str, culture: Culture) -> tuple[Sequence[str], str]:
    match code:
        case "mmmm":
            return culture.months, "month"
        case "mmm":
            return culture.short_months, "month"
        case "mmmmm":
            return [name[:1] for name in culture.months], "month"
        case "dddd" | "aaaa":
            return culture.days, "isodow"
        case _:
            return culture.short_days, "isodow"


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(map(duck.literal, names))}]"


def _era(value: str, code: str) -> str:
    cases = []
    for first, before, *names in JAPANESE_ERAS:
        if code.startswith("g"):
            then = duck.literal(names[len(code) - 1])
        else:
            then = f"(year({value}) - {before})::VARCHAR"
            then = f"lpad({then}, 2, '0')" if code == "ee" else then
        cases.append(f"WHEN {value} >= DATE '{first}' THEN {then}")
    otherwise = "''" if code.startswith("g") else f"year({value})::VARCHAR"
    return f"CASE {' '.join(cases)} ELSE {otherwise} END"


def duration(microseconds: str, found: NumberFormat, culture: Culture) -> str:
    """Return SQL for a duration; NULL for NULL. Seconds are rounded if it is shown whole, as in spreadsheets."""
    section = found.sections[0]
    finest = any(piece.text.startswith(("ss.", "s.")) for piece in section)
    rounded = f"((({microseconds}) + 500000) // 1000000 * 1000000)"
    whole = rounded if found.is_elapsed and not finest else f"({microseconds})"
    parts = [_in_digits(_of_duration(whole, piece), culture) for piece in section]
    return f"CASE WHEN ({microseconds}) IS NOT NULL THEN concat({', '.join(parts)}) END"


def _of_duration(value: str, piece: Piece) -> str:
    if piece.part is not Part.DATE:
        return duck.literal(piece.text)
    code = piece.text.strip("[]")
    unit, around, width = DURATION_CODES.get(code, (0, 0, 0))
    if not unit:
        return duck.literal(piece.text)
    number = f"{value} // {unit}"
    if piece.text not in ELAPSED:
        number = f"({number}) % {around}"
    text = f"({number})::VARCHAR"
    text = f"CASE WHEN length({text}) < {width} THEN lpad({text}, {width}, '0') ELSE {text} END"
    places = len(code.partition(".")[2])
    if places:
        return f"concat({text}, '.', substr(lpad(({value} % {_SECOND_US})::VARCHAR, 6, '0'), 1, {places}))"
    return text


DURATION_CODES: Mapping[str, tuple[int, int, int]] = {
    "d": (_DAY_US, 1 << 40, 1), "dd": (_DAY_US, 1 << 40, 2), "h": (_HOUR_US, 24, 1), "hh": (_HOUR_US, 24, 2),
    "min": (_MINUTE_US, 60, 1), "minmin": (_MINUTE_US, 60, 2), "m": (_MINUTE_US, 60, 1), "mm": (_MINUTE_US, 60, 2),
    "s": (_SECOND_US, 60, 1), "ss": (_SECOND_US, 60, 2), "ss.000": (_SECOND_US, 60, 2),
    "ss.000000": (_SECOND_US, 60, 2),
}  # fmt: skip
"""A format's codes → microseconds of the unit, the number at which it starts again, and its least digits."""
