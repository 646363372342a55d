"""Plans of faults: what goes wrong, where and when. The proxy, the SQS server and the file watcher carry them out.

An *effect* is something durable that a process does, named `sql jobs.succeed`, `COMMIT`, `sqs DeleteMessageBatch` or
`store link`. A plan counts effects by name and answers each with a fault or with None.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol


class Fault(StrEnum):
    """One way for an effect to go wrong."""

    KILL_BEFORE = "kill before"
    """The process is killed (SIGKILL) and the effect does not happen."""
    KILL_AFTER = "kill after"
    """The effect happens, and the process is killed before it can learn of it."""
    STALL_BEFORE = "stall before"
    """The process freezes (SIGSTOP); the effect happens when it is resumed."""
    STALL_AFTER = "stall after"
    """The effect happens, and the process freezes before it can learn of it."""
    ERROR = "error"
    """The other side refuses, and the effect does not happen."""
    REPLY_LOST = "reply lost"
    """The effect happens, and the connection breaks before the reply."""
    NOT_APPLIED = "not applied"
    """The connection breaks, and the effect does not happen."""
    LATE = "late"
    """The effect happens, and the reply is late: later than the process waits, if it has a shorter limit."""
    THROTTLED = "throttled"
    """Refused for now (SQS: RequestThrottled)."""
    PARTIAL = "partial"
    """Half of it happens: every other entry of a batch is refused for now, or a file is cut short."""
    PARTIAL_FOR_GOOD = "partial for good"
    """Every other entry of a batch is refused with SenderFault."""
    DUPLICATE = "duplicate"
    """It happens twice: messages arrive in two copies, or a received message arrives a second time at once."""
    READ_ONLY = "read-only"
    """The database refuses writes, as a standby does (25006), and the session stays."""
    LOST = "lost"
    """It is reported as done, but does not happen: messages vanish, a delete deletes nothing."""


KILLS = (Fault.KILL_BEFORE, Fault.KILL_AFTER)
STALLS = (Fault.STALL_BEFORE, Fault.STALL_AFTER)


class Hit(NamedTuple):
    """The `time`-th time, from 1, that `effect` is about to happen."""

    effect: str
    time: int


class Faults(Protocol):
    """Decides about faults. Called once per effect, by any thread."""

    def at(self, effect: str) -> Fault | None:
        """Return the fault for this effect; None lets it pass."""


class Plan:
    """Faults at chosen hits; everything else passes. `pid` is the process to kill or freeze."""

    def __init__(self, faults: Mapping[Hit, Fault] | None = None) -> None:
        self.faults = dict(faults or {})
        self.pid: int | None = None
        self.seen: list[str] = []
        """Every effect, in order."""
        self.carried_out: list[tuple[Hit, Fault]] = []
        self.resumed = threading.Event()
        """Set by `wake`: stalled effects continue."""
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def at(self, effect: str) -> Fault | None:
        """See `Faults.at`."""
        with self._lock:
            self.seen.append(effect)
            self._counts[effect] += 1
            hit = Hit(effect, self._counts[effect])
            if fault := self.faults.get(hit):
                self.carried_out.append((hit, fault))
            return fault

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal, if it still exists."""
        if self.pid is not None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wake(self) -> None:
        """Resume a frozen process, and let its pending effect happen."""
        self.signal(signal.SIGCONT)
        self.resumed.set()


NO_FAULTS: Faults = Plan()


def strike(faults: Faults, fault: Fault | None, *, before: bool, hold_s: float = 120) -> bool:
    """Kill or freeze the process of `faults` if `fault` requires it on this side of the effect.

    True if it is dead, so that neither the effect nor its reply may happen. Frozen before an effect, it is held here
    until it is resumed, for at most `hold_s` seconds.
    """
    if not isinstance(faults, Plan):
        return False
    if fault is (Fault.KILL_BEFORE if before else Fault.KILL_AFTER):
        faults.signal(signal.SIGKILL)
        return True
    if fault is (Fault.STALL_BEFORE if before else Fault.STALL_AFTER):
        faults.signal(signal.SIGSTOP)
        if before:
            faults.resumed.wait(hold_s)
    return False
