"""Shows values as people read them, in HTML and PDF, by report.toml's number formats, as SQL over the extract.

Numbers are rounded as decimals, half away from zero, and never pass through floating point.
"""

import functools
from collections.abc import Mapping, Sequence

from shared.catalog.model import Column
from shared.catalog.number_format import NumberFormat, Part, Piece, Shape, WrongFormat, read_format, shape_of
from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import ExtractColumn

_DATE_CODES: Mapping[str, str] = {
    "yyyy": "%Y", "yy": "%y", "mmmm": "%B", "mmm": "%b", "mm": "%m", "m": "%-m", "dddd": "%A", "ddd": "%a",
    "dd": "%d", "d": "%-d", "hh": "%H", "h": "%-H", "minmin": "%M", "min": "%-M", "ss": "%S", "s": "%-S",
    "ss.000": "%S.%g", "ss.000000": "%S.%f", "AM/PM": "%p",
}  # fmt: skip
_HALF_DAYS: Mapping[str, str] = {"hh": "%I", "h": "%-I"}


def displayed(column: ExtractColumn, shown: Column) -> str:
    """Return SQL for the value as text, NULL as NULL. Without a format, or with one that is for values of another
    kind, it is the source's own text."""
    plain = column.as_float_text if column.source.is_float else column.as_source_text
    if column.source.is_number:
        found = _known(shown.number_format)
        return _number(column, found, plain) if found and not found.is_date else plain
    if column.source.is_moment:
        moment = _moment(column, shown.number_format)
        return moment if column.stored_as != "VARCHAR" else f"coalesce({moment}, {plain})"
    return plain


@functools.cache
def _known(number_format: str) -> NumberFormat | None:
    """Return the format if documents know it. The loader refuses the others for report types with documents."""
    try:
        found = read_format(number_format) if number_format else None
    except WrongFormat:
        return None
    return None if found is None or found.only_in_excel else found


def _number(column: ExtractColumn, number_format: NumberFormat, plain: str) -> str:
    """SQL for a number in the section that its sign chooses: positive; negative; zero."""
    text = f"{column.quoted}::VARCHAR"
    sections = [shape_of(section) for section in number_format.sections[:3]]
    if len(sections) == 1:
        shown = _shaped(text, sections[0], signed=True)
    else:
        value = f"TRY_CAST({text} AS DOUBLE)"
        rest = [_shaped(text, section, signed=False) for section in sections]
        zero = f"WHEN {value} = 0 THEN {rest[2]} " if len(rest) > 2 else ""
        shown = f"CASE WHEN isfinite({value}) THEN CASE WHEN {value} < 0 THEN {rest[1]} {zero}ELSE {rest[0]} END END"
    # NaN, infinity, and numbers of more digits than DuckDB rounds.
    return f"coalesce({shown}, {plain})"


def _shaped(text: str, shape: Shape, *, signed: bool) -> str:
    """SQL for a number in one section; NULL for what cannot be rounded."""
    scale = min(shape.places + 2 * shape.hundreds, DECIMAL_DIGITS - 1)
    if shape.thousands:
        text = f"(TRY_CAST({text} AS DECIMAL({DECIMAL_DIGITS}, 9))::VARCHAR || 'e-{3 * shape.thousands}')"
    rounded = f"TRY_CAST({text} AS DECIMAL({DECIMAL_DIGITS}, {scale}))"
    if signed and shape == _simple(shape):
        return f"{rounded}::VARCHAR"
    if signed and _is_grouped_whole(shape):
        # By far the most usual one, `#,##0`: DuckDB needs a sixth of the time to understand this.
        groups = f"reverse(regexp_replace(reverse({rounded}::VARCHAR), '([0-9]{{3}})', '\\1,', 'g'))"
        return f"replace(ltrim({groups}, ','), '-,', '-')"
    digits = f"replace(ltrim({rounded}::VARCHAR, '-'), '.', '')"
    whole = f"ltrim(substr({digits}, 1, length({digits}) - {shape.places}), '0')"
    if shape.least:
        whole = f"CASE WHEN length({whole}) < {shape.least} THEN lpad({whole}, {shape.least}, '0') ELSE {whole} END"
    sign = f"CASE WHEN {rounded} < 0 THEN '-' ELSE '' END, " if signed else ""
    parts = [duck.literal(shape.before)]
    if shape.digits:
        parts += _grouped(whole) if shape.grouped else _split(whole, shape.digits)
    if shape.point:
        parts += ["'.'", _fraction(digits, shape)]
    parts.append(duck.literal(shape.after))
    return f"CASE WHEN {rounded} IS NOT NULL THEN concat({sign}{', '.join(parts)}) END"


def _simple(shape: Shape) -> Shape:
    """The shape that a rounded decimal has by itself, with so many places: `0`, `0.00`."""
    places = shape.places
    return Shape("", [(1, "")], 1, grouped=False, thousands=0, hundreds=0, places=places, least_places=places,
                 point=places > 0, after="")  # fmt: skip


def _is_grouped_whole(shape: Shape) -> bool:
    """True for `#,##0` and nothing else around it."""
    alone = len(shape.digits) == 1 and not shape.digits[0][1] and not shape.before and not shape.after
    scaled = shape.thousands or shape.hundreds or shape.places or shape.point
    return alone and not scaled and shape.grouped and shape.least == 1


def _grouped(whole: str) -> Sequence[str]:
    return [f"reverse(rtrim(regexp_replace(reverse({whole}), '([0-9]{{3}})', '\\1,', 'g'), ','))"]


def _split(whole: str, digits: Sequence[tuple[int, str]]) -> Sequence[str]:
    """SQL for the digits with the text between them. The first group takes what the others leave."""
    parts = []
    behind = sum(count for count, _ in digits)
    for at, (count, text) in enumerate(digits):
        behind -= count
        start = "1" if at == 0 else f"greatest(length({whole}) - {behind + count - 1}, 1)"
        parts += [
            f"substr({whole}, {start}, greatest(length({whole}) - {behind} - {start} + 1, 0))",
            duck.literal(text),
        ]
    return [part for part in parts if part != "''"] if len(digits) > 1 else [whole, duck.literal(digits[0][1])]


def _fraction(digits: str, shape: Shape) -> str:
    places = f"right({digits}, {shape.places})" if shape.places else "''"
    optional = shape.places - shape.least_places
    return f"regexp_replace({places}, '0{{1,{optional}}}$', '')" if optional else places


def _moment(column: ExtractColumn, number_format: str) -> str:
    default = "%Y-%m-%d" if column.source.type_name == "date" else "%Y-%m-%d %H:%M:%S"
    found = _known(number_format)
    pattern = _pattern(found.sections[0]) if found and found.is_date else default
    return f"strftime({column.as_usual_moment}, {duck.literal(pattern)})"


def _pattern(section: Sequence[Piece]) -> str:
    halves = any(piece.text == "AM/PM" for piece in section)
    codes = {**_DATE_CODES, **(_HALF_DAYS if halves else {})}
    return "".join(codes[piece.text] if piece.part is Part.DATE else piece.text.replace("%", "%%") for piece in section)
