"""Extracts from a Vega-Lite specification what Excel's own charts can show: kind, categories, series, a second axis.

A more complex chart (facets, scales of points, transforms) is left to HTML and PDF.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.catalog.model import Chart
from shared.reports.formats.display import culture_in, known
from shared.reports.formats.display_dates_in_python import moment_in_python
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.summary import Summaries

_KINDS = {"bar": "bar", "line": "line", "area": "area", "arc": "pie", "point": "line"}
_BEYOND = frozenset({"facet", "repeat", "concat", "hconcat", "vconcat", "transform"})
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d+)?)?")
_LARGE = 10_000
_MOST_SERIES, _MOST_CATEGORIES = 12, 400


@dataclass(frozen=True, slots=True)
class PlannedSeries:
    """A series with its numbers, one for each category."""

    kind: str
    title: str
    values: Sequence[float | int | None]
    second_axis: bool = False
    place: int = 0
    """Its index among the theme's colours, if it is not simply the next one."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A chart that Excel can draw."""

    title: str
    category: str
    categories: Sequence[str]
    series: Sequence[PlannedSeries]
    stacked: bool
    value_title: str
    value_format: str = ""
    """The format of the number axis; empty for Excel's default."""


def planned(rendering: Rendering, summaries: Summaries, chart: Chart) -> Planned | None:
    """Return the chart with its data; None if Excel cannot draw it."""
    if rendering.report.folder is None:
        return None
    spec = json.loads((rendering.report.folder / chart.spec).read_text("utf-8-sig"))
    values = summaries.objects(chart.name, chart.query)
    if _BEYOND & spec.keys() or not values:
        return None
    layers = list(_layers(spec))
    found = [layer for layer in layers if layer is not None]
    if not found or len(found) < len(layers):
        return None
    texts = rendering.report.translations
    names = list(dict.fromkeys(_text(row.get(found[0].category)) for row in values))
    independent = (spec.get("resolve") or {}).get("scale", {}).get("y") == "independent"
    series = [
        one for at, layer in enumerate(found)
        for one in _series(layer, values, names, texts, second=independent and layer.kind != "bar" and len(found) > 1)
    ]  # fmt: skip
    if not series or len(series) > _MOST_SERIES or len(names) > _MOST_CATEGORIES:
        return None
    sort = found[0].sort
    order = range(len(names))
    if sort in {"-x", "-y", "x", "y"}:
        order = sorted(order, key=lambda at: series[0].values[at] or 0, reverse=sort.startswith("-"))  # type: ignore[assignment]
    titles = {layer.title for layer in found}
    return Planned(
        chart.title, texts.get(found[0].category, found[0].category),
        [_shown(rendering, found[0].category, names[at]) for at in order],
        [PlannedSeries(s.kind, s.title, [s.values[at] for at in order], s.second_axis, s.place) for s in series],
        stacked=any(layer.colour for layer in found),
        value_title=texts.get(next(iter(titles)), next(iter(titles))) if len(titles) == 1 else "",
        value_format=_number_format(rendering, found[0].value) or _usual_format(series),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Layer:
    kind: str
    category: str
    value: str
    title: str
    colour: str
    sort: str
    place: int = 0
    """Its index among the theme's colours."""


def _layers(spec: Mapping[str, Any]) -> Iterator[_Layer | None]:
    shared = spec.get("encoding") or {}
    for layer in spec.get("layer") or [spec]:
        yield _layer(layer.get("mark"), _merged(shared, layer.get("encoding") or {}))


def _merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    both = shared.keys() & own.keys()
    return {**shared, **own, **{channel: {**shared[channel], **own[channel]} for channel in both}}


def _layer(mark: Any, encoding: Mapping[str, Any]) -> _Layer | None:
    kind = _KINDS.get(str(mark.get("type") if isinstance(mark, dict) else mark))
    across, up = ("color", "theta") if kind == "pie" else ("x", "y")
    x, y = encoding.get(across) or {}, encoding.get(up) or {}
    lying = x.get("type") == "quantitative" and y.get("type") != "quantitative"
    value, category = (x, y) if lying else (y, x)
    if (
        kind is None
        or "field" not in category
        or "field" not in value
        or {"aggregate", "bin"} & (value.keys() | category.keys())
    ):
        return None
    if value.get("type") != "quantitative" or (lying and kind != "bar"):
        return None
    colour = "" if kind == "pie" else str((encoding.get("color") or {}).get("field") or "")
    axis = value.get("axis")
    title = (axis.get("title") if isinstance(axis, dict) else None) or value.get("title") or value["field"]
    sort = category.get("sort")
    return _Layer("row" if lying else kind, category["field"], value["field"], str(title),
                  colour, sort if isinstance(sort, str) else "", _place(encoding.get("color") or {}))  # fmt: skip


def _place(colour: Mapping[str, Any]) -> int:
    """Return the index of a layer's own name in the colour scale."""
    names = (colour.get("scale") or {}).get("domain") or []
    return names.index(colour["datum"]) if colour.get("datum") in names else 0


def _series(
    layer: _Layer, values: Sequence[Mapping[str, Any]], names: Sequence[str], texts: Mapping[str, str], *, second: bool
) -> Iterator[PlannedSeries]:
    groups = list(dict.fromkeys(_text(row.get(layer.colour)) for row in values)) if layer.colour else [""]
    for group in groups:
        sums: dict[str, float | int] = {}
        for row in values:
            number = row.get(layer.value)
            if (layer.colour and _text(row.get(layer.colour)) != group) or not isinstance(number, int | float):
                continue
            name = _text(row.get(layer.category))
            sums[name] = sums.get(name, 0) + number
        title = group if layer.colour else texts.get(layer.title, layer.title)
        yield PlannedSeries(layer.kind, title, [sums.get(name) for name in names], second, layer.place)


def _number_format(rendering: Rendering, field: str) -> str:
    found = rendering.report.columns.get(field)
    return found.number_format if found else ""


def _usual_format(series: Sequence[PlannedSeries]) -> str:
    """Return a format that keeps the digits of large numbers readable, unlike Excel's default."""
    largest = max((abs(value) for one in series for value in one.values if value is not None), default=0)
    return "#,##0" if largest >= _LARGE else ""


def _shown(rendering: Rendering, field: str, name: str) -> str:
    """Return a category as its column shows it, if it is a date."""
    found = known(_number_format(rendering, field))
    if found is None or not found.is_date or found.is_elapsed or not _MOMENT.fullmatch(name):
        return name
    return moment_in_python(found.sections[0], culture_in(found, rendering.culture))(name)


def _text(value: object) -> str:
    return "" if value is None else str(value)
