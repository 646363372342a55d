"""Processes that tests start take Ctrl-C, also when whoever started the tests does not.

A shell without job control starts what it puts in the background with SIGINT ignored (POSIX, XCU 2.11), and so does
much of what runs a suite at night. A process that ignores a signal hands that on to all that it starts, and a program
that finds SIGINT ignored leaves it so, as it should. A test that presses Ctrl-C would wait for nothing.
"""

import signal
from types import FrameType

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """SIGINT is taken and thrown away if it was ignored; where tests run, not in a process that only starts those.

    The tests go on as before when it comes, while a program that they start begins without a handler: a handler does
    not outlive `exec`, and ignorance does.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _throw_away)


def _throw_away(_number: int, _frame: FrameType | None) -> None:
    """Nothing happens."""
