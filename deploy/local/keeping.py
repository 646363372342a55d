"""Restarts services that have died, with growing pauses, and gives up on a service that cannot run."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.processes import LocalFailure, tail

_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""The pauses before consecutive restarts. After the last one, the service is given up."""
_STEADY_S = 300.0
"""A service that ran for this long has recovered: its next death counts as the first."""


@dataclass(slots=True)
class _Service:
    process: subprocess.Popen[bytes]
    started_at: float
    deaths: int = 0
    again_at: float | None = None
    """When it will be restarted; None while it is running."""
    unready: bool = False
    """True from its restart until it is ready."""


class Keeper:
    """Keeps services running. Used from the main thread, with which the processes that it starts end."""

    def __init__(
        self,
        start: Callable[[str], subprocess.Popen[bytes]],
        ready: Callable[[str], bool],
        *,
        say: Callable[[str], None],
        logs: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start` starts a service by its name, `ready` says whether it is ready."""
        self._start = start
        self._ready = ready
        self._say = say
        self._logs = logs
        self._clock = clock
        self._services: dict[str, _Service] = {}

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start a service for the first time."""
        self._services[name] = _Service(self._start(name), self._clock())
        return self._services[name].process

    @property
    def processes(self) -> Mapping[str, subprocess.Popen[bytes]]:
        """The process of each service, which may have ended."""
        return {name: service.process for name, service in self._services.items()}

    def forget(self) -> None:
        """Stop keeping any of them."""
        self._services.clear()

    def tend(self) -> None:
        """Check each of them once. Raises LocalFailure, with the end of its log, for one that keeps dying."""
        for name, service in self._services.items():
            if service.again_at is not None:
                if self._clock() >= service.again_at:
                    self._start_again(name, service)
            elif service.process.poll() is not None:
                self._has_died(name, service)
            elif service.unready and self._ready(name):
                service.unready = False
                self._say(f"{name} works again")

    def _has_died(self, name: str, service: _Service) -> None:
        if self._clock() - service.started_at > _STEADY_S:
            service.deaths = 0
        how = _how_it_ended(service.process.returncode)
        if service.deaths >= len(_PAUSES_S):
            raise LocalFailure(f"{name} {how}, {service.deaths + 1} times in a row. {tail(self._logs / f'{name}.log')}")
        pause_s = _PAUSES_S[service.deaths]
        service.deaths += 1
        service.again_at = self._clock() + pause_s
        self._say(f"{name} {how}: started again in {pause_s:g} s; its log is {self._logs / f'{name}.log'}")

    def _start_again(self, name: str, service: _Service) -> None:
        service.process = self._start(name)
        service.started_at, service.again_at, service.unready = self._clock(), None, True


def _how_it_ended(code: int) -> str:
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"
