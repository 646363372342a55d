"""Runs the model checker: every reachable state of a model under some definitions, or the assertion that fails."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.debian import tool

MODEL = Path(__file__).with_name("jobs.pml")
SCHEDULES = Path(__file__).with_name("schedules.pml")
DELIVERIES = Path(__file__).with_name("deliveries.pml")
_LIMIT_S = 3000


@dataclass(frozen=True, slots=True)
class Exploration:
    """What the checker found."""

    states: int
    broken: str | None
    """The promise that fails in some run; None when every run was looked at and keeps all of them."""
    edges: frozenset[tuple[str, str, str]]
    """The changes of status taken in any run, as before, after, verb."""
    output: str


def explore(
    definitions: Mapping[str, int], *, model: Path = MODEL, endless: bool = False, memory_mb: int = 2000
) -> Exploration:
    """Check all runs of the model under these definitions (`{"FAULTS": 2, "NO_SWEEPER": 1}`).

    With `endless` it is not the promises that are asked, but whether any run goes on for ever. The answer is
    exhaustive: a search that ran out of memory or depth is an error, not a success.
    """
    spin, compiler = tool("spin"), tool("cc")
    options = [f"-D{name}={value}" for name, value in definitions.items()]
    kind = ["-DNP"] if endless else ["-DSAFETY"]
    with tempfile.TemporaryDirectory() as folder:
        _run([spin, f"-P{compiler} -std=gnu99 -E -x c", *options, "-a", model], folder)
        _run([compiler, "-w", "-O1", *kind, "-DPRINTF", f"-DMEMLIM={memory_mb}", "-o", "pan", "pan.c"], folder)
        output = _run(["./pan", "-E", "-m100000", "-w22", *(["-l"] if endless else [])], folder)
    return _read(output)


def _run(command: list[object], folder: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        raise AssertionError(f"{command[0]} failed with {done.returncode}:\n{output[-2000:]}")
    return output


def _read(output: str) -> Exploration:
    for incomplete in ("max search depth too small", "out of memory", "reached -DMEMLIM", "Search not completed"):
        # "not completed" is also what a found error says of itself.
        if incomplete in output and "pan:1:" not in output:
            raise AssertionError(f"the search is not exhaustive: {incomplete}\n{output[-2000:]}")
    errors = re.search(r"errors: (\d+)", output)
    states = re.search(r"^ *([\d.e+]+) states, stored", output, re.MULTILINE)
    if not errors or not states:
        raise AssertionError(f"this is no result:\n{output[-2000:]}")
    failed = re.search(r"pan:1: (?:assertion violated (\w+)|(.+?) \(at depth)", output)
    broken = (failed[1] or failed[2]) if failed else "an error without a name" if int(errors[1]) else None
    edges = frozenset((m[1], m[2], m[3]) for m in re.finditer(r"edge (\w+) (\w+) (\w+)", output))
    return Exploration(int(float(states[1])), broken, edges, output)
