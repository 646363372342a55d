"""What isolates a report's process here, and what this machine lacks for it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import TodokeError
from shared.reports.process import kernel, landlock, seccomp
from shared.reports.process.confinement import SYSTEM, Confinement, importable


class NotIsolated(TodokeError):
    """REPORT_ISOLATION is `required`, but this machine cannot isolate reports."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the kernel offers to this worker's reports. docs/explanation/isolation.md explains each part."""

    landlock: int
    """The version; 0 if there is none."""
    seccomp: bool

    @property
    def in_force(self) -> Sequence[str]:
        """The parts that apply to every report's process."""
        return ["environment", *(name for name, (there, _) in self._parts().items() if there)]

    @property
    def missing(self) -> Mapping[str, str]:
        """The missing parts → what would add them."""
        return {name: remedy for name, (there, remedy) in self._parts().items() if not there}

    def _parts(self) -> Mapping[str, tuple[bool, str]]:
        landlocked = "with landlock in the list lsm= of its command line, and a container profile that allows it"
        return {
            "privileges": (kernel.LINUX, "Linux"),
            "process-tree": (kernel.LINUX, "Linux"),
            "files": (self.landlock >= landlock.USABLE, f"Linux 5.19 or newer {landlocked}"),
            "ports": (self.landlock >= landlock.PORTS, f"Linux 6.7 or newer {landlocked}"),
            "signals": (self.landlock >= landlock.SIGNALS, f"Linux 6.12 or newer {landlocked}"),
            "sockets": (self.seccomp, _FILTERED),
            "system-calls": (self.seccomp, _FILTERED),
        }

    def require(self) -> None:
        """Raise NotIsolated if a part is missing."""
        if self.missing:
            told = "; ".join(f"{name} needs {remedy}" for name, remedy in self.missing.items())
            raise NotIsolated(
                f"REPORT_ISOLATION=required, but this machine cannot keep reports apart in full: {told}. "
                "Or set REPORT_ISOLATION=best_effort, which runs them with what there is"
            )

    def enter(self, allowed: Confinement) -> None:
        """Confine this process permanently, as far as the machine can. For a process with one thread.

        Raises OSError.
        """
        if self.landlock >= landlock.USABLE:
            landlock.restrict(self.landlock, readable=allowed.readable, writable=allowed.writable, ports=allowed.ports)
        else:
            kernel.hide()
        if self.seccomp:
            seccomp.refuse(allowed.sockets)


def prepare() -> None:
    """Do once what every process forked from this one would otherwise have to do."""
    landlock.keep_open((*SYSTEM, *importable(tuple(sys.path))))
    if seccomp.available():
        for sockets in (seccomp.Sockets.NONE, seccomp.Sockets.TCP):
            seccomp.program(sockets)


_FILTERED = "Linux on x86-64 or arm64, with a container profile that allows seccomp"


def found() -> Isolation:
    """Ask the kernel. Changes nothing."""
    return Isolation(landlock.version(), seccomp.available())
