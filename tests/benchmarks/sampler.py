"""Finds where a process spends its processor time: samples its main thread every few milliseconds of it."""

import functools
import signal
import time
from collections import Counter
from types import FrameType, TracebackType
from typing import Self

_EVERY_S = 0.001
"""Asked for; a kernel that ticks 250 times a second looks after 4 ms. So looks are counted, and time is measured."""
_LAYERS = {
    "/shared/queues/": "SQS client",
    "/sqlalchemy/": "SQLAlchemy",
    "/psycopg": "psycopg",
    "/pydantic": "pydantic",
    "/fastapi/": "FastAPI and Starlette",
    "/starlette/": "FastAPI and Starlette",
    "/uvicorn/": "uvicorn and its loop",
    "/asyncio/": "uvicorn and its loop",
    "/prometheus_client/": "metrics",
    "/services/": "our own code",
    "/shared/": "our own code",
}
"""Part of a file's path → whose it is. What belongs to nobody here, such as JSON, belongs to who called it."""


class Sampler:
    """Looks at layers until the block ends. In the main thread only: signals are handled there.

    The time of other threads, such as those that send to SQS, falls to whatever the main thread waits in.
    """

    def __init__(self) -> None:
        self._looks: Counter[str] = Counter()
        self._began = 0.0
        self._used_s = 0.0

    def __enter__(self) -> Self:
        self._began = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        self._used_s = time.process_time() - self._began

    @property
    def ms(self) -> dict[str, float]:
        """Layer → milliseconds of processor time, once the block has ended."""
        return {layer: looks / self._looks.total() * self._used_s * 1000 for layer, looks in self._looks.items()}

    def _look(self, _number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if layer := _layer(frame.f_code.co_filename):
                self._looks[layer] += 1
                return
            frame = frame.f_back
        self._looks["the rest"] += 1


@functools.cache
def _layer(path: str) -> str | None:
    return next((layer for part, layer in _LAYERS.items() if part in path), None)
