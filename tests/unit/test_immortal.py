"""The fork server's objects are immortal where Python supports that, and nothing else changes."""

import ctypes
import os
import subprocess
import sys

import pytest

from shared.reports.process import immortal
from tests.support.processes.services import ROOT

HAS_IMMORTALS = sys.version_info >= (3, 12)

_COUNTS = """
import sys
from shared.reports.process import immortal

held = {"of": ["a list", ("a tuple", b"of bytes")]}

def work():
    return "code", 12345.5

def counts():
    code = work.__code__
    whole = [held, held["of"], held["of"][1], held["of"][1][1], work, code, code.co_consts, code.co_consts[1]]
    return [sys.getrefcount(one) for one in whole], whole

made = immortal.make()
before, _ = counts()
after, more = counts()
print(made, before == after == counts()[0], work())
del held, work
"""
_PAGES = """
import os, resource
from shared.reports.process import immortal

held = [(number, str(number)) for number in range(50_000)]
immortal.make()
if os.fork() == 0:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for one in held:
        kept = one, one[1]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, flush=True)
    os._exit(0)
os.wait()
os._exit(0)
"""


def test_references_to_what_is_there_are_counted_no_more() -> None:
    assert _run(_COUNTS) == (f"True True {('code', 12345.5)}" if HAS_IMMORTALS else f"False False {('code', 12345.5)}")


def test_a_forked_process_copies_no_page_of_what_it_only_uses() -> None:
    copied = int(_run(_PAGES))  # of 2,000
    assert copied < 100 if HAS_IMMORTALS else copied > 500


def test_a_python_that_counts_elsewhere_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(immortal, "_count_of", lambda _: ctypes.c_uint32(0xFFFFFFFF))

    assert immortal.make() is False


def _run(program: str) -> str:
    made = subprocess.run(
        [sys.executable, "-uc", program], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
