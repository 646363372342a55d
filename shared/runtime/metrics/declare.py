"""How a metric is declared: what it means, which services show it, and which values each of its labels may have."""

import bisect
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from shared.runtime.metrics.slots import count_in_a_slot

count_in_a_slot()
# A `_created` series beside each counter and histogram would be a third of the scrape, and is not used.
disable_created_metrics()  # type: ignore[no-untyped-call]

FAST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Buckets for what should take milliseconds."""
SLOW_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
"""Buckets for what may take minutes."""
OTHER = "other"
"""Replaces every value that a closed label does not know."""

Values = Sequence[str] | str
"""The values of a label: a closed list, or words that say what bounds them."""
_Metric = TypeVar("_Metric", bound=MetricWrapperBase)


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric, as the documentation shows it."""

    name: str
    """As Prometheus scrapes it; for a histogram without `_bucket`, `_sum`, `_count`."""
    kind: str
    tells: str
    labels: Mapping[str, Values]
    shown_by: str


DECLARED: list[Declared] = []
"""Every metric of the modules imported so far, in order."""


def counter(shown_by: str, name: str, tells: str, labels: Mapping[str, Values] | None = None) -> Counter:
    """Return a counter; `name` must end in `_total`."""
    return _declared(Counter(name, tells, list(labels or {})), "counter", shown_by, name, tells, labels or {})


def gauge(shown_by: str, name: str, tells: str, labels: Mapping[str, Values] | None = None) -> Gauge:
    """Return a gauge.

    Processes that count together measure the same thing, and the last to measure is right.
    """
    made = Gauge(name, tells, list(labels or {}), multiprocess_mode="mostrecent")
    return _declared(made, "gauge", shown_by, name, tells, labels or {})


def histogram(
    shown_by: str, name: str, tells: str, labels: Mapping[str, Values] | None = None, *, buckets: Sequence[float]
) -> Histogram:
    """Return a histogram with these upper bounds."""
    made = Histogram(name, tells, list(labels or {}), buckets=buckets)
    return _declared(made, "histogram", shown_by, name, tells, labels or {})


def _declared(
    metric: _Metric, kind: str, shown_by: str, name: str, tells: str, labels: Mapping[str, Values]
) -> _Metric:
    DECLARED.append(Declared(name, kind, tells, labels, shown_by))
    # Finding the series of some labels takes longer than counting in it, and there are few: each is found only once.
    metric.labels = functools.cache(metric.labels)  # type: ignore[method-assign]
    closed = [values for values in labels.values() if not isinstance(values, str)]
    if labels and len(closed) == len(labels):
        # From 0 on, because `rate` cannot see a counter's first step if the series begins with it.
        for combination in itertools.product(*closed):
            metric.labels(*combination)
    return metric


def observe_all(series: Histogram, values: Sequence[float]) -> None:
    """Observe all values at once, as `observe` does for each: three histograms took a tenth of the worker's time for
    empty jobs.

    prometheus_client has no such method, so this accesses its buckets; a test compares the two.
    """
    ordered, before = sorted(values), 0
    for bound, bucket in zip(series._upper_bounds, series._buckets, strict=True):  # noqa: SLF001
        upto = bisect.bisect_right(ordered, bound)
        if upto > before:
            bucket.inc(upto - before)
            before = upto
    series._sum.inc(sum(ordered))  # noqa: SLF001


def known(value: str, values: Sequence[str]) -> str:
    """Return `value` if the closed list has it, else `other`: values from outside must not create unlimited labels."""
    return value if value in values else OTHER
