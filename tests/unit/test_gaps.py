"""After the gaps in a process's memory are filled, its allocations lie on few pages."""

import ctypes
import os
import subprocess
import sys

import pytest

from shared.reports.process import gaps
from tests.support.processes.services import ROOT

_POOLS = """
from shared.reports.process import gaps

held = [bytes(100) for _ in range(40_000)]
del held[::30]
{fill}
new = [bytes(100) for _ in range(1_000)]
print(len({{id(one) // 4096 for one in new}}))
"""
_HEAP = """
import ctypes
from shared.reports.process import gaps

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_size_t, [ctypes.c_size_t]
held = [libc.malloc(200) for _ in range(40_000)]
for one in held[::30]:
    libc.free(one)
{fill}
print(len({{libc.malloc(200) // 4096 for _ in range(1_000)}}))
"""
_NEVER = """
import pathlib
from shared.reports.process import gaps

def data_kb():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[5]) * 4

gaps._lie_side_by_side = lambda *_: False
before = data_kb()
gaps.fill()
print(data_kb() - before)
"""
_GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")


@pytest.mark.parametrize(("program", "least"), [(_POOLS, 35), (_HEAP, 51)])
def test_what_is_allocated_then_lies_side_by_side(program: str, least: int) -> None:
    assert _run(program.format(fill="")) > 10 * least  # so there were gaps

    filled = _run(program.format(fill="gaps.fill()"))
    assert filled < 2 * least or (program is _HEAP and not _GLIBC)


def test_where_memory_never_lies_side_by_side_little_is_taken() -> None:
    assert 0 < _run(_NEVER) < 3 * gaps._MOST_BYTES >> 10


def _run(program: str) -> int:
    made = subprocess.run(
        [sys.executable, "-uc", program], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=120
    )
    assert made.returncode == 0, made.stderr
    return int(made.stdout)
