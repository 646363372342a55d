"""What is reported about a test that hangs, in one process and in several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANGS = """
import threading

def test_fine():
    pass

def test_hangs():
    wait_for_nobody()

def wait_for_nobody():
    threading.Event().wait(600)
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_test_that_hangs_is_told_in_words(tmp_path: Path, processes: str) -> None:
    (tmp_path / "test_it.py").write_text(HANGS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "TODOKE_TEST_NOTES"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.support.time_limits", "--timeout", "1", "--timeout-method",
         "thread", "-n", processes, "test_it.py"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=200,
        check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "test_it.py::test_hangs did not end within its 1 s" in done.stdout
    assert "wait_for_nobody" in done.stdout + done.stderr
    if processes == "1":
        assert "1 failed, 1 passed" in done.stdout
        assert "crashed while running" not in done.stdout
