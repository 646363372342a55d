"""Gives a Vega-Lite specification the look of the document, wherever its author specified nothing else.

Names of settings: https://vega.github.io/vega-lite/docs/config.html (read 2026-11-29).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.catalog.cultures import Culture, culture_of
from shared.catalog.model import Column
from shared.catalog.number_format import shape_of
from shared.catalog.theme import Theme
from shared.reports.formats.chart_fit import fitted, is_misshapen, with_shades
from shared.reports.formats.display import known

_INK, _QUIET, _LINE = "#1f2933", "#5c6875", "#dfe4e9"
_MOST_LABELS = 25
"""With more bars than this, a number at each would be too much."""
_ROOM_FOR_LABEL = 36
"""Pixels to the left of the longest bar of a negative number."""
_SCALES: Mapping[str, tuple[tuple[float, str], ...]] = {
    "ja": ((1e12, "兆"), (1e8, "億"), (1e4, "万")),
    "zh": ((1e12, "万亿"), (1e8, "亿"), (1e4, "万")),
    "ko": ((1e12, "조"), (1e8, "억"), (1e4, "만")),
}
_USUAL_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"))
"""The number from which on it is divided, and the suffix. Below ten thousand, all digits are shown."""
_THOUSAND = 1e3
_DISCRETE = frozenset({"nominal", "ordinal"})


@dataclass(frozen=True, slots=True)
class Words:
    """How a chart writes numbers: in a language, and in the formats of the report's columns."""

    language: str
    columns: Mapping[str, Column]

    def of(self, field: object, value: str, places: int | None = None, *, largest: str = "") -> str:
        """Return a Vega expression that writes a number of this field as text.

        `largest` is an expression for the largest number beside it, if all of them should have the same suffix.
        """
        column = self.columns.get(str(field))
        return _formatted(column, value) or _short(value, self.language.partition("-")[0], places, largest=largest)


def themed(spec: dict[str, Any], theme: Theme, words: Words, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the specification with the theme under its own settings. `values` are its data."""
    if is_misshapen(spec):
        return spec
    spec = fitted(spec, values, words.language)
    spec = _with_direct_labels(spec, words, values) if len(values) <= _MOST_LABELS else spec
    below = {**_config(theme), "locale": _locale(culture_of(words.language))}
    return {**_with_short_numbers(spec, words), "config": _merged(below, spec.get("config") or {})}


def _locale(culture: Culture) -> dict[str, Any]:
    """Return the numbers and dates of a language, in the form of d3-format and d3-time-format."""
    number: dict[str, Any] = {
        "decimal": culture.decimal, "thousands": culture.group, "currency": ["", ""],
        "grouping": [3, *([2] * 8 if culture.by_two else [])],
    }  # fmt: skip
    if culture.digits:
        number["numerals"] = list(culture.digits)
    return {"number": number, "time": {
        "dateTime": "%Y-%m-%d %H:%M", "date": "%Y-%m-%d", "time": "%H:%M", "periods": list(culture.halves),
        "days": [culture.days[-1], *culture.days[:-1]], "shortDays": [culture.short_days[-1], *culture.short_days[:-1]],
        "months": list(culture.months), "shortMonths": list(culture.short_months),
    }}  # fmt: skip


def _formatted(column: Column | None, value: str) -> str:
    """Return a Vega expression that writes a number in its column's format, if that specifies more than the number of
    digits.
    """
    found = known(column.number_format) if column else None
    if found is None or found.is_date or len(found.sections) > 1:
        return ""
    shape = shape_of(found.sections[0])
    if not shape.hundreds + shape.thousands and not (shape.before + shape.after).strip():
        return ""
    factor = 100.0**shape.hundreds / 1000.0**shape.thousands
    comma = "," if shape.grouped else ""
    digits = f"format({value} * {factor:g}, '{comma}.{shape.places}~f')"
    return f"{json.dumps(shape.before)} + {digits} + {json.dumps(shape.after)}"


def _config(theme: Theme) -> dict[str, Any]:
    quiet = {"labelColor": _QUIET, "titleColor": _QUIET, "titleFontWeight": "normal"}
    sizes, shades = {"labelFontSize": 9, "titleFontSize": 9}, ["#ffffff", theme.accent]
    return {
        # Browsers draw the letters of charts in their own fonts, which may be wider.
        "padding": {"left": 12, "right": 12, "top": 5, "bottom": 5},
        "mark": {"color": theme.accent},
        "bar": {"cornerRadiusEnd": 1.5},
        "line": {"strokeWidth": 2},
        "point": {"filled": True, "size": 36},
        "text": {"color": _INK, "fontSize": 9},
        "range": {"category": with_shades(theme.series), "ramp": shades, "heatmap": shades},
        "axis": {**quiet, **sizes, "gridColor": _LINE, "domainColor": _LINE, "tickColor": _LINE, "labelFlush": False,
                 "titlePadding": 8, "labelPadding": 4, "labelLimit": 240},
        "axisQuantitative": {"domain": False, "ticks": False, "tickCount": 6},
        "axisBand": {"grid": False, "ticks": False},
        "legend": {**quiet, **sizes, "orient": "top", "title": None, "symbolType": "square", "symbolSize": 60,
                   "offset": 8, "labelLimit": 240},
        "header": {"labelColor": _INK, "titleColor": _QUIET},
        "title": {"color": _INK, "fontSize": 11},
        "view": {"stroke": None},
    }  # fmt: skip


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        kept = merged.get(key)
        merged[key] = _merged(kept, value) if isinstance(kept, dict) and isinstance(value, dict) else value
    return merged


def _with_short_numbers(node: Any, words: Words) -> Any:
    """Write 億 or M on number axes without a format of their own."""
    if isinstance(node, list):
        return [_with_short_numbers(one, words) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _with_short_numbers(value, words) for key, value in node.items() if key != "data"}
    for channel in ("x", "y"):
        one = found["encoding"].get(channel) if isinstance(found.get("encoding"), dict) else None
        if isinstance(one, dict) and one.get("type") == "quantitative" and one.get("stack") != "normalize":
            axis = one.get("axis", {})
            if isinstance(axis, dict) and not {"format", "labelExpr"} & axis.keys():
                found["encoding"][channel] = {
                    **one,
                    "axis": {
                        "labelExpr": words.of(one.get("field"), "datum.value", largest=_largest_on(channel)),
                        **axis,
                    },
                }
    return {**found, **({"data": node["data"]} if "data" in node else {})}


def _largest_on(axis: str) -> str:
    """Return a Vega expression for the largest number of an axis; 0 if several axes share a direction."""
    of = f"domain('{axis}')"
    return f"(length({of}) ? max(abs({of}[0]), abs(peek({of}))) : 0)"


def _with_direct_labels(spec: dict[str, Any], words: Words, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write each value at the end of its bar, if the chart is a single mark of plain horizontal bars."""
    encoding = spec.get("encoding")
    mark = spec.get("mark")
    kind = mark.get("type") if isinstance(mark, dict) else mark
    if kind != "bar" or not isinstance(encoding, dict) or set(encoding) != {"x", "y"} or "transform" in spec:
        return spec
    x, y = encoding["x"], encoding["y"]
    plain = all(isinstance(one, dict) and not {"aggregate", "bin", "timeUnit", "scale"} & one.keys() for one in (x, y))
    if (
        not plain
        or x.get("type") != "quantitative"
        or y.get("type") not in _DISCRETE
        or not isinstance(x.get("field"), str)
    ):
        return spec
    value = f"datum[{json.dumps(x['field'])}]"
    before = f"{value} < 0"
    numbers = [one for row in values if isinstance(one := row.get(x["field"]), int | float)]
    places, largest = _places(numbers), str(max(map(abs, numbers), default=0))
    label = {
        "type": "text", "baseline": "middle",
        "align": {"expr": f"{before} ? 'right' : 'left'"}, "dx": {"expr": f"{before} ? -4 : 4"},
    }  # fmt: skip
    text = {"field": "_label", "type": "nominal"}
    rest = {key: value for key, value in spec.items() if key != "mark"}
    if min(numbers, default=0) < 0:  # room for the labels to the left of the bars
        rest["encoding"] = {**encoding, "x": {**x, "scale": {"padding": _ROOM_FOR_LABEL}}}
    return {
        **rest,
        "transform": [{"calculate": words.of(x["field"], value, places, largest=largest), "as": "_label"}],
        "layer": [{"mark": mark}, {"mark": label, "encoding": {"text": text}}],
    }


def _places(values: Sequence[float]) -> int:
    """Return the number of decimal places with which these numbers are best compared."""
    if all(float(value).is_integer() for value in values):
        return 0
    largest = max(map(abs, values))
    return 0 if largest >= 1_000 else 1 if largest >= 10 else 2


def _short(value: str, language: str, places: int | None = None, *, largest: str = "") -> str:
    """Return a Vega expression that writes a number with few digits and a suffix for its thousands."""
    usual = "',.6~g'" if places is None else f"',.{places}f'"
    text = f"abs({value}) < 1000 ? format({value}, {usual}) : format({value}, ',.0f')"
    for least, letter in reversed(_SCALES.get(language, _USUAL_SCALES)):
        unit, enough = least, f"abs({value}) >= {least:.0f}"
        if letter == "k":
            unit = _THOUSAND
            if largest:  # beside 12k write 8k, and not 8,000
                enough = f"({enough} || (abs({value}) >= {unit:.0f} && {largest} >= {least:.0f}))"
        text = f"{enough} ? format({value} / {unit:.0f}, ',.1~f') + '{letter}' : {text}"
    return text
