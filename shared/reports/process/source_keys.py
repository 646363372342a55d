"""What the worker knows of logging in to its sources, so that each report's process need not hash a password anew."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.reports.sources import scram
from shared.reports.sources.scram import AS_EVER, Login, Salt

_KEPT_S = 3600.0
"""Learning costs two reports the rounds, and a salt that changed costs the reports of an hour: all a matter of
milliseconds. So an hour is long enough, and whatever was learned wrongly is soon forgotten."""
_TELLING = Login(tells_salt=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one URL."""

    until: float
    login: Login
    salt: Salt | None = None


class SourceKeys:
    """URL of a source → how a report's process logs in to it. Safe to use from several threads.

    Two processes that tell the same salt are enough to believe it. Whoever tells another one, as poolers do that make
    salts up and as a role does whose password was set anew, ends that: for an hour nobody gets keys for the URL.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def login(self, url: str) -> Login:
        """How to log in to the source now. Never waits, and asks nobody."""
        now = self._clock()
        with self._lock:
            known = self._known.get(url)
            if known is None or known.until <= now:
                self._known = {one: of for one, of in self._known.items() if of.until > now}
                login = _TELLING if scram.has_use_for_keys(url, os.environ) else AS_EVER
                known = self._known[url] = _Known(now + _KEPT_S, login)
        return known.login

    def told(self, url: str, salt: Salt | None) -> None:
        """Take note of the salt that a process met when it logged in with the password; None for none."""
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
            if self._known.get(url) is known:  # else somebody was quicker, and the next process tells again
                self._known[url] = then
