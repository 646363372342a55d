"""Figures as the console's pages write and draw them."""

from datetime import UTC, datetime, timedelta

import pytest
from babel import Locale

from services.api.console import charts
from services.api.console.charts import Steps
from services.api.console.show import Shown
from shared.jobs.rollups import BOUNDS_S
from shared.jobs.states import JobStatus
from shared.jobs.totals import Came, Point

_NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
_STEPS = [_NOW + timedelta(minutes=n) for n in range(4)]


@pytest.mark.parametrize(
    ("seconds", "english", "japanese"),
    [
        (-1.0, "0.00 s", "0.00 秒"), (0.84, "0.84 s", "0.84 秒"), (12.34, "12.3 s", "12.3 秒"),
        (185.0, "3 min 05 s", "3 分 05 秒"), (7_800.0, "2 h 10 min", "2 時間 10 分"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_told_in_the_readers_words(seconds: float, english: str, japanese: str) -> None:
    assert Shown(Locale("en")).took(seconds) == english
    assert Shown(Locale("ja")).took(seconds) == japanese


@pytest.mark.parametrize(
    ("bucket", "top_s"), [(0, 0.1), (4, 2), (7, 20), (9, 60), (10, 120), (12, 600), (13, 1_800), (14, 3_600)]
)
def test_the_top_of_a_chart_of_times_is_a_length_that_people_name(bucket: int, top_s: float) -> None:
    buckets = [0] * (len(BOUNDS_S) + 1)
    buckets[bucket] = 100
    done = Point(_STEPS[0], JobStatus.SUCCESS, 100, 1.0, buckets)

    assert charts.took(Steps(_STEPS, {_STEPS[0]: {JobStatus.SUCCESS: done}})).top == top_s


def test_what_was_accepted_is_a_bar_per_step_beside_its_table() -> None:
    chart = charts.accepted(Steps(_STEPS, {}), [Came(_STEPS[1], 30), Came(_STEPS[3], 45)])

    assert [(bar.kind, bar.height) for bar in chart.rects] == [("accepted", 60.0), ("accepted", 90.0)]
    assert (chart.top, chart.columns) == (50, ["accepted"])
    assert chart.rows == [(_STEPS[1], [30]), (_STEPS[3], [45])]
    assert charts.accepted(Steps(_STEPS, {}), []).rows == []
