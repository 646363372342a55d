"""Completes a Vega-Lite specification from its data: sizes, legends, date axes, points.

Vega-Lite's default sizes are for a small figure on a screen: columns of 20 pixels, which a page would blow up or make
tiny.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from shared.reports.formats.chart_zeros import from_zero, has_no_slice, of_zeros
from shared.reports.formats.labels import NOTHING

Values = Sequence[Mapping[str, Any]]

_COMPOSED = frozenset({"facet", "repeat", "concat", "hconcat", "vconcat", "spec"})
_BY_FACET = frozenset({"row", "column", "facet"})
_DISCRETE = frozenset({"nominal", "ordinal"})
_COLOURS = ("color", "fill", "stroke", "shape")
_WIDTH, _HEIGHT, _PIE, _WIDEST = 520, 190, 200, 1_000
_STEP, _LEAST_STEP, _TALLEST = 16, 11, 860
"""Pixels of a horizontal bar, and of all of them together, so that they fit on a page."""
_LETTER, _KEY = 5.4, 30.0
"""Pixels of an average letter of a label, and of the rest of an entry in a legend."""
_POINT, _LARGE_POINT = 14, 36
"""Square pixels of a point that a line leads to, and of one without a line."""

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::\d\d){0,2}|Z)?)?")


def fitted(spec: dict[str, Any], values: Values, language: str) -> dict[str, Any]:
    """Return the specification with its gaps filled. Nothing that it specifies is changed."""
    if _COMPOSED & spec.keys() or is_misshapen(spec):
        return spec
    units = [*_units(spec)]
    if any(_BY_FACET & unit["encoding"].keys() for unit in units):
        return spec
    sized = _with_size(spec, units, values)
    return _with_legend(_with_parts(sized, values, language, of_zeros(units, values)), units, values)


def is_misshapen(spec: Mapping[str, Any]) -> bool:
    """True for what is not Vega-Lite. It is left unchanged, so that the engine reports what is wrong with it."""
    layers, config = _said(spec, "layer", []), _said(spec, "config", {})
    if not isinstance(layers, list) or not isinstance(config, dict):
        return True
    if not all(isinstance(one, dict) for one in (*layers, _said(config, "view", {}), _said(config, "legend", {}))):
        return True
    for unit in (spec, *layers):
        encoding, mark = _said(unit, "encoding", {}), _said(unit, "mark", "")
        kind = _said(mark, "type", "") if isinstance(mark, dict) else mark
        if not isinstance(encoding, dict) or not isinstance(kind, str):
            return True
        placed = [_said(encoding, name, {}) for name in ("x", "y", *_COLOURS)]
        if not all(isinstance(one, dict) and isinstance(_said(one, "type", ""), str) for one in placed):
            return True
    return False


def _said(node: Mapping[str, Any], name: str, otherwise: object) -> Any:
    value = node.get(name)
    return otherwise if value is None else value


def with_names_for_null(spec: Mapping[str, Any], values: Values) -> Values:
    """Return the values with a dash where NULL would be the name of a bar or a series."""
    if "transform" in spec or _COMPOSED & spec.keys() or is_misshapen(spec):  # these may test for NULL
        return values
    names = {
        one["field"] for unit in _units(spec) for one in unit["encoding"].values()
        if _is_discrete(one) and isinstance(one.get("field"), str)
    }  # fmt: skip
    return [{key: NOTHING if value is None and key in names else value for key, value in row.items()} for row in values]


def on_the_clock(spec: Mapping[str, Any], values: Values) -> Values:
    """Return the values with dates and moments as clock times, as the report's tables have them.

    A browser's engine takes a plain date for midnight in UTC, and shows a moment with an offset in the worker's own
    zone: if that differs, bars would move to other days.
    """
    fields = {*_fields_of_time(spec)}

    def local(value: object) -> object:
        found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
        return f"{found[1]}T{found[2] or '00:00:00'}" if found else value

    if not fields:
        return values
    return [{key: local(value) if key in fields else value for key, value in row.items()} for row in values]


def _fields_of_time(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _fields_of_time(one)
    elif isinstance(node, dict):
        if isinstance(node.get("field"), str) and (node.get("type") == "temporal" or "timeUnit" in node):
            yield node["field"]
        for one in node.values():
            yield from _fields_of_time(one)


def shows_something(spec: Mapping[str, Any], values: Values) -> bool:
    """True unless no value would be drawn, because there are no rows, all numbers are NULL, or a pie's are all 0."""
    if not values or "transform" in spec or _COMPOSED & spec.keys() or is_misshapen(spec):
        return bool(values)
    if has_no_slice(_units(spec), values):
        return False
    fields = {
        one["field"] for unit in _units(spec) for one in unit["encoding"].values()
        if isinstance(one, dict) and one.get("type") == "quantitative" and isinstance(one.get("field"), str)
        and "aggregate" not in one
    }  # fmt: skip
    return not fields or any(row.get(name) is not None for row in values for name in fields)


def with_shades(colours: Sequence[str]) -> Sequence[str]:
    """Return the colours, then lighter and darker ones for further series: no two look the same."""
    return [*colours, *(_mixed(one, 255, 0.5) for one in colours), *(_mixed(one, 0, 0.35) for one in colours)]


def _mixed(colour: str, other: int, share: float) -> str:
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (other - part) * share):02x}" for part in parts)


def _units(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the layers, or the specification itself, each with all its channels."""
    shared = spec.get("encoding") if isinstance(spec.get("encoding"), dict) else {}
    for unit in spec.get("layer") or [spec]:
        own = unit.get("encoding") if isinstance(unit, dict) else None
        mark = unit.get("mark") if isinstance(unit, dict) else None
        channels = {**(shared or {}), **(own if isinstance(own, dict) else {})}
        yield {
            "kind": mark.get("type") if isinstance(mark, dict) else mark,
            "encoding": {name: one for name, one in channels.items() if isinstance(one, dict)},
        }


def _is_discrete(channel: object) -> bool:
    return isinstance(channel, dict) and channel.get("type") in _DISCRETE and not {"timeUnit", "bin"} & channel.keys()


def _names(channel: Mapping[str, Any], values: Values) -> Sequence[str]:
    """Return the distinct names that a channel shows."""
    domain = (channel.get("scale") or {}).get("domain") if isinstance(channel.get("scale"), dict) else None
    if isinstance(domain, list):
        return [str(one) for one in domain]
    return list(dict.fromkeys(str(row.get(str(channel.get("field")))) for row in values))


def _pixels(text: str) -> float:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text) * _LETTER


def _with_size(spec: dict[str, Any], units: Sequence[Mapping[str, Any]], values: Values) -> dict[str, Any]:
    view = (spec.get("config") or {}).get("view") or {}
    if {"step", "continuousWidth", "continuousHeight", "discreteWidth", "discreteHeight"} & view.keys():
        return spec
    if any(unit["kind"] == "arc" for unit in units):
        return {"width": _PIE, "height": _PIE, **spec}
    x: Mapping[str, Any]
    y: Mapping[str, Any]
    x, y = (next((c for unit in units if (c := unit["encoding"].get(name))), {}) for name in "xy")
    found: dict[str, Any] = {"width": _WIDTH, "height": _HEIGHT}
    if _is_discrete(x) and "width" not in spec:
        found["width"] = min(max(_WIDTH, len(_names(x, values)) * _LEAST_STEP), _WIDEST)
    if _is_discrete(y):
        found["height"] = {"step": max(_LEAST_STEP, min(_STEP, _TALLEST // max(len(_names(y, values)), 1)))}
    elif not y:  # a strip of marks
        del found["height"]
    return {**found, **spec}


def _with_parts(spec: dict[str, Any], values: Values, language: str, of_zeros: Collection[str]) -> dict[str, Any]:
    """Add what single layers and their axes leave open."""
    shared, width = spec.get("encoding") or {}, spec.get("width")

    def completed(unit: dict[str, Any]) -> dict[str, Any]:
        encoding = unit.get("encoding")
        merged = {**shared, **(encoding if isinstance(encoding, dict) else {})}
        made = _with_lonely_points(unit, merged, values)
        if isinstance(encoding, dict):
            made["encoding"] = {
                name: _with_axis(name, from_zero(one) if name in of_zeros else one, values, language, width)
                if name in {"x", "y"}
                else one
                for name, one in encoding.items()
            }
        return made

    made = completed(spec)
    if isinstance(spec.get("layer"), list):
        made["layer"] = [completed(unit) if isinstance(unit, dict) else unit for unit in spec["layer"]]
    return made


def _with_lonely_points(unit: dict[str, Any], encoding: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Draw points on a line that NULLs cut into pieces, or that has one value: a line of one point is invisible."""
    mark = unit.get("mark")
    kind = mark.get("type") if isinstance(mark, dict) else mark
    y = encoding.get("y") or {}
    if kind not in {"line", "area"} or not isinstance(y.get("field"), str) or "aggregate" in y:
        return {**unit}
    if isinstance(mark, dict) and "point" in mark:
        return {**unit}
    series = [one["field"] for name in (*_COLOURS, "detail", "strokeDash")
              if isinstance(one := encoding.get(name), dict) and isinstance(one.get("field"), str)]  # fmt: skip
    counts: dict[tuple[str, ...], int] = {}
    for row in values:
        key = tuple(str(row.get(name)) for name in series)
        counts[key] = counts.get(key, 0) + (row.get(y["field"]) is not None)
    is_single = 1 in counts.values()
    if not is_single and all(row.get(y["field"]) is not None for row in values):
        return {**unit}
    asked = mark if isinstance(mark, dict) else {"type": mark}
    return {**unit, "mark": {**asked, "point": {"filled": True, "size": _LARGE_POINT if is_single else _POINT}}}


def _with_axis(name: str, channel: Any, values: Values, language: str, width: object) -> Any:
    if not isinstance(channel, dict) or not isinstance(channel.get("field"), str):
        return channel
    axis = channel.get("axis", {})
    if not isinstance(axis, dict):
        return channel
    found: dict[str, Any] = {}
    if name == "x" and _is_discrete(channel) and isinstance(width, int | float):
        names = _names(channel, values)
        widest = max(map(_pixels, names), default=0.0) + 6
        found = {"labelAngle": 0} if widest * len(names) <= width else {"labelOverlap": True}
    says = {"timeUnit", "bin"} & channel.keys() or {"format", "formatType", "labelExpr"} & axis.keys()
    if channel.get("type") == "temporal" and not says and (text := _dates(channel["field"], values, language)):
        found = {"labelExpr": text}
    return {**channel, "axis": {**found, **axis}} if found else channel


def _dates(field: str, values: Values, language: str) -> str:
    """Return a Vega expression for a moment on an axis, depending on the time span; empty if the values are not
    moments.
    """
    try:
        moments = [dt.datetime.fromisoformat(str(at)).replace(tzinfo=None) for row in values if (at := row.get(field))]
    except ValueError:
        return ""
    if not moments:
        return ""
    first = language.partition("-")[0]
    day = "%-m/%-d" if first in {"ja", "zh", "ko"} else "%b %-d" if language in {"en", "en-US"} else "%-d %b"
    spans = (max(moments) - min(moments)).days

    def text(form: str) -> str:
        return f"timeFormat(datum.value, '{form}')"

    if (spans < 1 and len(set(moments)) > 1) or spans == 1:
        midnight = "hours(datum.value) == 0 && minutes(datum.value) == 0"
        return f"{midnight} ? {text(day)} : {text('%H:%M')}"
    if spans == 0:
        return text(day if not any((at.hour, at.minute) != (0, 0) for at in moments) else f"{day}, %H:%M")
    if spans <= 100:
        return f"hours(datum.value) == 0 ? {text(day)} : ''"
    if spans <= 366 * 4:
        return f"date(datum.value) != 1 ? {text(day)} : month(datum.value) == 0 ? {text('%Y')} : {text('%b')}"
    return f"month(datum.value) == 0 && date(datum.value) == 1 ? {text('%Y')} : ''"


def _with_legend(spec: dict[str, Any], units: Sequence[Mapping[str, Any]], values: Values) -> dict[str, Any]:
    """Break a legend that would be wider than the chart; a pie has its legend beside it."""
    config = spec.get("config") or {}
    found: dict[str, Any] = {}
    if any(unit["kind"] == "arc" for unit in units):
        found = {"orient": "right"}
    else:
        channels = [one for unit in units for name in _COLOURS if _is_discrete(one := unit["encoding"].get(name))]
        datums = [str(one["datum"]) for unit in units for name in _COLOURS
                  if "datum" in (one := unit["encoding"].get(name) or {})]  # fmt: skip
        names = max(
            (_names(one, values) for one in channels if "field" in one or "scale" in one), key=len, default=datums
        )
        widest = max(map(_pixels, names), default=0.0) + _KEY
        if names and widest * len(names) > _WIDTH:
            # A reader's browser may draw wider letters than our fonts have.
            found = {"columns": max(1, int(_WIDTH / widest)), "columnPadding": 10 + widest * 0.15}
    return {**spec, "config": {**config, "legend": {**found, **(config.get("legend") or {})}}} if found else spec
