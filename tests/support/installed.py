"""Runs a process that sees only some of the installed packages."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

# Runs argv[2] while every package outside argv[1] is hidden.
_HIDDEN = """
import importlib.metadata, re, sys

allowed = set(sys.argv[1].split(","))

class Hide:
    def __init__(self):
        self._owners = importlib.metadata.packages_distributions()

    def find_spec(self, name, path=None, target=None):
        owners = {re.sub(r"[-_.]+", "-", o).lower() for o in self._owners.get(name.split(".")[0], [])}
        if owners and not owners & allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Hide())
exec(sys.argv[2])
"""


def run_with(
    packages: Collection[str], code: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh Python that can import Todoke, the standard library and `packages`."""
    return subprocess.run(
        [sys.executable, "-c", _HIDDEN, ",".join(packages), code],
        cwd=ROOT, env=None if environment is None else {"PATH": "", **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def closure(requirements: Iterable[str]) -> set[str]:
    """Return the packages that pip would install here for these requirements, without those of our own extras."""
    found: dict[str, set[str]] = {}
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        one = waiting.pop()
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        extras = {"", *one.extras}
        if extras <= found.get(name, set()) or name == "todoke-server":
            continue
        extras |= found.get(name, set())
        found[name] = extras
        needs = map(Requirement, importlib.metadata.requires(one.name) or [])
        waiting += [n for n in needs if n.marker is None or any(n.marker.evaluate({"extra": e}) for e in extras)]
    return set(found)
