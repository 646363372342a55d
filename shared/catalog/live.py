"""A catalog that follows its folder: it is read again on SIGHUP and when a file has changed, without a restart.

A change is applied whole or not at all: a folder that is still being copied is left alone until it comes to rest.
"""

import logging
import signal
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Catalog, ReportType

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0

State = frozenset[tuple[str, int, int, int, int]]
"""Path, device, inode, size and modification time of every file and folder (0 and 0 for folders), with links
followed."""


class LiveCatalog:
    """Serves the last valid catalog.

    If a changed folder does not load, its errors are logged and the previous catalog stays in use. A ReportType never
    changes: a running attempt keeps the one it began with.
    """

    def __init__(self, path: Path, *, default: str | None = None) -> None:
        """Read the catalog. Raises CatalogError, so a service does not start with an invalid one."""
        self._path = path
        self._default = default
        self._state = state_of(path)
        self._catalog: Catalog = load_catalog(path, default=default)
        self._seen: State = self._state
        """The state at the last look. A folder is read once it has stayed the same for two looks."""
        self._asked = threading.Event()

    @property
    def types(self) -> Mapping[str, ReportType]:
        """Every report type by name."""
        return self._catalog.types

    @property
    def default(self) -> str | None:
        """The name of the report type that runs when a request names none."""
        return self._catalog.default

    def reload(self) -> bool:
        """Read the folder again. Returns False, after one log line per problem, if it does not load.

        Also returns False if it changed while it was read: a change is applied whole or not at all, and the next look
        tries again.
        """
        state = self._seen = state_of(self._path)
        try:
            found = load_catalog(self._path, default=self._default)
        except CatalogError as error:
            self._state = state
            for problem in error.problems:
                log.error("catalog.wrong", extra={"problem": problem})
            return False
        if state_of(self._path) != state:
            log.info("catalog.changing", extra={"folder": str(self._path)})
            return False
        self._state = state
        before = {name: report.version for name, report in self._catalog.types.items()}
        after = {name: report.version for name, report in found.types.items()}
        self._catalog = found
        changed = sorted(name for name, _ in before.items() ^ after.items())
        log.info("catalog.reloaded", extra={"changed": changed, "report_types": sorted(after)})
        return True

    def look(self) -> bool:
        """Reload if asked to, or if a file has changed. Returns True if it tried, loaded or not.

        A change is read once it has stayed the same for two looks: before that it may be half of a copy.
        """
        asked = self._asked.is_set()
        self._asked.clear()
        state = state_of(self._path)
        settled, self._seen = state == self._seen, state
        if not asked and (state == self._state or not settled):
            return False
        self.reload()
        return True

    def follow(self) -> None:
        """Reload on SIGHUP and when a file changes, in a daemon thread. Must be called in the main thread."""
        signal.signal(signal.SIGHUP, lambda *_: self._asked.set())
        threading.Thread(target=self._watch, daemon=True, name="catalog").start()

    def _watch(self) -> None:
        while True:
            self._asked.wait(_LOOK_EVERY_S)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - who stops looking would keep an old catalog for good
                log.error("catalog.unreadable", extra={"reason": str(error) or repr(error)})


def state_of(path: Path) -> State:
    """Return a value that any change to a file below the folder changes, behind links too, as does a link that leads
    elsewhere.

    A file in place of a folder stands for itself.
    """
    found = set()
    walked: set[tuple[int, int]] = set()
    folders = [path]
    while folders:
        folder = folders.pop()
        for entry in _entries(folder):
            try:
                status = entry.stat()
            except OSError:  # gone meanwhile, or a link to nowhere
                continue
            about = status.st_dev, status.st_ino
            is_folder = stat.S_ISDIR(status.st_mode)
            found.add((str(entry), *about, *((0, 0) if is_folder else (status.st_size, status.st_mtime_ns))))
            if is_folder and about not in walked:  # a link may lead back up
                walked.add(about)
                folders.append(entry)
    return frozenset(found)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except NotADirectoryError:
        return [folder]
    except OSError:
        return []
