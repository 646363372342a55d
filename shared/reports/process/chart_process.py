"""The process that draws the charts of all reports of one worker, one after another.

V8 takes a quarter of a second for its first chart and a tenth of that for each further one, and cannot survive a fork.
So it has a process of its own, as confined as a report's: it can read fonts and its own libraries, but cannot write or
open a socket. It receives a specification with its values, answers with SVG, and keeps neither.
"""

import json
import socket
from pathlib import Path

from shared.reports import charts
from shared.reports.charts import Chart, ChartRefused
from shared.reports.process.worker_listener import LENGTH

MEMORY_MB = 512
"""Besides what V8 reserves for code. A chart that needs more ends the process, and fails its own report."""
_FIRST = Chart(
    json.dumps({
        "data": {"values": [{"a": "x", "b": 1}]}, "mark": "bar",
        "encoding": {"x": {"field": "a", "type": "nominal"}, "y": {"field": "b", "type": "quantitative"}},
    }),
    "Noto Sans",
)  # fmt: skip


def serve(line: socket.socket, fonts: Path | None) -> None:
    """Draw what arrives on the line until the worker is gone."""
    charts.draw_here(_FIRST, fonts)
    while head := line.recv(LENGTH.size, socket.MSG_WAITALL):
        [length] = LENGTH.unpack(head)
        said = json.loads(line.recv(length, socket.MSG_WAITALL))
        try:
            answer = {"svg": charts.draw_here(Chart(said["specification"], said["family"]), fonts)}
        except ChartRefused as refused:
            answer = {"refused": str(refused)}
        packed = json.dumps(answer).encode()
        line.sendall(LENGTH.pack(len(packed)) + packed)
