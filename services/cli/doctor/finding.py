"""What a check finds, and a time limit for all checks together."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from shared.errors import TodokeError


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    """It works, but somebody should know; or it could not be checked from here."""
    FAIL = "fail"
    """A service that needs it cannot work, or a promise does not hold."""


class Finding(NamedTuple):
    """One line of the output."""

    level: Level
    check: str
    """What was checked, such as `queue.redrive`."""
    message: str
    remedy: str = ""
    """What to do."""


Look = Callable[[], Iterable[Finding]]


def ok(check: str, message: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(Level.OK, check, message)


def warn(check: str, message: str, remedy: str) -> Finding:
    """Return the finding that it works, with a reservation."""
    return Finding(Level.WARN, check, message, remedy)


def fail(check: str, message: str, remedy: str) -> Finding:
    """Return the finding that it does not work."""
    return Finding(Level.FAIL, check, message, remedy)


def look_everywhere(looks: Mapping[str, Look], *, timeout_s: float) -> Iterator[Finding]:
    """Run all checks at once, and yield what they found, in the order of `looks`.

    A check that exceeds the time limit is a failure of its own, besides what it found until then. Its thread cannot be
    ended; it ends with the process.
    """
    found: dict[str, list[Finding]] = {name: [] for name in looks}
    threads = {
        name: threading.Thread(target=_take, args=(name, look, found[name]), name=name, daemon=True)
        for name, look in looks.items()
    }
    for thread in threads.values():
        thread.start()
    give_up_at = time.monotonic() + timeout_s
    for name, thread in threads.items():
        thread.join(max(0.0, give_up_at - time.monotonic()))
        yield from list(found[name])
        if thread.is_alive():
            yield fail(name, f"no answer within {timeout_s:g} s", "check the network, or raise --timeout")


def _take(name: str, look: Look, found: list[Finding]) -> None:
    try:
        for one in look():
            found.append(one)  # noqa: PERF402 - each counts as soon as it is there
    except TodokeError as error:
        found.append(fail(name, str(error), ""))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        found.append(warn(name, f"not checked: {package} is not installed here", "run doctor where it is installed"))
    except Exception as error:  # noqa: BLE001 - a doctor that dies tells nothing
        found.append(fail(name, f"{type(error).__name__}: {error}".partition("\n")[0], ""))
