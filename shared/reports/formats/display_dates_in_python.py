"""Shows moments and durations of small results in Python, with the same texts as `display_dates` in SQL."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from shared.catalog.cultures import JAPANESE_ERAS, Culture
from shared.catalog.number_format import ELAPSED, NumberFormat, Part, Piece
from shared.reports.extract import DURATION
from shared.reports.formats.display_dates import DURATION_CODES

_NOON = 12
_PARTS = re.compile(r"(?:([0-9]+) days? ?)?(?:([0-9]+):([0-9]{2}):([0-9]{2})(?:[.]([0-9]{1,6}))?)?")
_USUAL = re.compile(DURATION)


def moment_in_python(section: Sequence[Piece], culture: Culture) -> Callable[[str], str]:
    """Return a function that shows the source's text of a usual moment."""
    halves = any(piece.text == "AM/PM" for piece in section)
    digits = str.maketrans("0123456789", culture.digits) if culture.digits else {}
    fixed = [None if piece.part is Part.DATE else piece.text for piece in section]
    codes = [piece.text for piece in section]

    def show(text: str) -> str:
        at = datetime.fromisoformat(text).replace(tzinfo=None)
        return "".join(
            _written(code, at, culture, halves=halves).translate(digits) if one is None else one.translate(digits)
            for code, one in zip(codes, fixed, strict=True)
        )

    return show


def _written(code: str, at: datetime, culture: Culture, *, halves: bool) -> str:  # noqa: C901 - a case for each code
    match code:
        case "yyyy":
            return f"{at.year:04}"
        case "yy":
            return f"{at.year % 100:02}"
        case "m" | "mm":
            return f"{at.month:0{len(code)}}"
        case "d" | "dd":
            return f"{at.day:0{len(code)}}"
        case "mmm":
            return culture.short_months[at.month - 1]
        case "mmmm":
            return culture.months[at.month - 1]
        case "mmmmm":
            return culture.months[at.month - 1][:1]
        case "ddd" | "aaa":
            return culture.short_days[at.weekday()]
        case "dddd" | "aaaa":
            return culture.days[at.weekday()]
        case "h" | "hh":
            return f"{(at.hour - 1) % _NOON + 1 if halves else at.hour:0{len(code)}}"
        case "min" | "minmin":
            return f"{at.minute:0{len(code) // 3}}"
        case "AM/PM":
            return culture.halves[at.hour >= _NOON]
        case "s" | "ss":
            return f"{at.second:0{len(code)}}"
        case "ss.000":
            return f"{at.second:02}.{at.microsecond // 1000:03}"
        case "ss.000000":
            return f"{at.second:02}.{at.microsecond:06}"
        case _:
            return _era(code, at)


def _era(code: str, at: datetime) -> str:
    day = at.date().isoformat()
    era = next((one for one in JAPANESE_ERAS if day >= one[0]), None)
    if code.startswith("g"):
        return str(era[1 + len(code)]) if era else ""
    year = at.year - (era[1] if era else 0)
    return f"{year:0{len(code)}}"


def duration_in_python(found: NumberFormat, culture: Culture) -> Callable[[str], str]:
    """Return a function that shows the source's text of a duration, unchanged if Excel cannot express it."""
    section = found.sections[0]
    digits = str.maketrans("0123456789", culture.digits) if culture.digits else {}
    rounds = found.is_elapsed and not any(piece.text.startswith(("ss.", "s.")) for piece in section)

    def show(text: str) -> str:
        value = microseconds(text)
        if value is None:
            return text
        if rounds:
            value = (value + 500_000) // 1_000_000 * 1_000_000
        return "".join(_of_duration(value, piece) for piece in section).translate(digits)

    return show


def microseconds(text: str) -> int | None:
    """Return the microseconds that the source's text of a duration stands for; None if it is negative or has months."""
    if not _USUAL.fullmatch(text):
        return None
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in parts.groups()[:4])
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000_000 + int((parts[5] or "").ljust(6, "0"))


def _of_duration(value: int, piece: Piece) -> str:
    code = piece.text.strip("[]")
    unit, around, width = DURATION_CODES.get(code, (0, 0, 0)) if piece.part is Part.DATE else (0, 0, 0)
    if not unit:
        return piece.text
    number = value // unit if piece.text in ELAPSED else value // unit % around
    places = len(code.partition(".")[2])
    return f"{number:0{width}}" + (f".{value % 1_000_000:06}"[: places + 1] if places else "")
