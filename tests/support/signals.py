"""Processes that tests start react to Ctrl-C, even if the process that started the tests ignores it.

A shell without job control starts background jobs with SIGINT ignored (POSIX, XCU 2.11), and so do many tools that run
a suite at night. A process that ignores a signal passes that on to everything that it starts, and a program that finds
SIGINT ignored leaves it so, as it should. A test that sends Ctrl-C would wait in vain.
"""

import signal
from types import FrameType

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Handle SIGINT by doing nothing if it was ignored; in the processes that run tests, not in one that only starts
    them.

    The tests still continue when it arrives, while a program that they start begins with the default: a handler does
    not outlive `exec`, ignoring does.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _throw_away)


def _throw_away(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""
