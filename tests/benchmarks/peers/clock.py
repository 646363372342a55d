"""How fast a peer's worker handles jobs, measured in the worker itself: it counts in the task."""

import json
import os
import time


class Clock:
    """Between a tenth of the jobs and all of them; what starts and warms up does not count."""

    def __init__(self) -> None:
        self._jobs = int(os.environ["JOBS"])
        self._count = 0
        self._began = (0.0, 0.0)

    def tick(self) -> None:
        """One more job was handled."""
        self._count += 1
        if self._count == self._jobs // 10:
            self._began = time.perf_counter(), time.process_time()
        if self._count == self._jobs:
            jobs = self._jobs - self._jobs // 10
            seconds = time.perf_counter() - self._began[0]
            print(
                json.dumps({"rate": jobs / seconds, "per_core": jobs / (time.process_time() - self._began[1])}),
                flush=True,
            )
