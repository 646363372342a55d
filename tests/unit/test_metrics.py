"""The names of the metrics, and the values of their labels."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from deploy.tools.metrics_page import METRICS, page
from services.worker import metrics
from services.worker.phase_timer import PhaseTimer
from shared.reports.interface import Progress
from shared.runtime.metrics import common
from shared.runtime.metrics.declare import FAST_S, known, observe_all
from shared.runtime.metrics.exposition import exposition
from shared.runtime.metrics.slots import MULTIPROCESS_DIR

ROOT = Path(__file__).parents[2]


def test_the_page_of_metrics_is_the_one_in_the_code() -> None:
    assert (ROOT / "docs" / "reference" / "metrics.md").read_text() == page(), (
        "run: python -m deploy.tools.metrics_page > docs/reference/metrics.md"
    )


def test_the_page_does_not_depend_on_what_was_imported_first() -> None:
    modules = ("services.worker.metrics", "services.relay.metrics", "shared.runtime.metrics.artifacts")
    code = (
        "".join(f"import {name}\n" for name in modules)
        + "import deploy.tools.metrics_page as m; print(m.page(), end='')"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )

    assert made.stdout == page()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_of_prometheus(metric: object) -> None:
    name, kind = metric.name, metric.kind  # type: ignore[attr-defined]

    assert re.fullmatch(r"todoke_[a-z0-9_]+", name)
    assert name.endswith("_total") == (kind == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|count|sum|bucket|info)(_total)?$", name)
    assert metric.tells.endswith(".")  # type: ignore[attr-defined]


def test_what_a_closed_list_does_not_know_is_other() -> None:
    assert known("InternalError", ["InternalError", "other"]) == "InternalError"
    assert known("x" * 1000, ["InternalError", "other"]) == "other"


def test_report_types_are_labels_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "_report_types", set())

    labels = {common.report_type_label(f"type-{n}") for n in range(1000)}

    assert len(labels) == 201
    assert "other" in labels
    assert common.report_type_label("type-7") == "type-7"


_COUNTS = """
import sys
from shared.runtime.metrics.declare import counter, histogram
counter("api", "todoke_counted_total", "Counted.").inc()
histogram("api", "todoke_counted_seconds", "Counted.", buckets=(1,)).observe(0.5)
print("counted", flush=True)
sys.stdin.read()
"""


def counting(folder: Path) -> subprocess.Popen[bytes]:
    """A process that has counted one, and lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COUNTS], cwd=ROOT, env={**os.environ, MULTIPROCESS_DIR: str(folder)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"counted\n"
    return process


def test_a_process_goes_on_counting_where_a_killed_one_ended(tmp_path: Path) -> None:
    counted = []
    for living in (2, 1, 2, 1):
        processes = [counting(tmp_path) for _ in range(living)]
        together = CollectorRegistry()
        MultiProcessCollector(together, str(tmp_path))  # type: ignore[no-untyped-call]
        counted.append([together.get_sample_value(f"todoke_counted_{of}") for of in ("total", "seconds_count")])
        for process in processes:
            process.kill()
            process.communicate()

    assert counted == [[2, 2], [3, 3], [5, 5], [6, 6]]
    files = [f"{kind}_{slot}.db" for kind in ("counter", "histogram") for slot in (0, 1)]
    assert sorted(file.name for file in tmp_path.iterdir()) == [*files, "slot-0", "slot-1"]


_LOOKS = """
import sys
from shared.runtime.metrics.declare import gauge
found = gauge("api", "todoke_found", "Found.")
print("declared", flush=True)
for line in sys.stdin:
    found.set(int(line))
    print("set", flush=True)
"""


def test_of_processes_that_look_at_the_same_thing_the_last_one_is_right(tmp_path: Path) -> None:
    looking = [
        subprocess.Popen(
            [sys.executable, "-c", _LOOKS], cwd=ROOT, env={**os.environ, MULTIPROCESS_DIR: str(tmp_path)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in looking:
        assert process.stdout is not None
        assert process.stdout.readline() == "declared\n"

    shown = []
    for at, found in ((0, 2), (1, 3), (0, 0)):
        process = looking[at]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{found}\n")
        assert process.stdout.readline() == "set\n"
        together = CollectorRegistry()
        MultiProcessCollector(together, str(tmp_path))  # type: ignore[no-untyped-call]
        shown.append([sample.value for metric in together.collect() for sample in metric.samples])
    for process in looking:
        process.communicate()

    assert shown == [[2], [3], [0]]


def test_series_with_closed_labels_begin_at_zero() -> None:
    """A counter whose series begins with its first step has, for `rate`, never stepped."""
    shown = {
        sample.name for family in text_string_to_metric_families(exposition().decode()) for sample in family.samples
    }

    for metric in METRICS:
        if all(not isinstance(values, str) for values in metric.labels.values()):
            assert {metric.name, f"{metric.name}_count"} & shown, metric.name


def test_a_phase_lasts_until_the_next_one_begins() -> None:
    now = 100.0
    seen: list[Progress] = []
    timer = PhaseTimer("phased", seen.append, clock=lambda: now)
    for phase, seconds in (("querying", 1), ("querying", 2), ("writing csv", 5), ("storing", 7)):
        timer.show(Progress(phase, 0))
        now += seconds
    timer.end()

    def total(format_: str, phase: str) -> float:
        return float(metrics.REPORT_SECONDS.labels("phased", format_, phase)._sum.get())

    assert [total("all", "querying"), total("csv", "writing"), total("all", "storing")] == [3, 5, 7]
    assert len(seen) == 4
    assert timer.took == {"querying": 3, "writing csv": 5, "storing": 7}


def test_a_report_that_names_a_phase_for_each_row_is_told_by_its_first_ones() -> None:
    timer = PhaseTimer("chatty", lambda _: None)
    for n in range(100):
        timer.show(Progress(f"row {n}", n))
    timer.end()

    assert list(timer.took) == [f"row {n}" for n in range(20)]


def test_many_observations_at_once_count_as_one_by_one() -> None:
    one_by_one, at_once = (Histogram("h", "h", registry=None, buckets=FAST_S) for _ in range(2))
    values = [0.0, 0.001, 0.0011, 0.3, 0.3, 10, 11, 1e9]
    for value in values:
        one_by_one.observe(value)

    observe_all(at_once, values)
    observe_all(at_once, [])

    seen = [[(s.name, s.labels, s.value) for m in each.collect() for s in m.samples] for each in (one_by_one, at_once)]
    assert seen[0] == seen[1]
    assert ("h_count", {}, 8.0) in seen[0]
