"""Jobs that this worker gave back because it could not work on them. Other workers may start them; this one waits."""

import threading
import time
from collections.abc import Callable
from uuid import UUID

_FIRST_S = 60.0
_FIRST_OF_ALL_S = 5.0
"""The first pause where every worker most likely has the same trouble, as when the store is unavailable: no other
worker would do better."""
_LONGEST_S = 900.0
_MOST = 10_000
"""How many jobs are remembered. The oldest are forgotten first, which costs one attempt in vain."""


class Cooldown:
    """Job → until when this worker leaves it to others: a minute, doubled each time this worker gives it back again.

    A job that no worker can work on is therefore tried less and less often until its deadline.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[UUID, tuple[float, float]] = {}
        """Job → the moment at which its pause ends, and the length of that pause."""
        self._lock = threading.Lock()

    def note(self, job_id: UUID, *, shared: bool = False) -> None:
        """Leave the job alone for a while from now on.

        `shared` is true if every worker most likely has the same trouble.
        """
        with self._lock:
            _, last_s = self._until.pop(job_id, (0.0, 0.0))
            pause_s = min(_LONGEST_S, last_s * 2) or (_FIRST_OF_ALL_S if shared else _FIRST_S)
            self._until[job_id] = self._clock() + pause_s, pause_s
            while len(self._until) > _MOST:
                del self._until[next(iter(self._until))]

    def seconds_left(self, job_id: UUID) -> float:
        """Return for how long this worker must not start the job; 0 if it may start it."""
        if not self._until:
            return 0.0
        with self._lock:
            until, _ = self._until.get(job_id, (0.0, 0.0))
        return max(0.0, until - self._clock())
