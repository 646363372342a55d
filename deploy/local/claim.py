"""A data folder belongs to one `make run` at a time, which records there where it is running and how it ended."""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from deploy.local.processes import LocalFailure


class Claim:
    """Holds the folder until `release`, or until this process ends, however it does."""

    def __init__(self, folder: Path) -> None:
        """Raises LocalFailure, which says where the other one is running, and OSError."""
        self._file: IO[str] = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = _told_of_another(folder, self._read())
            self._file.close()
            raise LocalFailure(told) from None
        self.before = self._read()
        """What the last run recorded; empty if there was none, or it was killed before it wrote anything."""

    def write(self, url: str) -> None:
        """Record this run."""
        self._write({"pid": os.getpid(), "url": url, "startedAt": _now()})

    def release(self) -> None:
        """Record that everything was stopped in order, and release the folder."""
        if not self._file.closed:
            with contextlib.suppress(OSError):  # a full disk must not keep it from stopping
                self._write({**self._read(), "stoppedAt": _now()})
            self._file.close()

    def _read(self) -> Mapping[str, Any]:
        self._file.seek(0)
        try:
            found = json.loads(self._file.read() or "{}")
        except ValueError:  # cut off by a crash
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, word: Mapping[str, object]) -> None:
        # In place: another file would have another lock.
        self._file.seek(0)
        self._file.truncate()
        self._file.write(json.dumps(word))
        self._file.flush()


def _told_of_another(folder: Path, word: Mapping[str, Any]) -> str:
    where = f": it serves {word['url']}, as process {word['pid']} since {_shown(word['startedAt'])}" if word else ""
    return (
        f"another `make run` uses {folder}{where}. Stop it with Ctrl-C where it runs, or choose another folder and "
        'port: `make run ARGS="--data /another/folder --port 8001"`'
    )


def told_of_the_last(word: Mapping[str, Any]) -> str:
    """Describe in one line how the last run ended."""
    if not word:
        return "nothing tells how it ended"
    if "stoppedAt" in word:
        return f"it was stopped at {_shown(word['stoppedAt'])}"
    return f"it was started at {_shown(word['startedAt'])} and not stopped in order; nothing that was accepted is lost"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _shown(moment: str) -> str:
    """Return the moment in this machine's time zone, as its user reads clocks."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"
