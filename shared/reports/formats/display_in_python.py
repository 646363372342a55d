"""Shows values of small results in Python as people read them, with the same texts as `display` in SQL."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from shared.catalog.cultures import ENGLISH, Culture
from shared.catalog.model import Column
from shared.catalog.number_format import NumberFormat, Shape, shape_of
from shared.catalog.number_format_text import read_format
from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import ExtractColumn
from shared.reports.formats.display import culture_in, known, words_of
from shared.reports.formats.display_dates_in_python import duration_in_python, moment_in_python

Show = Callable[[str], str]
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)


def shown_in_python(column: ExtractColumn, shown: Column, culture: Culture = ENGLISH) -> Show:
    """Return a function that shows the source's text of a value as `displayed` says."""
    found = known(shown.number_format)
    if column.source.is_number:
        if found and not found.is_date:
            return _number(found, culture)
        marks = _marks(culture)
        marks.pop(ord(","), None)
        return (lambda text: text.translate(marks)) if marks else str
    if column.source.is_moment:
        usual = "yyyy-mm-dd" if column.source.type_name == "date" else "yyyy-mm-dd hh:mm:ss"
        section = (found if found and found.is_date and not found.is_elapsed else read_format(usual)).sections[0]
        return moment_in_python(section, culture_in(found, culture))
    if column.source.is_duration and found and found.is_date:
        return duration_in_python(found, culture)
    if column.stored_as == "BOOLEAN" and (words := words_of(shown.number_format)):
        return lambda text: words[text != "t"]
    return str


def _number(number_format: NumberFormat, culture: Culture) -> Show:
    sections = number_format.sections[:3]
    if len(sections) == 1:
        return _shaped(shape_of(sections[0]), culture, signed=True)
    shows = [_shaped(shape_of(section), culture, signed=False) for section in sections]

    def show(text: str) -> str:
        value = float(text)
        return shows[1 if value < 0 else 2 if value == 0 and len(shows) > 2 else 0](text)

    return show


def _shaped(shape: Shape, culture: Culture, *, signed: bool) -> Show:
    """Return a function for numbers of one section. What cannot be rounded is left unchanged."""
    scale = min(shape.places + 2 * shape.hundreds, DECIMAL_DIGITS - 1)
    unit, limit = Decimal(1).scaleb(-scale), Decimal(1).scaleb(DECIMAL_DIGITS - scale)
    body, marks = _body(shape, by_two=culture.by_two), _marks(culture)

    def show(text: str) -> str:
        number = _in_thousands(Decimal(text), shape.thousands) if shape.thousands else Decimal(text)
        rounded = number.quantize(unit, context=_EXACT) if number is not None else limit
        size = rounded.copy_abs()
        if size >= limit:
            return text.translate({mark: to for mark, to in marks.items() if mark != ord(",")})
        sign, digits = "-" if signed and rounded < 0 else "", body(size)
        return f"{sign}{shape.before}{digits.translate(marks) if marks else digits}{shape.after}"

    return show


def _in_thousands(number: Decimal, times: int) -> Decimal | None:
    rounded = number.quantize(_NINE_PLACES, context=_EXACT)
    return rounded.scaleb(-3 * times, _EXACT) if rounded.copy_abs() < _NINE_PLACES_MOST else None


_NINE_PLACES, _NINE_PLACES_MOST = Decimal(1).scaleb(-9), Decimal(1).scaleb(DECIMAL_DIGITS - 9)


def _body(shape: Shape, *, by_two: bool) -> Callable[[Decimal], str]:
    """Return a function for the digits and everything between them."""
    alone = len(shape.digits) == 1 and not shape.digits[0][1] and shape.least == 1
    if alone and not by_two and shape.places == shape.least_places and shape.point == (shape.places > 0):
        # By far the most usual ones, `#,##0.00` and `0.0%`.
        form = ",f" if shape.grouped else "f"
        return lambda size: format(size.scaleb(2 * shape.hundreds, _EXACT) if shape.hundreds else size, form)

    def body(size: Decimal) -> str:
        digits = f"{size:f}".replace(".", "")
        whole = digits[: len(digits) - shape.places].lstrip("0").rjust(shape.least, "0")
        parts: list[str] = []
        if shape.digits:
            parts += [_grouped(whole, by_two=by_two)] if shape.grouped else _split(whole, shape.digits)
        if shape.point:
            parts += [".", _fraction(digits[len(digits) - shape.places :], shape)]
        return "".join(parts)

    return body


def count_text(count: int, culture: Culture) -> str:
    """Return a count with a separator between thousands."""
    return _grouped(str(count), by_two=culture.by_two).translate(_marks(culture))


def _marks(culture: Culture) -> dict[int, str]:
    return {ord(ours): theirs for ours, theirs in culture.marks.items()}


def _grouped(whole: str, *, by_two: bool) -> str:
    above, size = (whole[:-3], 2) if by_two else (whole, 3)
    first = len(above) % size
    groups = [above[:first], *(above[at : at + size] for at in range(first, len(above), size))]
    return ",".join(filter(None, [*groups, whole[-3:] if by_two else ""]))


def _split(whole: str, digits: Sequence[tuple[int, str]]) -> Sequence[str]:
    """Return the digits with the text between them. The first group takes what the others leave."""
    if len(digits) == 1:
        return [whole, digits[0][1]]
    parts = []
    behind = sum(count for count, _ in digits)
    for at, (count, text) in enumerate(digits):
        behind -= count
        begin = 0 if at == 0 else max(len(whole) - behind - count, 0)
        parts += [whole[begin : max(len(whole) - behind, begin)], text]
    return parts


def _fraction(places: str, shape: Shape) -> str:
    kept = places[: shape.least_places]
    return kept + places[shape.least_places :].rstrip("0")
