"""A chart is readable whatever its author left open: sizes, single points, NULL, dates, long legends."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from shared.catalog.theme import Theme
from shared.reports.charts import Chart, ChartRefused, draw_here
from shared.reports.formats.chart import size_of, texts
from shared.reports.formats.chart_fit import on_the_clock, shows_something, with_names_for_null, with_shades
from shared.reports.formats.chart_theme import Words, themed

N = {"field": "n", "type": "quantitative"}
NAME = {"field": "name", "type": "nominal"}
DAY = {"field": "day", "type": "temporal"}
Rows = Sequence[Mapping[str, Any]]


def drawn(spec: Mapping[str, Any], rows: Rows, language: str = "en") -> str:
    rows = on_the_clock(spec, with_names_for_null(spec, rows))
    made = themed(dict(spec), Theme(), Words(language, {}), rows)
    return draw_here(Chart(json.dumps({**made, "data": {"values": rows}}), "Noto Sans"), None)


def of(mark: object, **encoding: object) -> Mapping[str, Any]:
    return {"mark": mark, "encoding": encoding}


def named(*numbers: float | None) -> Rows:
    return [{"name": f"Name {at}", "n": number} for at, number in enumerate(numbers)]


def days(*numbers: float | None, month: int = 1) -> Rows:
    return [{"day": f"2026-{month:02}-{at:02}", "n": number} for at, number in enumerate(numbers, 1)]


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (of("bar", x=NAME, y=N), named(1, 2)),
        (of("bar", x=NAME, y=N), named(*range(80))),
        (of("bar", y=NAME, x=N), named(1, 2, 3)),
        (of("line", x=DAY, y=N), days(1, 2, 3)),
        (of("point", x=N, y=N), named(1, 2)),
        ({"layer": [of("bar", x=NAME, y=N), of("rule", y=N)]}, named(1, 2)),
        (of("bar", x=NAME, y=N, color={"field": "who", "type": "nominal"}),
         [{"name": "a", "n": 1, "who": f"Somebody with a long name {at}"} for at in range(12)]),
    ],
)  # fmt: skip
def test_a_chart_without_sizes_is_made_for_a_page(spec: Mapping[str, Any], rows: Rows) -> None:
    width, height = size_of(drawn(spec, rows))

    assert 480 <= width <= 1_100
    assert height < width


def test_bars_that_lie_are_as_many_as_a_page_holds() -> None:
    _, few = size_of(drawn(of("bar", y=NAME, x=N), named(*range(4))))
    _, many = size_of(drawn(of("bar", y=NAME, x=N), named(*range(75))))

    assert few < 130
    assert many < 950


def test_what_an_author_says_of_sizes_stays() -> None:
    rows = named(1, 2, 3)
    width, height = size_of(drawn({**of("bar", x=NAME, y=N), "width": 90, "height": 70}, rows))
    assert (width < 180, height < 180) == (True, True)

    stepped = {**of("bar", x=NAME, y=N), "config": {"view": {"step": 10}}}
    assert size_of(drawn(stepped, rows))[0] < 120
    assert size_of(drawn({**of("bar", x=NAME, y=N), "width": {"step": 10}}, rows))[0] < 120


@pytest.mark.parametrize(("numbers", "points"), [((7,), 1), ((1, None, 3), 2), ((1, 2, 3), 0)])
def test_a_line_shows_points_that_have_no_neighbour(numbers: Sequence[float | None], points: int) -> None:
    found = drawn(of("line", x=DAY, y=N), days(*numbers))

    assert len(re.findall(r'<path [^>]*aria-roledescription="point"', found)) == points


def test_the_label_of_a_negative_bar_stands_beside_it() -> None:
    found = drawn(of("bar", y=NAME, x=N), named(-120, 300))

    at_the_end = re.findall(r'text-anchor="end"[^>]*>([^<]*)<', found)
    assert "\u2212120" in at_the_end
    assert "300" not in at_the_end


def test_null_is_a_dash_and_not_a_name() -> None:
    shown = set(texts(drawn(of("bar", y=NAME, x=N), [{"name": None, "n": 3}, {"name": "a", "n": 2}])))

    assert "null" not in shown
    assert "–" in shown  # noqa: RUF001 - the dash that stands for NULL


@pytest.mark.parametrize(
    ("language", "rows", "shown"),
    [
        ("en", days(*range(9)), {"Jan 2", "Jan 9"}), ("de", days(*range(9)), {"2 Jan.", "9 Jan."}),
        ("ja", days(*range(9)), {"1/2", "1/9"}),
        ("en", [{"day": f"2026-03-01 {at:02}:00:00", "n": at} for at in range(24)], {"Mar 1", "03:00", "21:00"}),
        ("en", [{"day": f"2026-{at:02}-01", "n": at} for at in range(1, 13)], {"2026", "Mar"}),
        ("ja", [{"day": f"2026-{at:02}-01", "n": at} for at in range(1, 13)], {"2026", "3月"}),
        ("en", [{"day": f"{at}-01-01", "n": at} for at in range(2001, 2021)], {"2002", "2018"}),
    ],
)  # fmt: skip
def test_an_axis_of_time_is_written_by_its_span(language: str, rows: Rows, shown: set[str]) -> None:
    assert shown <= set(texts(drawn(of("line", x=DAY, y=N), rows, language)))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_moments_stand_where_the_reports_clocks_have_them_whatever_the_workers_zone(zone: str) -> None:
    code = (
        "from tests.unit.test_chart_fit import *\n"
        "rows = [{'day': f'2026-03-01 {at:02}:00:00+09', 'n': at} for at in (9, 12)]\n"
        "month = {'field': 'day', 'timeUnit': 'yearmonth', 'type': 'ordinal', 'axis': {'format': '%B'}}\n"
        "print(*texts(drawn(of('line', x=DAY, y=N), rows)), *texts(drawn(of('bar', x=month, y=N), days(1, month=5))))"
    )
    environment = {**os.environ, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )

    assert {"09:00", "12:00", "May"} <= set(done.stdout.split())


def test_a_chart_of_nothing_is_known() -> None:
    spec = of("bar", y=NAME, x=N)

    assert not shows_something(spec, [])
    assert not shows_something(spec, named(None, None))
    assert shows_something(spec, named(None, 0))
    assert shows_something(of("bar", y=NAME, x={"aggregate": "count", "type": "quantitative"}), named(None))


def test_more_series_than_colours_have_colours_of_their_own() -> None:
    colours = with_shades(Theme().series)

    assert len(set(colours)) == 3 * len(Theme().series)
    assert colours[: len(Theme().series)] == [*Theme().series]


ODD: Sequence[object] = (None, True, 3, "x", [], ["x"], {}, [{}], {"a": 1}, [[1]])
WHOLE = (
    {**of("line", x={**DAY, "axis": {}}, y=N, color={**NAME, "scale": {"domain": ["a"]}}),
     "config": {"view": {}, "legend": {}}, "width": 300},
    {**of({"type": "bar"}, x=N, y=NAME), "config": {}},
    {"layer": [of({"type": "bar"}, y=N, color={"datum": "x", "type": "nominal"})], "encoding": {"x": NAME}},
)  # fmt: skip


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield (*at, key)
        yield from places(value, (*at, key))


@pytest.mark.parametrize("whole", WHOLE, ids=["line", "bars", "layers"])
def test_what_is_no_specification_is_left_to_the_engine_to_refuse(whole: Mapping[str, Any]) -> None:
    rows: Rows = [{"day": "2026-01-01", "n": 1, "name": "a"}, {"day": None, "n": None, "name": None}]
    tried = [(at, odd) for at in places(whole) for odd in ODD]
    for at, odd in tried:
        spec = json.loads(json.dumps(whole))
        node = spec
        for key in at[:-1]:
            node = node[key]
        node[at[-1]] = odd
        assert shows_something(spec, rows) in {True, False}
        assert len(on_the_clock(spec, with_names_for_null(spec, rows))) == 2
        assert themed(spec, Theme(), Words("en", {}), rows).keys() >= spec.keys() - {"mark"}

    with pytest.raises(ChartRefused):
        drawn({"layer": True}, rows)


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (of("bar", x=NAME, y=N), named(0, 0, 0)),
        (of("bar", y=NAME, x=N), named(0, None, 0)),
        (of("line", x=DAY, y=N), days(0, 0, 0)),
        (of("bar", x=NAME, y={**N, "aggregate": "sum"}), named(0, 0)),
        ({"layer": [of("bar", x=NAME, y=N), of("text", x=NAME, y=N)]}, named(0, 0)),
    ],
)
def test_a_chart_of_zeros_has_an_axis_with_0(spec: Mapping[str, Any], rows: Rows) -> None:
    assert [one for one in texts(drawn(spec, rows)) if re.fullmatch(r"[0-9.,-]+", one)] == ["0"]
    marks = themed(dict(spec), Theme(), Words("en", {}), rows)
    channel = next(one for one in (marks.get("layer") or [marks])[0]["encoding"].values() if one["type"] == N["type"])
    assert channel["scale"] == {"domain": [0, 1]}


def test_an_axis_of_zeros_leaves_other_axes_and_what_its_author_says() -> None:
    other = {"field": "m", "type": "quantitative"}
    rows = [{"name": "a", "n": 0, "m": 5}, {"name": "b", "n": 0, "m": 7}]
    mixed = {"layer": [of("bar", x=NAME, y=N), of("line", x=NAME, y=other)]}
    counted = of("bar", x=NAME, y={**N, "aggregate": "count"})
    for spec in (mixed, counted, of("bar", x=NAME, y=other)):
        assert '"domain": [0, 1]' not in json.dumps(themed(dict(spec), Theme(), Words("en", {}), rows))
    own = of("bar", x=NAME, y={**N, "scale": {"domain": [0, 9]}})
    assert themed(dict(own), Theme(), Words("en", {}), rows)["encoding"]["y"]["scale"] == {"domain": [0, 9]}


def test_a_pie_of_zeros_shows_nothing_and_is_told_so() -> None:
    pie = of("arc", theta=N, color=NAME)
    assert not shows_something(pie, named(0, 0, None))
    assert shows_something(pie, named(0, 1))
    assert shows_something(of("arc", theta={**N, "aggregate": "count"}, color=NAME), named(0, 0))
