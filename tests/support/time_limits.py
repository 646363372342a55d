"""A test that exceeds its time fails with an explanation: which test, its limit, and where its threads stood.

pytest-timeout alone ends the process, because nothing less ends a test that hangs in C, and the only report is then
that "worker 'gw0' crashed". Here the process first leaves a note, and the reporting process finds it.
"""

import faulthandler
import hashlib
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import pytest_timeout  # type: ignore[import-untyped]

_NOTES = "TODOKE_TEST_NOTES"
"""The environment variable with the folder of notes: the processes of pytest-xdist inherit it."""


def pytest_configure(config: pytest.Config) -> None:
    """Create the folder, once for a run and its processes."""
    if _NOTES not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="todoke-notes-")
        os.environ[_NOTES] = folder.name

        def remove() -> None:
            os.environ.pop(_NOTES, None)
            folder.cleanup()

        config.add_cleanup(remove)


def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Replaces pytest-timeout's own timer, whose work it does at the end."""
    if settings.method != "thread":
        return None
    timer = threading.Timer(settings.timeout, _time_is_up, (item, settings))
    timer.name = f"time limit of {item.nodeid}"

    def cancel() -> None:
        timer.cancel()
        timer.join()

    item.cancel_timeout = cancel  # type: ignore[attr-defined] # the name that pytest-timeout calls
    timer.start()
    return True


def _time_is_up(item: pytest.Item, settings: Any) -> None:
    if pytest_timeout.is_debugging() and not settings.disable_debugger_detection:
        return
    words = f"{item.nodeid} did not end within its {settings.timeout:g} s"
    with _note(item.nodeid).open("w") as note:
        note.write(f"{words}. Where its threads stood, the innermost call first:\n\n")
        note.flush()
        faulthandler.dump_traceback(note)
    item.config.get_terminal_writer().line(f"\n{words}, so the run ends here.")
    pytest_timeout.timeout_timer(item, settings)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str, report: pytest.TestReport) -> None:
    """Report the note of the test's process."""
    note = _note(crashitem)
    if note.exists():
        report.longrepr = note.read_text(errors="replace")


def _note(test: str) -> Path:
    return Path(os.environ[_NOTES]) / hashlib.sha256(test.encode()).hexdigest()
