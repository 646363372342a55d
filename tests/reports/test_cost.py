"""The kernel and the worker measure what an attempt has used, however it ended."""

import json
import threading
from pathlib import Path

import pytest

from shared.catalog.model import Chart, Format, PdfOptions
from shared.reports import manifest
from shared.reports.interface import Cost, RenderRequest, ReportError
from shared.reports.process import child, tree
from shared.reports.process.child import render
from tests.reports.conftest import MakeRequest
from tests.reports.test_pdf import with_pdf


def cost_of(request: RenderRequest) -> Cost:
    told: list[Cost] = []
    try:
        render(
            request, deadline_s=60, on_progress=lambda _: None, cancel=threading.Event(), on_cost=told.append
        )  # fmt: skip
    finally:
        assert len(told) == 1
    return told[0]


@pytest.mark.parametrize("format_", [Format.CSV, Format.XLSX])
def test_a_report_tells_processor_time_memory_and_bytes(format_: Format, a_request: MakeRequest) -> None:
    few = cost_of(a_request("SELECT n FROM generate_series(1, 10) AS n", format_))
    request = a_request("SELECT n, md5(n::text) AS t FROM generate_series(1, 200000) AS n", format_)
    many = cost_of(request)

    [file] = request.scratch.glob(f"orders.{format_}")
    assert many.written_bytes == file.stat().st_size
    assert many.read_bytes == sum(len(f"{n},") + 33 for n in range(1, 200_001))
    assert 0 < few.cpu_s < many.cpu_s < 60
    assert 0 < few.peak_mb <= many.peak_mb < 1_000


def test_a_report_that_fails_has_a_cost_too(a_request: MakeRequest) -> None:
    request = a_request("SELECT 1 / (n - 50000) AS a FROM generate_series(1, 60000) AS n", Format.CSV)
    told: list[Cost] = []
    with pytest.raises(ReportError):
        render(request, deadline_s=60, on_progress=lambda _: None, cancel=threading.Event(), on_cost=told.append)
    assert told[0].cpu_s > 0
    assert told[0].written_bytes == 0


def test_the_processor_time_of_its_charts_is_a_reports_own(a_request: MakeRequest, tmp_path: Path) -> None:
    (tmp_path / "c.vl.json").write_text('{"mark": "bar", "encoding": {"x": {"field": "n", "type": "quantitative"}}}')
    pdf = PdfOptions(appendix=False, charts=(Chart("c", "C", "SELECT n FROM report", "c.vl.json"),))
    child.charts.get_ready(None)
    process = child.charts._process
    assert process is not None
    before_s = tree.cpu_s_of(process.pid)

    cost = cost_of(with_pdf(a_request("SELECT 1 AS n", Format.PDF), pdf, tmp_path))

    assert cost.cpu_s > tree.cpu_s_of(process.pid) - before_s - 0.5 > -0.5


def test_the_manifest_tells_the_cost(tmp_path: Path) -> None:
    path = tmp_path / manifest.NAME
    path.write_text(json.dumps({"manifest": {"jobId": "x"}, "signature": None}))

    manifest.tell_cost(path, Cost(1.23456, 80, 7, 8))

    assert json.loads(path.read_text())["manifest"]["cost"] == {
        "cpuSeconds": 1.235, "peakMemoryMb": 80, "bytesRead": 7, "bytesWritten": 8,
    }  # fmt: skip
