"""Runs the checks and prints what they find."""

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from services.cli.doctor.finding import Finding, Level, Look, look_everywhere
from services.cli.terminal import takes_colours

_NEEDS: Mapping[str | None, Sequence[str]] = {
    None: ("database", "queues", "store", "machine", "catalog"),
    "api": ("database", "store", "catalog"),
    "relay": ("database", "queues", "store"),
    "worker": ("database", "queues", "store", "machine", "catalog"),
}
"""What each service depends on; None for everything."""
_COLOURS = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31"}


def run(given: argparse.Namespace) -> int:
    """Examine everything that was requested, and print one line each. Returns 1 if something does not work."""
    roles = {service: role for service in ("api", "relay", "worker") if (role := getattr(given, service))}
    looks = {name: _look(name, given, roles) for name in _NEEDS[given.service]}
    found = list(look_everywhere(looks, timeout_s=given.timeout))
    (_print_json if given.output == "json" else _print_text)(found)
    bad = {Level.FAIL, Level.WARN} if given.strict else {Level.FAIL}
    return 1 if any(one.level in bad for one in found) else 0


def _look(name: str, given: argparse.Namespace, roles: Mapping[str, str]) -> Look:
    """Return the check of this name.

    It imports its module only when it runs, so a missing package fails that check alone.
    """

    def look() -> Iterable[Finding]:
        there: Callable[..., Any] = importlib.import_module(f"services.cli.doctor.{name}").look
        found: Iterable[Finding] = there(roles, given.service) if name == "database" else there()
        return found

    return look


def _print_json(found: Sequence[Finding]) -> None:
    worst = next((level for level in (Level.FAIL, Level.WARN) if any(f.level is level for f in found)), Level.OK)
    print(json.dumps({"level": worst, "checks": [one._asdict() for one in found]}, ensure_ascii=False, indent=2))


def _print_text(found: Sequence[Finding]) -> None:
    on_a_terminal = sys.stdout.isatty()
    for one in found:
        if not on_a_terminal:
            print(*(" ".join(part.split()) for part in one), sep="\t")
            continue
        level = f"{one.level:<4}"
        shown = f"\x1b[{_COLOURS[one.level]}m{level}\x1b[0m" if takes_colours(sys.stdout) else level
        print(f"{shown}  {one.check:<20}  {' '.join(one.message.split())}")
        if one.remedy:
            print(f"{'':<28}→ {one.remedy}")
    counts = ", ".join(f"{sum(one.level is level for one in found)} {level}" for level in Level)
    print(counts, file=sys.stderr)
