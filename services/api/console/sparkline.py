"""How a job compares with those of its type before it, as bars."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.api.actions.earlier import MOST, Run

WIDTH, HEIGHT = 100.0, 32.0
"""Of the picture, in its own units."""
_LEAST = 1.0
_GAP = 0.25
"""Share of a bar's place that stays empty."""
_ENOUGH = 5
"""Of so few runs no share is told."""


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
    """The runs before a job, and the job itself as the last bar."""

    bars: Sequence[SparkBar]
    runs: int
    """Runs before it."""
    median_s: float
    slowest_s: float
    slower_than: int | None
    """Per cent of the runs before it that took less; None before its end, and beside too few."""


def sparkline(runs: Sequence[Run], seconds: float | None) -> Sparkline | None:
    """The picture of the runs, oldest first, and of a job that took `seconds`; None without runs."""
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
