"""How a job compares with earlier jobs of its type, as bars."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.api.actions.earlier import MOST, Run

WIDTH, HEIGHT = 100.0, 32.0
"""Of the picture, in its own units."""
_LEAST = 1.0
_GAP = 0.25
"""The share of a bar's place that stays empty."""
_ENOUGH = 5
"""With fewer runs than this, no share is stated."""


class SparkBar(NamedTuple):
    """One run."""

    job_id: UUID | None
    """None for the job itself."""
    x: float
    y: float
    width: float
    height: float
    seconds: float
    rows: int | None


class Sparkline(NamedTuple):
    """Earlier runs, and the job itself as the last bar."""

    bars: Sequence[SparkBar]
    runs: int
    """How many earlier runs there are."""
    median_s: float
    slowest_s: float
    slower_than: int | None
    """The percentage of earlier runs that took less; None before the job's end, and with too few runs."""


def sparkline(runs: Sequence[Run], seconds: float | None) -> Sparkline | None:
    """Return the picture of the runs, oldest first, and of a job that took `seconds`; None without runs."""
    if not runs:
        return None
    shown: list[tuple[UUID | None, float, int | None]] = [(run.job_id, run.seconds, run.rows) for run in runs]
    shown += [] if seconds is None else [(None, seconds, None)]
    most, place = max(each[1] for each in shown) or 1.0, WIDTH / (MOST + 1)
    bars = []
    for n, (job_id, took, rows) in enumerate(shown):
        height = round(max(_LEAST, took / most * HEIGHT), 2)
        bars.append(
            SparkBar(job_id, round(n * place, 2), HEIGHT - height, round(place * (1 - _GAP), 2), height, took, rows)
        )
    before = sorted(run.seconds for run in runs)
    told = seconds is not None and len(before) >= _ENOUGH
    less = sum(took < seconds for took in before) if seconds is not None else 0
    slower = round(100 * less / len(before)) if told else None
    return Sparkline(bars, len(before), before[len(before) // 2], before[-1], slower)
