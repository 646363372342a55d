"""Follows the schedule files of the catalog: read when the API starts, when a file changes, and once per minute."""

import logging
import threading
from pathlib import Path
from typing import get_args

from services.api import metrics
from services.api.actions import schedule_files
from services.api.actions.parts import Parts
from services.api.actions.schedule_files import Refused, Why
from shared.catalog.live import State, state_of
from shared.database.engine import transactional
from shared.errors import first_line
from shared.schedules import from_files
from shared.schedules.files import FOLDER, FoundFiles, read_schedule_files

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_AGAIN = 12
"""Number of looks after which everything is checked again: a minute. By then a key that a file names may exist, another
API's version of a file may be gone, and this API must confirm what it has."""


class Follower:
    """One API's view of the files. For one thread."""

    def __init__(self, parts: Parts, catalog: Path) -> None:
        self._parts = parts
        self._catalog = catalog
        self._seen: State | None = None
        self._taken: State | None = None
        self._looks = 0
        self._digests: dict[str, str] = {}
        """The digest of each file as it was last read without mistakes."""
        self._edited: set[str] = set()
        """Files that were changed since, and have not been applied yet."""
        self._told: set[Refused] = set()
        """What the log contains already: each line is written once as long as it stays true."""

    def look(self) -> bool:
        """Apply the files if they have changed and come to rest, or if a check is due.

        Returns True if they were read.
        """
        state = state_of(self._catalog / FOLDER)
        settled, self._seen = state == self._seen, state
        self._looks += 1
        changed = state != self._taken and (settled or self._taken is None)
        if not changed and self._looks % _AGAIN:
            return False
        self._take()
        self._taken = state
        return True

    def _take(self) -> None:
        found = read_schedule_files(self._catalog, self._parts.catalog.types)
        now = {file.name: file.digest for file in found.right}
        self._edited |= {name for name, digest in now.items() if self._digests.get(name, digest) != digest}
        self._digests |= now
        wrong = [Refused(name, "wrong", "; ".join(problems)) for name, problems in found.wrong.items()]
        refused = wrong + self._as_asked(found)
        self._edited.clear()
        for why in get_args(Why):
            metrics.SCHEDULE_FILES_REFUSED.labels(why).set(sum(one.why == why for one in refused))
        for one in refused:
            if one not in self._told:
                log.error("schedule_file.%s", one.why, extra={"file": one.file, "problem": one.problem})
        self._told = set(refused)

    def _as_asked(self, found: FoundFiles) -> list[Refused]:
        """Bring the schedules in line with the files. Usually they are, and then nothing is locked or written."""
        with self._parts.engine.connect() as conn:
            wanted = schedule_files.to_do(from_files.known(conn), found, self._edited)
            if wanted.seen:
                from_files.say_seen(conn, wanted.seen)
        if not wanted.write and not wanted.stop:
            return []
        with transactional(self._parts.engine).begin() as conn:
            return schedule_files.take(conn, self._parts, found, self._edited)


def follow(parts: Parts, catalog: Path) -> None:
    """Apply the files now and whenever they change, in a daemon thread."""

    def watch() -> None:
        follower, pause = Follower(parts, catalog), threading.Event()
        while True:
            try:
                follower.look()
            except Exception as error:  # noqa: BLE001 - the database may be away; the next look asks again
                log.warning("schedule_file.not_taken", extra={"reason": first_line(error)[:300]})
            pause.wait(_LOOK_EVERY_S)

    threading.Thread(target=watch, daemon=True, name="schedule-files").start()
