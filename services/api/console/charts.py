"""Charts as pages draw them: bars and lines on a plane of 100 by 100, with the same figures for a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.api.actions.overview import Period
from shared.jobs.rollups import quantile
from shared.jobs.states import JobStatus
from shared.jobs.totals import Came, OfType, Point

_OUTCOMES = (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED)
_LENGTHS_S = (20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 18_000, 36_000, 86_400)
_GAP = 0.15
"""The share of a bar's place that stays empty."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a bar."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """A line, with a gap where nothing was measured."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and what its table contains."""

    name: str
    """Its texts are `chart.{name}`."""
    top: float
    """The value at the top of the plane."""
    unit: str
    """`number`, `seconds` or `percent`."""
    columns: Sequence[str]
    """The columns of the table, `chart.{column}` each."""
    rows: Sequence[tuple[datetime, Sequence[float | None]]]
    """The steps that have figures, with these figures."""
    rects: Sequence[Rect] = ()
    lines: Sequence[Line] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Steps:
    """The history in equal steps, including empty ones."""

    begins: Sequence[datetime]
    found: Mapping[datetime, Mapping[JobStatus, Point]]

    def each(self, value: Callable[[Mapping[JobStatus, Point]], float | None]) -> list[float | None]:
        """Return a value per step; None for a step in which no job ended."""
        return [value(self.found[at]) if at in self.found else None for at in self.begins]


def steps(points: Sequence[Point], period: Period, at: datetime) -> Steps:
    """Return the steps of the period that ends at `at`."""
    found: dict[datetime, dict[JobStatus, Point]] = {}
    for point in points:
        found.setdefault(point.begins, {})[point.outcome] = point
    last = datetime.fromtimestamp(at.timestamp() // period.step_s * period.step_s, UTC)
    count = period.seconds // period.step_s
    return Steps([last - timedelta(seconds=n * period.step_s) for n in range(count, -1, -1)], found)


def accepted(of: Steps, points: Sequence[Came]) -> Chart:
    """Draw how many jobs were accepted, as bars."""
    found = {point.begins: point.jobs for point in points}
    many = [[found.get(at, 0)] for at in of.begins]
    return _bars("accepted", of, ["accepted"], many)


def ended(of: Steps) -> Chart:
    """Draw how many jobs ended, by outcome, as stacked bars."""
    many = [
        [of.found[at][o].jobs if at in of.found and o in of.found[at] else 0 for o in _OUTCOMES] for at in of.begins
    ]
    return _bars("ended", of, [str(o) for o in _OUTCOMES], many)


def took(of: Steps) -> Chart:
    """Draw the time within which half of the jobs succeeded, and 95 of 100."""

    def within(q: float) -> list[float | None]:
        done = JobStatus.SUCCESS
        return of.each(lambda found: quantile(found[done].buckets, q) if done in found else None)

    return _lines("took", "seconds", of, {"p50": within(0.5), "p95": within(0.95)})


def succeeded(of: Steps) -> Chart:
    """Draw how many of 100 ended jobs succeeded; cancelled jobs do not count."""

    def share(found: Mapping[JobStatus, Point]) -> float | None:
        done, failed = (found[o].jobs if o in found else 0 for o in (JobStatus.SUCCESS, JobStatus.FAILED))
        return done / (done + failed) * 100 if done + failed else None

    return _lines("succeeded", "percent", of, {"share": of.each(share)}, top=100)


def busiest(types: Sequence[OfType]) -> Sequence[tuple[OfType, float, float]]:
    """Return each report type with the lengths of its bar and of the failed part, in hundredths."""
    top = max((each.jobs for each in types), default=1)
    return [(each, _n(each.jobs / top * 100), _n(each.failed / top * 100)) for each in types]


def _bars(name: str, of: Steps, columns: Sequence[str], many: Sequence[Sequence[int]]) -> Chart:
    """Draw a bar per step, stacked from as many parts as there are columns."""
    top = _round(max(map(sum, many), default=0))
    width = 100 / len(of.begins)
    rects = [
        Rect(
            column.lower(),
            _n((n + _GAP / 2) * width),
            _n(100 - sum(row[: k + 1]) / top * 100),
            _n((1 - _GAP) * width),
            _n(row[k] / top * 100),
        )
        for n, row in enumerate(many)
        for k, column in enumerate(columns)
        if row[k]
    ]
    rows = [(at, row) for at, row in zip(of.begins, many, strict=True) if any(row)]
    return Chart(name, top, "number", columns, rows, rects)


def _lines(
    name: str, unit: str, of: Steps, values: Mapping[str, Sequence[float | None]], *, top: float | None = None
) -> Chart:
    known = [value for each in values.values() for value in each if value is not None]
    top = top or (_round_seconds if unit == "seconds" else _round)(max(known, default=0))
    lines = [Line(kind, _path(each, top)) for kind, each in values.items()]
    rows = [
        (at, row)
        for at, row in zip(of.begins, zip(*values.values(), strict=True), strict=True)
        if any(value is not None for value in row)
    ]
    return Chart(name, top, unit, list(values), rows, lines=lines)


def _path(values: Sequence[float | None], top: float) -> str:
    """Start a new move where the line has a gap. A single step becomes a short dash, so that it is visible."""
    width, parts, before = 100 / len(values), list[str](), False
    for n, value in enumerate(values):
        if value is None:
            before = False
            continue
        x, y = _n((n + 0.5) * width), _n(100 - value / top * 100)
        parts.append(f"{'L' if before else 'M'}{x} {y}" + ("" if before else f"h{_n(width / 4)}"))
        before = True
    return "".join(parts)


def _round(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, …; at least 0.1, and 1 for 0."""
    if value <= 0:
        return 1
    step = 0.1
    while True:
        for times in (1, 2, 5):
            if value <= step * times:
                return round(step * times, 1)
        step *= 10


def _round_seconds(value: float) -> float:
    """The same; above ten seconds the next duration that people use: half a minute, two hours."""
    return next((each for each in _LENGTHS_S if value <= each), 0.0) if 10 < value <= _LENGTHS_S[-1] else _round(value)


def _n(value: float) -> float:
    return round(value, 2)
