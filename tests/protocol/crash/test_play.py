"""The rules of the stage: which processes are replaced, and which are not."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.protocol.crash.actor import Carried
from tests.protocol.crash.play import Play
from tests.support.faults.plan import Fault, Hit


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as one:
        yield one
        one.send_signal(signal.SIGCONT)


def test_whom_a_story_pauses_has_no_successor_though_its_predecessor_froze(process: subprocess.Popen[bytes]) -> None:
    """The faults of the last case are told of an actor until it is armed anew, and most cases arm another."""
    relay = SimpleNamespace(
        process=process,
        plan=None,
        carried_out=lambda: [Carried(Hit("COMMIT", 1), Fault.STALL_BEFORE)],
        start=lambda: pytest.fail("it was succeeded"),
    )
    play = Play(cast("Any", SimpleNamespace(actors={"relay": relay}, pass_time=lambda: None)))
    with play.paused("relay"):
        play.attend()
