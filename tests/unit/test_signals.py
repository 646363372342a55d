"""Ctrl-C reaches what tests start, however the tests themselves were started."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_TEST = """
import os, signal, subprocess, sys

def test_it():
    os.kill(os.getpid(), signal.SIGINT)  # as a terminal sends it to all of a group
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    print("ignored:", subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
"""


def _ignore() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_suite_in_the_background_goes_on_at_ctrl_c_and_its_children_take_it(processes: str, tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(_TEST)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.signals", "-q", "-rP", "-n", processes, str(file)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False, preexec_fn=_ignore,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout
    assert "ignored: False" in ran.stdout
