"""One process draws the charts of all reports: it reveals nothing of one to the next, and a fault affects one report
only.
"""

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from shared.catalog.asker import Asker
from shared.catalog.model import Chart, Format, Limits, PdfOptions
from shared.reports import charts
from shared.reports.interface import RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.process import charts_drawn, child, sandbox
from shared.reports.process.confinement import Needs, confine
from shared.reports.process.seccomp import Sockets
from shared.reports.process.worker_listener import WorkerListener
from tests.reports.conftest import MakeRequest, Run
from tests.reports.test_pdf import text_of, with_pdf
from tests.support.eventually import eventually

SPEC = {
    "mark": "bar",
    "encoding": {"y": {"field": "who", "type": "nominal"}, "x": {"field": "n", "type": "quantitative"}},
}


@pytest.fixture(autouse=True)
def _a_process_of_this_tests_own() -> None:
    child.charts.close()


@pytest.fixture
def a_chart_of(a_request: MakeRequest, tmp_path: Path) -> "ChartOf":
    return ChartOf(a_request, tmp_path)


class ChartOf:
    """Requests for a document with one chart, whose only bar is named."""

    def __init__(self, a_request: MakeRequest, folder: Path) -> None:
        self._a_request = a_request
        self._folder = folder
        (folder / "c.vl.json").write_text(json.dumps(SPEC))

    def __call__(self, who: str, tenant: str = "acme", **limits: float) -> RenderRequest:
        pdf = PdfOptions(appendix=False, charts=(Chart("c", "C", "SELECT who, n FROM report", "c.vl.json"),))
        request = with_pdf(
            self._a_request(f"SELECT '{who}' AS who, 7 AS n", Format.PDF), pdf, self._folder,
            limits=Limits(**{"timeout_s": 60, **limits}),  # type: ignore[arg-type]
        )  # fmt: skip
        return replace(request, asker=Asker(tenant, None))


def the_process() -> int:
    process = child.charts._process
    assert process is not None
    return process.pid


def digest(files: tuple[RenderedFile, ...]) -> str:
    return files[0].sha256


def test_two_tenants_charts_come_from_one_process_and_each_is_as_if_it_were_alone(
    a_chart_of: ChartOf, run: Run, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"  # its rows are read once, so that both documents are of one moment
    alone = digest(run(replace(a_chart_of("globex", tenant="globex"), keep=kept)))
    child.charts.close()
    first = run(a_chart_of("acme-secret"))
    process = the_process()

    second = run(replace(a_chart_of("globex", tenant="globex"), keep=kept))

    assert the_process() == process
    assert "acme-secret" in "".join(text_of(first[0]))
    assert "acme-secret" not in "".join(text_of(second[0]))
    assert digest(second) == alone


def test_a_page_does_not_tell_how_many_charts_its_process_has_drawn_before(
    a_chart_of: ChartOf, run: Run, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    first, second = (run(replace(a_chart_of("x"), formats=(Format.HTML,), keep=kept)) for _ in range(2))

    assert digest(first) == digest(second)


def test_the_chart_process_is_confined_as_a_report_is_and_writes_nothing(
    a_chart_of: ChartOf, run: Run, tmp_path: Path
) -> None:
    allowed, source = confine(Needs.of_charts(tmp_path))
    assert (source, allowed.sockets, allowed.ports) == ("", Sockets.NONE, [])
    assert allowed.writable == ["/dev/null"]
    assert str(tmp_path) in allowed.readable

    run(a_chart_of("x"))
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{the_process()}/status").read_text().splitlines() if ":\t" in line
    )
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)
    assert psutil.Process(the_process()).cwd() == "/"


def test_a_chart_process_that_was_killed_is_followed_by_another(a_chart_of: ChartOf, run: Run) -> None:
    run(a_chart_of("x"))
    killed = the_process()
    os.kill(killed, signal.SIGKILL)

    assert run(a_chart_of("y"))[0].rows == 1
    assert the_process() != killed


def test_a_chart_that_takes_too_long_fails_its_own_report_only(
    a_chart_of: ChartOf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(a_chart_of("x"))
    frozen = the_process()
    os.kill(frozen, signal.SIGSTOP)
    monkeypatch.setattr(charts_drawn, "_MOST_S", 0.5)

    with pytest.raises(ReportError, match="takes longer") as failure:
        run(a_chart_of("y"))
    assert (failure.value.code, failure.value.retryable) == ("chart_failed", False)

    monkeypatch.undo()
    assert run(a_chart_of("y"))[0].rows == 1
    assert not psutil.pid_exists(frozen)


def test_a_chart_process_that_dies_over_a_chart_twice_has_refused_it(
    a_chart_of: ChartOf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def assign_nonsense(line: socket.socket, *_: object) -> None:
        started.append(1)
        line.sendall(b"\1\0\0\0x")

    monkeypatch.setattr(sandbox, "assign_charts", assign_nonsense)

    with pytest.raises(ReportError, match="ends the process that draws it") as failure:
        run(a_chart_of("y"))
    assert failure.value.code == "chart_failed"
    assert len(started) == 2


def test_a_report_that_waits_for_its_chart_can_be_cancelled(a_chart_of: ChartOf, run: Run) -> None:
    run(a_chart_of("x"))
    os.kill(the_process(), signal.SIGSTOP)
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, a_chart_of("y"), cancel=cancel)
        eventually(child.charts._turn.locked, within_s=30, what="the chart is asked for")
        cancel.set()
        with pytest.raises(RenderCancelled):
            waiting.result(30)
    assert run(a_chart_of("z"))[0].rows == 1


def test_a_report_that_waits_behind_anothers_chart_keeps_its_deadline(a_chart_of: ChartOf, run: Run) -> None:
    run(a_chart_of("x"))
    with child.charts._turn:
        began = time.monotonic()
        with pytest.raises(ReportError) as failure:
            run(a_chart_of("y"), deadline_s=1.5)
    assert failure.value.code == "attempt_timeout"
    assert time.monotonic() - began < 30


def test_after_so_many_charts_there_is_another_process(
    a_chart_of: ChartOf, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts_drawn, "_MOST_CHARTS", 1)
    run(a_chart_of("x"))
    assert child.charts._process is None


def test_a_chart_of_too_many_values_is_refused_before_it_is_sent() -> None:
    listener = WorkerListener.__new__(WorkerListener)
    with pytest.raises(charts.ChartRefused, match="longer than 8 MB"):
        listener.draw(charts.Chart("x" * (charts.MOST_BYTES + 1), ""), None)
