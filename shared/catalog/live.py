"""A catalog that follows its folder: it is read again on SIGHUP and when a file has changed, without a restart."""

import logging
import signal
import threading
from collections.abc import Mapping
from pathlib import Path

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Catalog, ReportType

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0

_State = frozenset[tuple[str, int, int]]


class LiveCatalog:
    """Serves the last valid catalog. If a changed folder does not load, its errors are logged and the previous catalog
    stays in use.

    A ReportType never changes: a running attempt keeps the one it began with.
    """

    def __init__(self, path: Path, *, default: str | None = None) -> None:
        """Read the catalog. Raises CatalogError, so a service does not start with an invalid one."""
        self._path = path
        self._default = default
        self._state = _state(path)
        self._catalog: Catalog = load_catalog(path, default=default)
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
        """Read the folder again. Returns False, after one log line per problem, if it does not load."""
        self._state = _state(self._path)
        try:
            found = load_catalog(self._path, default=self._default)
        except CatalogError as error:
            for problem in error.problems:
                log.error("catalog.wrong", extra={"problem": problem})
            return False
        before = {name: report.version for name, report in self._catalog.types.items()}
        after = {name: report.version for name, report in found.types.items()}
        self._catalog = found
        changed = sorted(name for name, _ in before.items() ^ after.items())
        log.info("catalog.reloaded", extra={"changed": changed, "report_types": sorted(after)})
        return True

    def look(self) -> bool:
        """Reload if asked to, or if a file has changed since the last look. Returns True if it tried, loaded or not."""
        asked = self._asked.is_set()
        self._asked.clear()
        if not asked and _state(self._path) == self._state:
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
            except OSError as error:
                log.error("catalog.unreadable", extra={"reason": str(error)})


def _state(path: Path) -> _State:
    """Name, size and modification time of every file: any change to the folder changes this."""
    found = set()
    for file in path.rglob("*"):
        status = file.stat() if file.exists() else None
        if status is not None and not file.is_dir():
            found.add((str(file), status.st_size, status.st_mtime_ns))
    return frozenset(found)
