"""Shows values as people read them, in HTML and PDF, in report.toml's number formats, as SQL over the extract.

Numbers are rounded as decimals, half away from zero, and never pass through floating point.
"""

import functools
from collections.abc import Mapping, Sequence

from shared.catalog.cultures import ENGLISH, Culture, culture_of_lcid
from shared.catalog.model import Column
from shared.catalog.number_format import NumberFormat, Part, Shape, shape_of
from shared.catalog.number_format_text import WrongFormat, read_format
from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import ExtractColumn
from shared.reports.formats import display_dates


def displayed(column: ExtractColumn, shown: Column, culture: Culture = ENGLISH, *, utc: bool = False) -> str:
    """Return SQL for the value as text, NULL as NULL, by the conventions of `culture`.

    Without a format, or with one for values of another kind, it is the source's own text, with the decimal mark and the
    digits of the culture. `utc` says that the connection's zone is UTC, which makes instants cheaper.
    """
    plain = column.as_float_text if column.source.is_float else column.as_source_text
    if column.source.is_number:
        found = known(shown.number_format)
        plain = _translated(plain, {a: b for a, b in culture.marks.items() if a != ","})
        return _number(column, found, plain, culture) if found and not found.is_date else plain
    if column.source.is_moment:
        value = column.as_utc if utc else column.as_usual_moment
        moment = _moment(column, value, shown.number_format, culture)
        return moment if column.stored_as != "VARCHAR" else f"coalesce({moment}, {plain})"
    if column.stored_as == "BOOLEAN" and (words := words_of(shown.number_format)):
        yes, no = map(duck.literal, words)
        return f"CASE WHEN {column.quoted} THEN {yes} WHEN NOT {column.quoted} THEN {no} END"
    if column.source.is_duration and (found := known(shown.number_format)) and found.is_date:
        lasted = display_dates.duration(column.as_microseconds, found, culture)
        return f"coalesce({lasted}, {plain})"
    return plain


def words_of(number_format: str) -> tuple[str, str] | None:
    """Return what a format writes for true and for false, which it treats as 1 and 0; None if it contains no words."""
    found = known(number_format)
    if found is None or len(found.sections) < len(("positive", "negative", "zero")):
        return None
    positive, _, zero, *_ = ("".join(p.text for p in s if p.part is Part.TEXT) for s in found.sections)
    return positive, zero


def _translated(text: str, marks: Mapping[str, str]) -> str:
    """Return SQL for the text with some characters replaced."""
    return (
        f"translate({text}, {duck.literal(''.join(marks))}, {duck.literal(''.join(marks.values()))})" if marks else text
    )


@functools.cache
def known(number_format: str) -> NumberFormat | None:
    """Return the format if documents can show it. The loader refuses others for report types with documents."""
    try:
        found = read_format(number_format) if number_format else None
    except WrongFormat:
        return None
    return None if found is None or found.only_in_excel else found


def _number(column: ExtractColumn, number_format: NumberFormat, plain: str, culture: Culture) -> str:
    """Return SQL for a number in the section that its sign selects: positive; negative; zero."""
    text = f"{column.quoted}::VARCHAR"
    sections = [shape_of(section) for section in number_format.sections[:3]]
    if len(sections) == 1:
        shown = _shaped(text, sections[0], culture, signed=True)
    else:
        value = f"TRY_CAST({text} AS DOUBLE)"
        rest = [_shaped(text, section, culture, signed=False) for section in sections]
        zero = f"WHEN {value} = 0 THEN {rest[2]} " if len(rest) > 2 else ""
        shown = f"CASE WHEN isfinite({value}) THEN CASE WHEN {value} < 0 THEN {rest[1]} {zero}ELSE {rest[0]} END END"
    # NaN, infinity, and numbers with more digits than DuckDB rounds.
    return f"coalesce({shown}, {plain})"


def _shaped(text: str, shape: Shape, culture: Culture, *, signed: bool) -> str:
    """Return SQL for a number in one section; NULL for what cannot be rounded."""
    marks = culture.marks
    scale = min(shape.places + 2 * shape.hundreds, DECIMAL_DIGITS - 1)
    if shape.thousands:
        text = f"(TRY_CAST({text} AS DECIMAL({DECIMAL_DIGITS}, 9))::VARCHAR || 'e-{3 * shape.thousands}')"
    rounded = f"TRY_CAST({text} AS DECIMAL({DECIMAL_DIGITS}, {scale}))"
    if signed and shape == _simple(shape):
        return _translated(f"{rounded}::VARCHAR", marks)
    if signed and _is_grouped_whole(shape) and not culture.by_two:
        # By far the most usual one, `#,##0`: DuckDB parses this in a sixth of the time.
        groups = f"reverse(regexp_replace(reverse({rounded}::VARCHAR), '([0-9]{{3}})', '\\1,', 'g'))"
        return _translated(f"replace(ltrim({groups}, ','), '-,', '-')", marks)
    digits = f"replace(ltrim({rounded}::VARCHAR, '-'), '.', '')"
    whole = f"ltrim(substr({digits}, 1, length({digits}) - {shape.places}), '0')"
    if shape.least:
        whole = f"CASE WHEN length({whole}) < {shape.least} THEN lpad({whole}, {shape.least}, '0') ELSE {whole} END"
    sign = f"CASE WHEN {rounded} < 0 THEN '-' ELSE '' END, " if signed else ""
    body: list[str] = []
    if shape.digits:
        body += _grouped(whole, by_two=culture.by_two) if shape.grouped else _split(whole, shape.digits)
    if shape.point:
        body += ["'.'", _fraction(digits, shape)]
    body = [_translated(f"concat({', '.join(body)})", marks)] if marks and body else body
    parts = [duck.literal(shape.before), *body, duck.literal(shape.after)]
    return f"CASE WHEN {rounded} IS NOT NULL THEN concat({sign}{', '.join(parts)}) END"


def _simple(shape: Shape) -> Shape:
    """Return the shape of a plainly rounded decimal with so many places: `0`, `0.00`."""
    places = shape.places
    return Shape("", [(1, "")], 1, grouped=False, thousands=0, hundreds=0, places=places, least_places=places,
                 point=places > 0, after="")  # fmt: skip


def _is_grouped_whole(shape: Shape) -> bool:
    """True for `#,##0` without anything around it."""
    alone = len(shape.digits) == 1 and not shape.digits[0][1] and not shape.before and not shape.after
    scaled = shape.thousands or shape.hundreds or shape.places or shape.point
    return alone and not scaled and shape.grouped and shape.least == 1


def _grouped(whole: str, *, by_two: bool) -> Sequence[str]:
    if by_two:
        turned = f"reverse({whole})"
        pairs = f"regexp_replace(substr({turned}, 4), '([0-9]{{1,2}})', ',\\1', 'g')"
        return [f"reverse(concat(substr({turned}, 1, 3), {pairs}))"]
    return [f"reverse(rtrim(regexp_replace(reverse({whole}), '([0-9]{{3}})', '\\1,', 'g'), ','))"]


def _split(whole: str, digits: Sequence[tuple[int, str]]) -> Sequence[str]:
    """Return SQL for the digits with the text between them. The first group takes what the others leave."""
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


def _moment(column: ExtractColumn, value: str, number_format: str, culture: Culture) -> str:
    found = known(number_format)
    usual = "yyyy-mm-dd" if column.source.type_name == "date" else "yyyy-mm-dd hh:mm:ss"
    section = (found if found and found.is_date and not found.is_elapsed else read_format(usual)).sections[0]
    return display_dates.moment(value, section, culture_in(found, culture))


def culture_in(found: NumberFormat | None, culture: Culture) -> Culture:
    """Return the conventions of the language that the format names, else `culture`."""
    return (found and found.lcid and culture_of_lcid(found.lcid)) or culture
