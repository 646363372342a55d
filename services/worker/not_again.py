"""Jobs that this worker gave back because it could not work on them: others may start them, this one waits."""

import threading
import time
from collections.abc import Callable
from uuid import UUID

_FIRST_S = 60.0
_FIRST_OF_ALL_S = 5.0
"""Where every worker most likely has the same trouble, as with a store that is away, there is nobody to leave it to."""
_LONGEST_S = 900.0
_MOST = 10_000
"""Jobs remembered. The oldest are forgotten first, which costs one attempt in vain."""


class NotAgain:
    """Job → until when this worker leaves it to others: a minute, and twice as long each time it gives it back again.

    So a job that no worker can work on is looked at less and less often until its deadline.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[UUID, tuple[float, float]] = {}
        """Job → the moment, and for how long it was."""
        self._lock = threading.Lock()

    def note(self, job_id: UUID, *, shared: bool = False) -> None:
        """Leave the job alone from now on for a while. `shared`: the trouble is most likely everybody's."""
        with self._lock:
            _, last_s = self._until.pop(job_id, (0.0, 0.0))
            pause_s = min(_LONGEST_S, last_s * 2) or (_FIRST_OF_ALL_S if shared else _FIRST_S)
            self._until[job_id] = self._clock() + pause_s, pause_s
            while len(self._until) > _MOST:
                del self._until[next(iter(self._until))]

    def seconds_left(self, job_id: UUID) -> float:
        """For how long this worker must not start the job; 0 if it may."""
        if not self._until:
            return 0.0
        with self._lock:
            until, _ = self._until.get(job_id, (0.0, 0.0))
        return max(0.0, until - self._clock())
