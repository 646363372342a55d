"""A chart writes numbers in its columns' formats, and numbers and dates in the document's language."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.catalog.model import Column
from shared.catalog.theme import Theme
from shared.reports.charts import Chart, draw_here
from shared.reports.formats.chart import texts
from shared.reports.formats.chart_theme import Words, themed

COLUMNS = {
    "share": Column("share", "Share", number_format="0.0%"),
    "yen": Column("yen", "Yen", number_format='#,##0,"千円"'),
    "count": Column("count", "Count", number_format="#,##0"),
}


def drawn(language: str, field: str, values: Sequence[float], *, mark: str = "point") -> set[str]:
    """The texts of a chart of these values by month."""
    rows = [{"month": f"2025-{at:02}-01", field: value} for at, value in enumerate(values, 1)]
    month = {"field": "month", "type": "ordinal", "timeUnit": "yearmonth", "axis": {"format": "%B"}}
    spec: Mapping[str, Any] = {
        "mark": mark, "encoding": {"x": month, "y": {"field": field, "type": "quantitative"}},
    }  # fmt: skip
    made = themed({**spec, "data": {"values": rows}}, Theme(), Words(language, COLUMNS), rows)
    return set(texts(draw_here(Chart(json.dumps(made), "Noto Sans"), None)))


@pytest.mark.parametrize(
    ("language", "field", "values", "shown"),
    [
        ("en", "share", [0.1, 0.4], {"40%", "January", "February"}),
        ("de", "share", [0.011, 0.012], {"1,2%", "Januar"}),
        ("ja", "yen", [1_000_000, 4_000_000], {"4,000千円", "1月"}), ("ja", "count", [0, 4e8], {"4億", "2月"}),
        ("de", "count", [0, 4_000], {"4.000", "Februar"}), ("en-IN", "yen", [0, 4e8], {"4,00,000千円"}),
        ("en", "other", [0, 4e6], {"4M"}),
    ],
)  # fmt: skip
def test_axes_speak_as_the_columns_do(language: str, field: str, values: Sequence[float], shown: set[str]) -> None:
    assert shown <= drawn(language, field, values)


def test_the_numbers_of_one_axis_have_the_same_letter() -> None:
    assert not [text for text in drawn("en", "other", [0, 18_000]) if "," in text]
    assert {"8k", "10k"} <= drawn("en", "other", [0, 10_000])
    assert {"0", "1,000", "4,000"} <= drawn("en", "other", [0, 4_000])  # years would stay years
    assert {"0", "\u22128k", "\u221210k"} <= drawn("en", "other", [-10_000, 0])


def test_the_labels_of_bars_have_the_same_letter() -> None:
    rows = [{"name": name, "n": n} for name, n in (("a", 17_800), ("b", 9_263), ("c", 800))]
    spec = {
        "mark": "bar",
        "encoding": {"y": {"field": "name", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}},
    }
    made = themed({**spec, "data": {"values": rows}}, Theme(), Words("en", COLUMNS), rows)

    found = set(texts(draw_here(Chart(json.dumps(made), "Noto Sans"), None)))

    assert {"17.8k", "9.3k", "800"} <= found
    assert "9,263" not in found


def test_axes_with_scales_of_their_own_write_each_number_by_itself() -> None:
    of = {"type": "quantitative"}
    layers = [{"mark": "bar", "encoding": {"y": {"field": name, **of}}} for name in ("small", "large")]
    rows = [{"at": "a", "small": 0.5, "large": 18_000}]
    spec = {
        "encoding": {"x": {"field": "at", "type": "nominal"}},
        "layer": layers,
        "resolve": {"scale": {"y": "independent"}},
    }
    made = themed({**spec, "data": {"values": rows}}, Theme(), Words("en", {}), rows)

    assert {"0.5", "18k"} <= set(texts(draw_here(Chart(json.dumps(made), "Noto Sans"), None)))


def test_what_a_specification_says_of_its_axis_stays() -> None:
    axis = {"format": ".3f"}
    spec = {"mark": "line", "encoding": {"y": {"field": "share", "type": "quantitative", "axis": axis}}}
    made = themed({**spec, "config": {"locale": {"number": {"decimal": "!"}}}}, Theme(), Words("de", COLUMNS), [])

    assert made["encoding"]["y"]["axis"] == axis
    assert (made["config"]["locale"]["number"]["decimal"], made["config"]["locale"]["number"]["thousands"]) == (
        "!",
        ".",
    )
