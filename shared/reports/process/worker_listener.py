"""What a report's process receives from its worker: the request to stop, and the charts that it requested."""

import _thread
import json
import os
import queue
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from shared.reports.charts import MOST_BYTES, Chart, ChartRefused
from shared.reports.stop import stop

STOP, CHART = b"s", b"c"
"""The first byte of a message from the worker. A chart's is followed by the length and the chart process's answer."""
LENGTH = struct.Struct("=I")


class WorkerListener:
    """Listens in a thread, and ends this process when the worker says so, or is gone."""

    def __init__(self, line: socket.socket, tell: Callable[[Chart], object]) -> None:
        self._line = line
        self._tell = tell
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        _thread.start_new_thread(self._listen, ())  # `threading` would wait until it runs, which another thread delays

    def draw(self, chart: Chart, fonts: Path | None) -> str:
        """Have the worker's chart process draw. Raises ChartRefused. `fonts` is ignored: the worker knows its fonts."""
        del fonts
        if len(chart.specification) > MOST_BYTES:
            raise ChartRefused(f"its values are longer than {MOST_BYTES >> 20} MB")
        self._tell(chart)
        answer = json.loads(self._answers.get())
        if "refused" in answer:
            raise ChartRefused(answer["refused"])
        return str(answer["svg"])

    def _listen(self) -> None:
        try:
            while self._line.recv(1) == CHART:
                [length] = LENGTH.unpack(self._line.recv(LENGTH.size, socket.MSG_WAITALL))
                self._answers.put(self._line.recv(length, socket.MSG_WAITALL))
        except (OSError, struct.error):
            pass  # the worker is gone
        stop()
        os._exit(1)
