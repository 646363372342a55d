"""A server of a newer release: states, kinds and codes that this client does not know break no command."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.client.documented_api import Documented
from tests.client.fake_api import World
from tests.client.test_every_command import CASES, Runs, a_job, commands, one_certificate
from tests.support.http_server import LoopbackServer
from tests.support.installed import ROOT

__all__ = ["commands", "one_certificate"]
NEWER = "newer_value"
"""What nobody knows."""


@cache
def _known() -> frozenset[str]:
    """Every value of every enumeration of the API."""
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text(encoding="utf-8"))
    found: set[str] = set()

    def look(node: object) -> None:
        if isinstance(node, dict):
            found.update(one for one in node.get("enum", ()) if isinstance(one, str) and "example" not in node)
            for inner in node.values():
                look(inner)
        elif isinstance(node, list):
            for inner in node:
                look(inner)

    look(document)
    return frozenset(found)


def newer(node: Any) -> Any:
    """The same answer with a value that nobody knows for each one of an enumeration, and a field beside each."""
    if isinstance(node, dict):
        changed = {NEWER if name in _known() and name.isupper() else name: newer(one) for name, one in node.items()}
        return {**changed, "newerField": {"a": 1}} if "links" in changed else changed
    if isinstance(node, list):
        return [newer(one) for one in node]
    return NEWER if isinstance(node, str) and node in _known() else node


class Newer(Documented):
    """Answers as the description says, and with more."""

    def _json(self, status: int, body: Any, *more: Any) -> None:
        super()._json(status, newer(body), *more)


@pytest.fixture
def newer_runs(commands: object, tmp_path: Path, one_certificate: Path) -> Iterator[tuple[Runs, World]]:
    world = World()
    with LoopbackServer(type("Served", (Newer,), {"world": world})) as server:
        yield Runs(commands, server.url, tmp_path, one_certificate), world  # type: ignore[arg-type]


_WAIT = ("submit", "retry", "watch", "download", "rows", "login", "webhooks listen")
READS = [one for one in CASES if one.asks and " --wait" not in one.line and not one.line.startswith(_WAIT)]


def test_a_value_that_nobody_knows_breaks_no_command_and_is_shown(newer_runs: tuple[Runs, World]) -> None:
    runs, world = newer_runs
    broken, shown = [], []
    for case in READS:
        code, written, told = runs.in_a_pipe(runs.arguments(case, a_job(case, world)))
        if code != case.code or "Traceback" in told:
            broken.append((case.line, code, told))
        if NEWER in written:
            shown.append(case.line)

    assert broken == []
    assert len(shown) > 30
