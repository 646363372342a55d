"""A catalog that follows its folder: read again on SIGHUP and when a file has changed, without a restart."""

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
    """Always the last catalog that was right. What is wrong with a newer one goes to the log, and the old one stays.

    Whoever holds a ReportType keeps it as it was: a running attempt does not change under its feet.
    """

    def __init__(self, path: Path, *, default: str | None = None) -> None:
        """Read the catalog. Raises CatalogError: a service does not start with a wrong one."""
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
        """The report type that a request without one runs."""
        return self._catalog.default

    def reload(self) -> bool:
        """Read the folder again. False, and a log line for each problem, if it is wrong."""
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
        """Reload if asked or if a file has changed since the last look. True if it did reload, rightly or not."""
        asked = self._asked.is_set()
        self._asked.clear()
        if not asked and _state(self._path) == self._state:
            return False
        self.reload()
        return True

    def follow(self) -> None:
        """Answer SIGHUP and watch the folder, in a thread that ends with the process. For the main thread."""
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
    """Name, size and time of every file: what a change cannot leave as it was."""
    found = set()
    for file in path.rglob("*"):
        status = file.stat() if file.exists() else None
        if status is not None and not file.is_dir():
            found.add((str(file), status.st_size, status.st_mtime_ns))
    return frozenset(found)
