"""Follows the schedules of the catalog's files: taken when the API starts, and when a file has changed."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from services.api.actions import schedule_files
from services.api.actions.parts import Parts
from shared.catalog.live import State, state_of
from shared.catalog.load import CatalogError
from shared.database.engine import transactional
from shared.schedules import from_files
from shared.schedules.files import FOLDER, ScheduleFile, read_schedule_files

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_AGAIN = 12
"""Looks after which what could not be taken is tried again: a minute."""
_TRIES = 5
"""A report type or a key that a file names may come some minutes later. What is wrong for good waits for a change:
otherwise an API with an older catalog would contend for a schedule with one that has the newer."""


class Follower:
    """One API's look at the files. For one thread."""

    def __init__(self, parts: Parts, catalog: Path) -> None:
        self._parts = parts
        self._catalog = catalog
        self._seen: State | None = None
        self._taken: State | None = None
        self._tries = 0
        self._looks = 0

    def look(self) -> bool:
        """Take the files, if they have changed and rest. Returns True if they were read."""
        state = state_of(self._catalog / FOLDER)
        settled, self._seen = state == self._seen, state
        self._looks += 1
        again = self._tries > 0 and self._looks % _AGAIN == 0
        changed = state != self._taken and (settled or self._taken is None)
        if not changed and not again and self._looks % _AGAIN:
            return False
        if changed:
            self._tries = _TRIES
        fine = self._take(changed=changed or again)
        self._taken = state
        self._tries = 0 if fine else max(0, self._tries - 1)
        return True

    def _take(self, *, changed: bool) -> bool:
        try:
            files = read_schedule_files(self._catalog, self._parts.catalog.types)
        except CatalogError as error:
            if changed:
                for problem in error.problems:
                    log.error("schedule_file.wrong", extra={"problem": problem})
            return False
        if not self._is_to_do(files, changed=changed):
            return True
        with transactional(self._parts.engine).begin() as conn:
            return schedule_files.take(conn, self._parts, files, changed=changed)

    def _is_to_do(self, files: Sequence[ScheduleFile], *, changed: bool) -> bool:
        """True unless everything is as the files have it: most often, and then nothing is locked or written."""
        with self._parts.engine.connect() as conn:
            there = from_files.there(conn)
        wanted = {(file.name, file.tenant, file.digest) for file in files}
        return any(one.ownerless for one in there) or (changed and {one[:3] for one in there} != wanted)


def follow(parts: Parts, catalog: Path) -> None:
    """Take the files now and whenever they change, in a daemon thread."""

    def watch() -> None:
        follower, pause = Follower(parts, catalog), threading.Event()
        while True:
            try:
                follower.look()
            except Exception as error:  # noqa: BLE001 - the database may be away; the next look asks again
                log.warning("schedule_file.not_taken", extra={"reason": str(error).splitlines()[0][:300]})
            pause.wait(_LOOK_EVERY_S)

    threading.Thread(target=watch, daemon=True, name="schedule-files").start()
