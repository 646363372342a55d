"""What the worker knows about logging in to its sources, so that each report's process need not
hash a password again.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.reports.sources import scram
from shared.reports.sources.scram import AS_EVER, Login, Salt

_KEPT_S = 3600.0
"""Learning costs two reports the hashing, and a changed salt costs it to the reports of one hour: a matter of
milliseconds in both cases. So an hour is long enough, and anything learned wrongly is soon forgotten."""
_TELLING = Login(tells_salt=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known about one URL."""

    until: float
    login: Login
    salt: Salt | None = None


class SourceKeys:
    """URL of a source → how a report's process logs in to it. Safe to use from several threads.

    A salt is trusted once two processes have reported it. Another salt, as from poolers that invent salts or from a
    role whose password was changed, ends that: for an hour no keys are handed out for the URL.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def login(self, url: str) -> Login:
        """Return how to log in to the source now. Never waits or asks anyone."""
        now = self._clock()
        with self._lock:
            known = self._known.get(url)
            if known is None or known.until <= now:
                self._known = {one: of for one, of in self._known.items() if of.until > now}
                login = _TELLING if scram.has_use_for_keys(url, os.environ) else AS_EVER
                known = self._known[url] = _Known(now + _KEPT_S, login)
        return known.login

    def told(self, url: str, salt: Salt | None) -> None:
        """Record the salt that a process met when it logged in with the password; None for none."""
        known = self._known.get(url)
        if known is None or not known.login.tells_salt:
            return
        if known.salt is None and salt is not None:
            then = _Known(known.until, known.login, salt)
        elif salt is None or salt != known.salt or (keys := scram.keys_of(url, salt)) is None:
            then = _Known(self._clock() + _KEPT_S, AS_EVER)
        else:
            then = _Known(known.until, Login(keys, tells_salt=True), salt)
        with self._lock:
            if self._known.get(url) is known:  # otherwise another thread was faster, and the next process reports again
                self._known[url] = then
